"""What a backup looks at: who writes to the volume, and whether it is to end."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from moor.backup import stillness
from moor.backup.ending import ending_asked
from moor.failure import StoppedError

if TYPE_CHECKING:
    from docker.models.containers import Container


def container(*mounts: dict[str, Any]) -> Container:
    return cast("Container", SimpleNamespace(attrs={"Mounts": list(mounts)}))


@pytest.mark.parametrize(
    ("mounts", "writes"),
    [
        ([], False),
        ([{"Type": "volume", "Source": "/var/lib/docker/volumes/a/_data", "RW": True}], True),
        ([{"Type": "volume", "Source": "/var/lib/docker/volumes/a/_data", "RW": False}], False),
        ([{"Type": "bind", "Source": "/var/lib/moor/backup/data", "RW": True}], True),
        ([{"Type": "bind", "Source": "/var/lib/moor", "RW": True}], True),
        ([{"Type": "bind", "Source": "/var/lib/moorings", "RW": True}], False),
        ([{"Type": "bind", "Source": "/var/run/docker.sock", "RW": True}], False),
        ([{"Type": "tmpfs", "Source": "", "RW": True}], False),
    ],
)
def test_who_writes_to_the_volume(mounts: list[dict[str, Any]], *, writes: bool) -> None:
    assert stillness.writes(container(*mounts)) is writes


@pytest.mark.parametrize(
    ("mount", "writes"),
    [
        ({"Type": "volume", "Name": "moor_rows"}, True),
        ({"Type": "volume", "Name": "0" * 64}, False),
        ({"Type": "volume", "Name": "0" * 63}, True),
        ({"Type": "bind", "Source": "/var/lib/moor/a"}, True),
    ],
)
def test_a_tasks_volume_without_a_name_lasts_no_longer(
    mount: dict[str, Any], *, writes: bool
) -> None:
    assert stillness.writes(container({**mount, "RW": True}), lasting=True) is writes


def ended_twice(done: list[str]) -> None:
    with ending_asked("nothing is left") as asked:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            asked.is_deferred = True
            # A second one waits.
            signal.raise_signal(signal.SIGINT)
            done.append("put right")


def ended_late() -> None:
    with ending_asked("all is well") as asked:
        asked.is_deferred = True
        signal.raise_signal(signal.SIGHUP)
        asked.must_not_have_come()


def test_a_request_to_end_is_an_error_that_leaves_time_to_put_things_right() -> None:
    before = signal.getsignal(signal.SIGTERM)
    done: list[str] = []
    with pytest.raises(StoppedError, match=r"^interrupted: nothing is left$"):
        ended_twice(done)
    assert done == ["put right"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_request_that_had_to_wait_is_told_afterwards() -> None:
    with pytest.raises(StoppedError, match=r"^interrupted: all is well$") as caught:
        ended_late()
    assert caught.value.signal is signal.SIGHUP
