"""Which snapshots are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from constructs_lib.settings.settings import SnapshotSettings
from moor.backup.retention import fates
from moor.backup.snapshot import Snapshot

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def snapshot(
    days: float, *, node: str = "manager-1", state: str = "completed", scheduled: bool = False
) -> Snapshot:
    return Snapshot(
        id=f"snap-{node}-{days:g}",
        node=node,
        volume="vol-1",
        size_gib=20,
        taken=NOW - timedelta(days=days),
        state=state,
        is_scheduled=scheduled,
    )


def told(*snapshots: Snapshot, keep: int | None = None, days: int | None = None) -> list[str]:
    rule = SnapshotSettings(keep=keep, keep_days=days) if keep or days else None
    found = fates(snapshots, {"manager-1": rule}, now=NOW)
    return [f"{'goes' if fate.goes else 'kept'}: {fate.why}" for fate in found]


def test_the_newest_are_kept_by_their_number() -> None:
    assert told(snapshot(3), snapshot(1), snapshot(2), keep=2) == [
        "kept: the newest",
        "kept: one of 2",
        "goes: there are 2 newer ones",
    ]


def test_an_old_one_goes_and_the_newest_never() -> None:
    assert told(snapshot(40), snapshot(31), days=30) == [
        "kept: the newest",
        "goes: it is older than 30 days",
    ]
    assert told(snapshot(400), keep=1, days=30) == ["kept: the newest"]


def test_either_of_the_rules_lets_one_go() -> None:
    assert told(snapshot(1), snapshot(2), snapshot(20), snapshot(3), keep=3, days=10) == [
        "kept: the newest",
        "kept: one of 3, within 10 days",
        "kept: one of 3, within 10 days",
        "goes: there are 3 newer ones",
    ]


def test_what_is_not_whole_counts_for_nothing_and_what_failed_goes() -> None:
    one, two = snapshot(0, state="pending"), snapshot(1, state="error")
    assert told(one, two, snapshot(2), snapshot(3), keep=1) == [
        "kept: it is being written",
        "goes: it failed",
        "kept: the newest",
        "goes: there are 1 newer ones",
    ]


def test_what_failed_stays_where_it_is_all_there_is() -> None:
    assert told(snapshot(1, state="error"), keep=1) == ["kept: it failed"]


def test_a_schedules_own_are_its_own() -> None:
    assert told(snapshot(1), snapshot(2, scheduled=True), snapshot(3), keep=1) == [
        "kept: the newest",
        "kept: the schedule's own",
        "goes: there are 1 newer ones",
    ]


def test_each_machine_has_its_own_newest_and_an_unknown_one_keeps_all() -> None:
    rules = {"manager-1": SnapshotSettings(keep=1)}
    every = [snapshot(1), snapshot(9, node="web-1"), snapshot(10, node="web-1"), snapshot(2)]
    found = fates(every, rules, now=NOW)
    assert [(fate.snapshot.id, fate.goes) for fate in found] == [
        ("snap-manager-1-1", False),
        ("snap-manager-1-2", True),
        ("snap-web-1-9", False),
        ("snap-web-1-10", False),
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_whatever_the_rule_one_that_is_whole_is_left(count: int) -> None:
    every = [snapshot(day) for day in range(1, count + 1)]
    left = [f for f in fates(every, {"manager-1": SnapshotSettings(keep=1)}, now=NOW) if not f.goes]
    assert len(left) == min(1, count)
