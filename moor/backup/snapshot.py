"""A snapshot of a data volume, as its tags tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from constructs_lib.aws.limits import DATA_VOLUME_TAG
from moor import typed
from moor.failure import CommandError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

NEWEST: Final = "newest"
"""What stands for the newest one."""

COMPLETED: Final = "completed"
ERROR: Final = "error"
IMAGE_TAG: Final = "image:"
"""What the tags begin with that tell the images of the services, by the services' names."""

_SCHEDULE_TAG: Final = "aws:dlm:lifecycle-policy-id"
"""What Data Lifecycle Manager gives to each snapshot that it makes (Source: Amazon EBS User
Guide, "Automate backups with Amazon Data Lifecycle Manager")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot that bears the environment's tags.

    Attributes:
        id: Its id in EC2.
        node: The name of the machine whose data it is.
        volume: The id of the volume that it was taken of.
        size_gib: That volume's size in GiB then.
        taken: When it began, which is the moment that it is of.
        state: AWS's word: `pending`, `completed`, `error`, ...
        progress: How much of it is written, such as `62%`.
        is_scheduled: Whether Data Lifecycle Manager made it, and lets it go.
        images: The image of each service then, by the service's name, as far as known.
    """

    id: str
    node: str
    volume: str
    size_gib: int
    taken: datetime
    state: str = COMPLETED
    progress: str = ""
    is_scheduled: bool = False
    images: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """Read what EC2 says of a snapshot.

        Args:
            raw: Of `describe_snapshots`.
        """
        tags = tags_of(raw)
        return cls(
            id=raw["SnapshotId"],
            node=tags.get(DATA_VOLUME_TAG, ""),
            volume=raw["VolumeId"],
            size_gib=int(raw["VolumeSize"]),
            taken=raw["StartTime"],
            state=raw["State"],
            progress=raw.get("Progress", ""),
            is_scheduled=_SCHEDULE_TAG in tags,
            images={
                key.removeprefix(IMAGE_TAG): value
                for key, value in tags.items()
                if key.startswith(IMAGE_TAG)
            },
        )

    @property
    def is_complete(self) -> bool:
        """Whether it can be restored."""
        return self.state == COMPLETED

    @property
    def told(self) -> str:
        """What a person is told of it."""
        return f"snapshot {self.id} of {self.node}, {self.size_gib} GiB, {moment(self.taken)}"


def moment(time: datetime) -> str:
    """Return a time as a person reads it, in UTC as everything of AWS."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def tags_of(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of what EC2 describes."""
    return {tag["Key"]: tag["Value"] for tag in raw.get("Tags") or ()}


def newest_first(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Return snapshots in the order in which a person looks for one."""
    return sorted(snapshots, key=lambda one: (one.taken, one.id), reverse=True)


def chosen(
    snapshots: Sequence[Snapshot], name: str, *, make: str, node: str | None = None
) -> Snapshot:
    """Return the snapshot that a person means.

    Args:
        snapshots: Those of the environment.
        name: An id, or `newest`.
        make: The command that makes one.
        node: The machine that it must be of; any where unset.

    Raises:
        WrongUseError: There is no such snapshot, with the nearest ids; or the newest is asked for,
            and several machines have one.
        CommandError: There is none at all, or it cannot be restored.
    """
    those = [one for one in snapshots if node is None or one.node == node]
    if not those:
        of = f" of {node}" if node is not None and snapshots else ""
        raise CommandError(f"snapshot{of}: must be there, got none; `{make}` makes one")
    complete = [one for one in newest_first(those) if one.is_complete]
    if name == NEWEST:
        nodes = sorted({one.node for one in those})
        if len(nodes) > 1:
            raise WrongUseError(
                f"snapshot newest: must be of one machine, got {', '.join(nodes)}; say which by "
                "--node, or say an id"
            )
        if not complete:
            raise CommandError(
                f"snapshot: must be complete, got none that is; `{make}` makes one, or wait for "
                f"{newest_first(those)[0].id}"
            )
        return complete[0]
    for one in snapshots:
        if one.id == name:
            if one not in those:
                raise WrongUseError(f"{one.told}: must be of {node}, got another machine's")
            if one.is_complete:
                return one
            raise CommandError(
                f"{one.told}: must be complete, got {one.state} {one.progress}".rstrip()
                + ("; wait for it" if one.state != ERROR else "; take another one")
            )
    raise WrongUseError(typed.unknown("snapshot", name, [one.id for one in those]))
