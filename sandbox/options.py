"""Options that all of the sandbox's containers share."""

from __future__ import annotations

from typing import Any, Final

from docker.types import LogConfig

# Any: the published types do not know this policy, which every engine has.
UNLESS_STOPPED: Final[Any] = {"Name": "unless-stopped"}
"""Back after the engine or the computer restarts, but not where it was stopped on purpose."""


def limited_log(size: str) -> LogConfig:
    """Return a log that cannot fill the disk.

    Args:
        size: The most it may take, such as `4m`.
    """
    return LogConfig(type=LogConfig.types.JSON, config={"max-size": size})
