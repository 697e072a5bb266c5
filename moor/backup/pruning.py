"""Letting snapshots go that the settings do not keep."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from constructs_lib.settings.nodes import nodes_of
from moor.backup.aws import Ec2
from moor.backup.retention import Fate, fates
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from constructs_lib.settings.settings import Settings, SnapshotSettings
    from moor.backup.snapshot import Snapshot
    from moor.session import Session


def rules(settings: Settings) -> dict[str, SnapshotSettings | None]:
    """Return which snapshots are kept, by the names of the machines.

    Args:
        settings: The settings.
    """
    return {
        node.name: node.data_volume.snapshots
        for node in nodes_of(settings)
        if node.data_volume is not None
    }


def look(session: Session, ec2: Ec2) -> list[Fate]:
    """Return all snapshots of the environment, and what becomes of each.

    Args:
        session: The command.
        ec2: EC2.

    Raises:
        CommandError: AWS cannot be asked.
    """
    return fates(ec2.snapshots(), rules(session.settings), now=datetime.now(UTC))


def remove(ec2: Ec2, going: Sequence[Fate], say: Callable[[str], None]) -> list[Snapshot]:
    """Delete snapshots.

    Args:
        ec2: EC2.
        going: Those that go.
        say: Takes a line for a person.

    Returns:
        Those that were deleted.

    Raises:
        CommandError: AWS refuses one; the others are gone.
    """
    gone, problems = [], []
    for fate in going:
        try:
            ec2.delete_snapshot(fate.snapshot)
        except CommandError as error:
            problems.append(str(error))
        else:
            gone.append(fate.snapshot)
            say(f"{fate.snapshot.told}: deleted, since {fate.why}")
    if problems:
        raise CommandError("\n".join(problems))
    return gone


def after_deployment(session: Session, say: Callable[[str], None]) -> None:
    """Let go what the settings do not keep. What fails here is no failure of a deployment.

    Args:
        session: The command.
        say: Takes a line for a person.
    """
    if not any(rules(session.settings).values()):
        return
    ec2 = Ec2(session)
    try:
        remove(ec2, [fate for fate in look(session, ec2) if fate.goes], say)
    except CommandError as error:
        say(f"warning: snapshots: {error}; `moor backup prune` tries again")
