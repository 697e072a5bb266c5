"""Which snapshots are kept: by count, by age, and never less than the newest that is whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from moor.backup.snapshot import ERROR, newest_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from constructs_lib.settings.settings import SnapshotSettings
    from moor.backup.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of a snapshot.

    Attributes:
        snapshot: The snapshot.
        goes: Whether it goes at the next occasion.
        why: The reason, in a few words.
    """

    snapshot: Snapshot
    goes: bool
    why: str


def fates(
    snapshots: Iterable[Snapshot], rules: Mapping[str, SnapshotSettings | None], *, now: datetime
) -> list[Fate]:
    """Return what becomes of each snapshot, the newest first.

    Args:
        snapshots: Those of the environment.
        rules: Which are kept, by the name of the machine; None keeps all, and so does a machine
            that is not among them.
        now: The present time.
    """
    every = newest_first(snapshots)
    nodes = dict.fromkeys(one.node for one in every)
    found = {
        fate.snapshot.id: fate
        for node in nodes
        for fate in _of_node([one for one in every if one.node == node], rules.get(node), now=now)
    }
    return [found[one.id] for one in every]


def _of_node(
    snapshots: Sequence[Snapshot], rule: SnapshotSettings | None, *, now: datetime
) -> Iterable[Fate]:
    """Yield the fate of a machine's snapshots.

    Args:
        snapshots: The snapshots, the newest first.
        rule: Which are kept.
        now: The present time.
    """
    # What Data Lifecycle Manager made is counted there, and what is not whole counts for nothing.
    counted = [one for one in snapshots if one.is_complete and not one.is_scheduled]
    newest = next((one for one in snapshots if one.is_complete), None)
    for one in snapshots:
        goes, why = False, "as many as there are"
        if one.is_scheduled:
            why = "the schedule's own"
        elif one is newest:
            why = "the newest"
        elif one.state == ERROR:
            # Not before there is one that can be restored.
            goes, why = newest is not None, "it failed"
        elif not one.is_complete:
            why = "it is being written"
        elif rule is not None:
            goes, why = _by_rule(one, counted.index(one), rule, now)
        yield Fate(snapshot=one, goes=goes, why=why)


def _by_rule(one: Snapshot, place: int, rule: SnapshotSettings, now: datetime) -> tuple[bool, str]:
    if rule.keep is not None and place >= rule.keep:
        return True, f"there are {rule.keep} newer ones"
    if rule.keep_days is not None and now - one.taken > timedelta(days=rule.keep_days):
        return True, f"it is older than {rule.keep_days} days"
    parts = []
    if rule.keep is not None:
        parts.append(f"one of {rule.keep}")
    if rule.keep_days is not None:
        parts.append(f"within {rule.keep_days} days")
    return False, ", ".join(parts)
