"""Limits of AWS that more than one wing has to know."""

from typing import Final

USER_DATA_LIMIT: Final = 16384
"""Bytes of user data that EC2 takes (Source: EC2 User Guide, "Run commands at launch")."""

DATA_VOLUME_TAG: Final = "data-volume"
"""The tag of a data volume, whose value is the name of the machine that it belongs to."""

DATA_VOLUME_DEVICE: Final = "/dev/sdf"
"""What EC2 calls a data volume's device; a machine of the Nitro system finds it by the volume's id.

Source: Amazon EC2 User Guide, "Device names for volumes on Amazon EC2 instances".
"""

FORMER_VOLUME_TAG: Final = "former-data-volume"
"""The tag of a volume that a restore has taken out, or is about to put in; likewise."""

SCHEDULE_TAG: Final = "snapshot-schedule"
"""The tag by which Data Lifecycle Manager finds a volume, whose value is the volume's name."""
