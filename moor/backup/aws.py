"""What backups ask of EC2: snapshots and volumes with the environment's tags, and no others."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws.limits import DATA_VOLUME_TAG
from constructs_lib.aws.tags import environment_tags
from moor import typed
from moor.aws_refusal import told
from moor.backup.snapshot import NEWEST, Snapshot, chosen, tags_of
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moor.session import Session

_POLL_SECONDS: Final = 1.0
_VOLUME_SECONDS: Final = 300.0


class Ec2:
    """EC2, for one environment.

    Args:
        session: The command.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def client(self) -> Any:  # noqa: ANN401  (boto3 has no types)
        """The client.

        Raises:
            CommandError: The sandbox's key cannot be read.
        """
        from moor.aws_client import ec2  # noqa: PLC0415  # heavy

        return ec2(self._session.settings, self._session.environment.sandbox_credentials)

    @cached_property
    def tags(self) -> dict[str, str]:
        """The tags of every AWS resource of the environment."""
        return environment_tags(self._session.settings.project, self._session.environment.name)

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots of the environment.

        Raises:
            CommandError: AWS cannot be asked.
        """
        with told("the snapshots must be found"):
            pages = self.client.get_paginator("describe_snapshots").paginate(
                OwnerIds=["self"], Filters=self._filters(DATA_VOLUME_TAG)
            )
            return [Snapshot.read(raw) for page in pages for raw in page["Snapshots"]]

    def snapshot(self, name: str, node: str | None = None) -> Snapshot:
        """Return the snapshot that a person means.

        Args:
            name: An id, or `newest`.
            node: The machine that it must be of; any where unset.

        Raises:
            WrongUseError: There is no such snapshot, or several machines have a newest one.
            CommandError: There is none, it is not ours, or it is not complete.
        """
        ours = self.snapshots()
        if name != NEWEST and all(one.id != name for one in ours):
            self._must_not_be_anothers(name)
        make = typed.program(self._session.environment, "backup create")
        return chosen(ours, name, make=make, node=node)

    def volumes(self, tag: str = DATA_VOLUME_TAG) -> list[dict[str, Any]]:
        """Return the volumes of the environment that have a tag, as EC2 describes them.

        Args:
            tag: The tag's name.

        Raises:
            CommandError: AWS cannot be asked.
        """
        with told("the volumes must be found"):
            pages = self.client.get_paginator("describe_volumes").paginate(
                Filters=self._filters(tag)
            )
            return [raw for page in pages for raw in page["Volumes"]]

    def volume(self, node: str) -> dict[str, Any]:
        """Return the data volume of a machine, as EC2 describes it.

        Args:
            node: The machine's name.

        Raises:
            CommandError: There is none, or AWS cannot be asked.
        """
        found = [raw for raw in self.volumes() if tags_of(raw)[DATA_VOLUME_TAG] == node]
        if len(found) == 1:
            return found[0]
        up = typed.command(self._session.environment, "up")
        ids = ", ".join(raw["VolumeId"] for raw in found) or "none"
        raise CommandError(f"data volume of {node}: must be there once, got {ids}; run {up} first")

    def described(self, volume: str) -> dict[str, Any] | None:
        """Return a volume as EC2 describes it; None where it is gone.

        Raises:
            CommandError: AWS cannot be asked.
        """
        filters = [{"Name": "volume-id", "Values": [volume]}]
        with told(f"volume {volume}: must be found"):
            found = self.client.describe_volumes(Filters=filters)["Volumes"]
        return dict(found[0]) if found else None

    def await_volume(self, volume: str, state: str, tick: Callable[[], None]) -> None:
        """Wait until a volume is `available` or `in-use`.

        Raises:
            CommandError: It is gone, or was not so within five minutes.
        """
        end = time.monotonic() + _VOLUME_SECONDS
        while True:
            raw = self.described(volume)
            is_state = raw["State"] if raw else "gone"
            attached = [a["State"] for a in (raw or {}).get("Attachments", [])]
            if is_state == state and all(one == "attached" for one in attached):
                return
            if raw is None or time.monotonic() >= end:
                raise CommandError(
                    f"volume {volume}: must be {state} within {_VOLUME_SECONDS:.0f} s, got "
                    f"{is_state} {' '.join(attached)}".rstrip()
                )
            tick()
            time.sleep(_POLL_SECONDS)

    def delete_snapshot(self, snapshot: Snapshot) -> None:
        """Delete a snapshot.

        Raises:
            CommandError: AWS refuses.
        """
        with told(f"{snapshot.told}: must be deleted"):
            self.client.delete_snapshot(SnapshotId=snapshot.id)

    def delete_volume(self, volume: str) -> None:
        """Delete a volume.

        Raises:
            CommandError: AWS refuses.
        """
        with told(f"volume {volume}: must be deleted"):
            self.client.delete_volume(VolumeId=volume)

    def born_with(self, kind: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return `TagSpecifications` of the environment's tags and others.

        Args:
            kind: EC2's word for the resource, such as `snapshot`.
            tags: The others.
        """
        return [{"ResourceType": kind, "Tags": as_list({**self.tags, **tags})}]

    def _filters(self, tag: str) -> list[dict[str, Any]]:
        own = [{"Name": f"tag:{key}", "Values": [value]} for key, value in self.tags.items()]
        return [*own, {"Name": "tag-key", "Values": [tag]}]

    def _must_not_be_anothers(self, name: str) -> None:
        """Refuse a snapshot that exists, and lacks the environment's tags."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  # heavy

        try:
            found = self.client.describe_snapshots(SnapshotIds=[name])["Snapshots"]
        except ClientError:
            return
        if not found:
            return
        tags = tags_of(found[0])
        got = ", ".join(f"{key}={tags[key]}" for key in self.tags if key in tags)
        wanted = ", ".join(f"{key}={value}" for key, value in self.tags.items())
        raise CommandError(
            f"snapshot {name}: must be of a data volume of this environment, with the tags "
            f"{wanted}, got {got or 'none of them'}; nothing was done with it"
        )


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
