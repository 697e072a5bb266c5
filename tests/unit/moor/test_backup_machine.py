"""Commands on the machine, with a program in the place of ssh; and who writes to the volume."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from constructs_lib.settings.environment import Environment
from moor.backup import stillness
from moor.backup.ending import ending_asked
from moor.backup.machine import Machine
from moor.failure import CommandError, StoppedError

if TYPE_CHECKING:
    from docker.models.containers import Container

ENVIRONMENT = Environment.from_variable(Path("/project"), {"ENVIRONMENT": "production"})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine whose commands run here."""
    program = tmp_path / "ssh"
    program.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n', encoding="utf-8")
    program.chmod(0o755)
    return Machine(environment=ENVIRONMENT, ssh=(str(program), "-p", "22", "core@192.0.2.1"))


def container(*mounts: dict[str, Any]) -> Container:
    return cast("Container", SimpleNamespace(attrs={"Mounts": list(mounts)}))


def test_a_command_gets_what_it_reads_and_tells_what_it_prints(machine: Machine) -> None:
    assert machine.run("cat; echo", given=b"hello") == "hello\n"


def test_a_command_that_fails_is_told_with_what_it_said(machine: Machine) -> None:
    text = "core@192.0.2.1: `echo no >&2; exit 3` must succeed, got status 3:\n  no"
    with pytest.raises(CommandError, match=f"^{re.escape(text)}$"):
        machine.run("echo no >&2; exit 3")


def test_a_machine_that_is_not_reached_is_told_with_where_to_look(machine: Machine) -> None:
    text = (
        "core@192.0.2.1: must be reached over SSH, got: Connection refused; "
        "`ENVIRONMENT=production .venv/bin/moor doctor` looks why"
    )
    with pytest.raises(CommandError, match=f"^{re.escape(text)}$"):
        machine.run("echo Connection refused >&2; exit 255")


def test_a_command_that_does_not_end_is_ended(machine: Machine) -> None:
    text = "core@192.0.2.1: `exec sleep 60` must end within 0 s, got no end"
    with pytest.raises(CommandError, match=f"^{re.escape(text)}$"):
        machine.run("exec sleep 60", seconds=0.2)


def test_a_machine_whose_host_keys_are_not_known_is_not_asked() -> None:
    text = "ssh: the machine's host keys must be known; run ENVIRONMENT=production make up first"
    with pytest.raises(CommandError, match=f"^{re.escape(text)}$"):
        Machine.of(ENVIRONMENT, "ssh core@192.0.2.1")


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
