"""The data volumes of an environment, found by their tags or in a state.

A volume outlives its machine, and the deployment. The tags tell whose it is, where no state does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws.limits import DATA_VOLUME_TAG
from constructs_lib.aws.tags import environment_tags
from moor import typed
from moor.aws_refusal import told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from moor.session import Session

KIND: Final = "aws_ebs_volume"
"""The resource that a data volume is; there is no other of it."""

OUTPUT: Final = "data_volumes"

_DATA: Final = (KIND, "docker_volume")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A data volume that exists.

    Attributes:
        id: Its id in EC2.
        node: The name of the machine that it belongs to.
        size_gib: Its size in GiB.
        zone: Its zone.
        machine: The id of the machine that it is attached to; empty where there is none.
        made: When it was made, as AWS tells it; empty where nobody tells.
    """

    id: str
    node: str
    size_gib: int
    zone: str
    machine: str = ""
    made: str = ""

    @property
    def told(self) -> str:
        """What a person is told of it."""
        since = f", made {self.made}" if self.made else ""
        return f"data volume {self.id} of {self.node}, {self.size_gib} GiB in {self.zone}{since}"


def exist(session: Session) -> list[Volume]:
    """Return the data volumes that bear the environment's tags, whether a state knows them or not.

    Args:
        session: The command.

    Raises:
        CommandError: AWS, or the sandbox, cannot be asked.
    """
    from moor.aws_client import ec2  # noqa: PLC0415  # heavy

    tags = environment_tags(session.settings.project, session.environment.name)
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    filters += [
        {"Name": "tag-key", "Values": [DATA_VOLUME_TAG]},
        {"Name": "status", "Values": ["creating", "available", "in-use"]},
    ]
    with told("aws: the data volumes must be found"):
        client = ec2(session.settings, session.environment.sandbox_credentials)
        pages = client.get_paginator("describe_volumes").paginate(Filters=filters)
        found = [_volume(raw) for page in pages for raw in page["Volumes"]]
    return sorted(found, key=lambda volume: (volume.node, volume.id))


def known(state: Mapping[str, Any]) -> dict[str, tuple[Volume, str]]:
    """Return the data volumes of a state by their ids, each with its address.

    Args:
        state: The first stack's state.
    """
    found = {}
    for resource in state.get("resources", []):
        if resource.get("mode") != "managed" or resource.get("type") != KIND:
            continue
        for instance in resource.get("instances", []):
            attributes = instance.get("attributes") or {}
            volume = Volume(
                id=str(attributes.get("id")),
                node=str((attributes.get("tags") or {}).get(DATA_VOLUME_TAG)),
                size_gib=int(attributes.get("size") or 0),
                zone=str(attributes.get("availability_zone")),
            )
            found[volume.id] = (volume, f"{KIND}.{resource['name']}")
    return found


def all_but(state: Mapping[str, Any]) -> list[str]:
    """Return the addresses of what a destruction destroys of a stack where data is kept.

    Args:
        state: The stack's state.

    Returns:
        All that the state knows but data volumes, and the volumes of Docker's that are on them.
    """
    return [
        f"{resource['type']}.{resource['name']}"
        for resource in state.get("resources", [])
        if resource.get("mode") == "managed" and resource.get("type") not in _DATA
    ]


def tell_kept(session: Session, volumes: Iterable[Volume]) -> list[str]:
    """Return what is said of volumes that a destruction has kept, one line each.

    Args:
        session: The command.
        volumes: The volumes.
    """
    up = typed.command(session.environment, "up")
    return [
        f"{volume.told}: kept; the next `{up}` has it again, and {how_to_lose(session)}"
        for volume in volumes
    ]


def kept_of_a_sandbox(session: Session) -> list[Volume]:
    """Return the data volumes of a sandbox that does not run.

    Args:
        session: The command.
    """
    from sandbox.api.volumes import kept  # noqa: PLC0415  # brings the docker SDK

    return [
        Volume(
            id=volume_id,
            node=said["tags"][DATA_VOLUME_TAG],
            size_gib=int(said["size"]),
            zone=str(said["zone"]),
        )
        for volume_id, said in kept(session.environment.sandbox).items()
        if DATA_VOLUME_TAG in said["tags"]
    ]


def _volume(raw: Mapping[str, Any]) -> Volume:
    tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", [])}
    attached = [a["InstanceId"] for a in raw.get("Attachments", []) if a.get("State") != "detached"]
    made = raw.get("CreateTime")
    return Volume(
        id=raw["VolumeId"],
        node=tags[DATA_VOLUME_TAG],
        size_gib=int(raw["Size"]),
        zone=raw["AvailabilityZone"],
        machine=", ".join(attached),
        made=f"{made:%Y-%m-%d %H:%M} UTC" if made else "",
    )


def how_to_lose(session: Session) -> str:
    """Return what is said of the way to lose a data volume.

    Args:
        session: The command.
    """
    lose = typed.program(session.environment, "data give-up")
    return f"`{lose}` loses it"
