"""Snapshots as a person sees them, on a screen of 80 columns."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from moor.backup import view
from moor.backup.retention import Fate
from moor.backup.snapshot import Snapshot

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def fate(hours: float, *, goes: bool = False, state: str = "completed") -> Fate:
    one = Snapshot(
        id=f"snap-0123456789abcde{int(hours):02d}",
        node="manager-1",
        volume="vol-1",
        size_gib=100,
        taken=NOW - timedelta(hours=hours),
        state=state,
        progress="62%" if state == "pending" else "",
    )
    return Fate(snapshot=one, goes=goes, why="there are 2 newer ones" if goes else "the newest")


def test_a_row_is_a_line_and_what_goes_is_told_with_its_reason() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    every = [fate(0.5, state="pending"), fate(2), fate(50, goes=True)]
    view.show(every, console, now=NOW)
    text = stream.getvalue()
    assert [" ".join(line.split()) for line in text.splitlines()] == [
        "snapshot taken (UTC) age GiB node state kept",
        "snap-0123456789abcde00 2026-03-01 12:00 30 min 100 manager-1 62% yes",
        "snap-0123456789abcde02 2026-03-01 10:30 2 h 100 manager-1 complete yes",
        "snap-0123456789abcde50 2026-02-27 10:30 2 d 100 manager-1 complete goes",
        "snap-0123456789abcde50 goes: there are 2 newer ones",
    ]
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("minutes", "told"),
    [(-1, "0 min"), (59, "59 min"), (60, "1 h"), (1439, "23 h"), (1440, "1 d"), (60000, "41 d")],
)
def test_an_age_is_told_in_its_greatest_unit(minutes: int, told: str) -> None:
    assert view.age(timedelta(minutes=minutes)) == told


def test_a_script_gets_all_of_it() -> None:
    found = view.as_json([fate(50, goes=True)], [])
    (one,) = found["snapshots"]
    assert (one["kept"], one["why"], one["taken"]) == (
        False,
        "there are 2 newer ones",
        "2026-02-27T10:30:00+00:00",
    )
