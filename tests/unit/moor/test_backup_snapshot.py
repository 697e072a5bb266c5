"""The snapshot that a person means."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from moor.backup.snapshot import Snapshot, chosen
from moor.failure import CommandError, WrongUseError

OF, WHOLE = "manager-1, 2 GiB, 2026-03-01", "must be complete"
TAKEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def snapshot(name: str, hour: int, state: str = "completed") -> Snapshot:
    return Snapshot(
        id=name,
        node="manager-1",
        volume="vol-1",
        size_gib=2,
        taken=TAKEN.replace(hour=hour),
        state=state,
        progress="62%" if state == "pending" else "",
    )


EVERY = [
    snapshot("snap-0a11aaaa", 9),
    snapshot("snap-0ccccccc2", 11),
    snapshot("snap-0eeeeeee3", 12, "pending"),
]


def test_by_its_id_or_the_newest_that_is_whole() -> None:
    assert chosen(EVERY, "snap-0a11aaaa", make="make").id == "snap-0a11aaaa"
    assert chosen(EVERY, "newest", make="make").id == "snap-0ccccccc2"


@pytest.mark.parametrize(
    ("snapshots", "name", "text"),
    [
        ([], "newest", "snapshot: must be there, got none; `make` makes one"),
        (
            EVERY[2:],
            "newest",
            f"snapshot: {WHOLE}, got none that is; `make` makes one, or wait for snap-0eeeeeee3",
        ),
        (
            EVERY,
            "snap-0eeeeeee3",
            f"snapshot snap-0eeeeeee3 of {OF} 12:00 UTC: {WHOLE}, got pending 62%; wait for it",
        ),
        (
            [snapshot("snap-0d4", 1, "error")],
            "snap-0d4",
            f"snapshot snap-0d4 of {OF} 01:00 UTC: {WHOLE}, got error; take another one",
        ),
    ],
)
def test_what_cannot_be_had_is_told(snapshots: list[Snapshot], name: str, text: str) -> None:
    with pytest.raises(CommandError, match=f"^{re.escape(text)}$"):
        chosen(snapshots, name, make="make")


def test_an_unknown_one_is_told_with_the_nearest() -> None:
    text = "snapshot: must be the name of one, got 'snap-0a11aaab'; did you mean snap-0a11aaaa?"
    with pytest.raises(WrongUseError, match=f"^{re.escape(text)}"):
        chosen(EVERY, "snap-0a11aaab", make="make")


def test_tags_tell_what_it_is_of() -> None:
    read = Snapshot.read(
        {
            "SnapshotId": "snap-1",
            "VolumeId": "vol-1",
            "VolumeSize": 20,
            "StartTime": TAKEN,
            "State": "completed",
            "Progress": "100%",
            "Tags": [
                {"Key": "data-volume", "Value": "web-1"},
                {"Key": "image:db", "Value": "postgres@sha256:1"},
                {"Key": "aws:dlm:lifecycle-policy-id", "Value": "policy-1"},
            ],
        }
    )
    assert read == Snapshot(
        id="snap-1",
        node="web-1",
        volume="vol-1",
        size_gib=20,
        taken=TAKEN,
        progress="100%",
        is_scheduled=True,
        images={"db": "postgres@sha256:1"},
    )


def of_node(name: str, node: str, hour: int) -> Snapshot:
    return replace(snapshot(name, hour), node=node)


BOTH = [of_node("snap-01", "manager-1", 9), of_node("snap-02", "web-1", 10)]


def test_of_several_machines_the_newest_is_that_of_the_one_that_is_named() -> None:
    assert chosen(BOTH, "newest", make="make", node="manager-1").id == "snap-01"
    assert chosen(BOTH, "snap-02", make="make").id == "snap-02"
    assert chosen(BOTH[1:], "newest", make="make").id == "snap-02"


@pytest.mark.parametrize(
    ("name", "node", "text"),
    [
        (
            "newest",
            None,
            (
                "snapshot newest: must be of one machine, got manager-1, web-1; say which by "
                "--node, or say an id"
            ),
        ),
        (
            "snap-01",
            "web-1",
            (
                "snapshot snap-01 of manager-1, 2 GiB, 2026-03-01 09:00 UTC: must be of web-1, got "
                "another machine's"
            ),
        ),
        ("newest", "web-2", "snapshot of web-2: must be there, got none; `make` makes one"),
    ],
)
def test_another_machines_is_refused(name: str, node: str | None, text: str) -> None:
    with pytest.raises(CommandError, match=f"^{re.escape(text)}$"):
        chosen(BOTH, name, make="make", node=node)
