"""A process is told from another one that has its id later."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.engine.processes import ProcessIdentity, command_line, program_of, user_of


def test_a_process_is_told_from_one_that_has_its_id_later() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        assert identity.is_alive()
        assert not replace(identity, started=identity.started + 1).is_alive()
        assert ProcessIdentity.from_json(identity.to_json()) == identity
        identity.stop(patience=10)
        assert not identity.is_alive()


def test_a_foreign_process_is_never_stopped() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        replace(identity, started=identity.started + 1).stop(patience=0.1)
        assert process.poll() is None
        process.kill()


def test_a_process_is_known_by_what_it_runs_and_not_by_what_it_calls_itself() -> None:
    command = ["dockerd", "60"]
    with subprocess.Popen(command, executable=shutil.which("sleep")) as process:
        deadline = time.monotonic() + 5
        # The kernel tells a program's arguments a moment after it has become that program.
        while not command_line(process.pid) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert command_line(process.pid) == command
        assert program_of(process.pid) in {"sleep", "coreutils", "busybox"}
        assert user_of(process.pid) == os.geteuid()
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        assert identity.is_ours()
        process.kill()
    assert not identity.is_ours()
    assert (program_of(process.pid), user_of(process.pid)) == ("", None)


THREADED = """
import threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
# The first thread ends alone, as each may while a process is killed.
import ctypes
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_one_lives_as_long_as_any_of_its_threads() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", THREADED], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 5
        while " Z " not in Path(f"/proc/{process.pid}/stat").read_text():
            assert time.monotonic() < deadline
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        process.kill()
        process.wait()
        assert not identity.is_alive()


@pytest.mark.parametrize("data", [None, [], {}, {"pid": "x", "started": 1, "boot": "b"}])
def test_an_unusable_record_is_no_process(data: object) -> None:
    assert ProcessIdentity.from_json(data) is None
