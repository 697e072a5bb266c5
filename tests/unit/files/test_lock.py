"""The lock: one holder at a time, in whatever way the last one ended."""

from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

from constructs_lib.files.lock import acquire, exclusive_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Holds the lock, says so, and ends when its input does.
HOLDS: Final = """
import pathlib, sys
from constructs_lib.files.lock import exclusive_lock
with exclusive_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

# Starts a program that ends when the same input does, and ends before it.
LEAVES_A_CHILD: Final = """
import os, pathlib, subprocess, sys
from constructs_lib.files.lock import acquire
acquire(pathlib.Path(sys.argv[1]), inherited=sys.argv[2] == "inherited")
subprocess.Popen(["/bin/sh", "-c", "echo held; read -r line"], close_fds=False)
"""


class BusyError(Exception):
    """What the tests raise instead of waiting."""


def refuse(holder: str) -> NoReturn:
    raise BusyError(holder)


@contextmanager
def another(program: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program in another process, from when it has said `held`."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 60)[0], "no word in a minute"
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def holder_of(file: Path) -> str | None:
    """Return who holds a lock; None where it is free."""
    try:
        os.close(acquire(file, busy=refuse))
    except BusyError as error:
        return str(error)
    return None


def test_it_lets_one_in_at_a_time(tmp_path: Path) -> None:
    inside = 0
    most = 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with exclusive_lock(tmp_path / "lock"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                os.sched_yield()
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_the_second_is_told_who_holds_it_and_need_not_wait(tmp_path: Path) -> None:
    with another(HOLDS, str(tmp_path / "lock")) as process:
        assert holder_of(tmp_path / "lock") == str(process.pid)
    with exclusive_lock(tmp_path / "lock"):
        assert holder_of(tmp_path / "lock") == str(os.getpid())
    assert holder_of(tmp_path / "lock") is None


def test_a_refused_one_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / "lock"):
        before = os.listdir("/proc/self/fd")  # noqa: PTH208  (a folder's count, no path)
        assert holder_of(tmp_path / "lock") is not None
        assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208


def test_it_waits_when_whoever_is_told_returns(tmp_path: Path) -> None:
    told = []
    with another(HOLDS, str(tmp_path / "lock")) as process:

        def let_it_end(holder: str) -> None:
            told.append(holder)
            assert process.stdin is not None
            process.stdin.close()

        with exclusive_lock(tmp_path / "lock", busy=let_it_end):
            assert told == [str(process.pid)]
            # Its holder by now.
            assert holder_of(tmp_path / "lock") == str(os.getpid())


def test_a_holder_that_left_no_name_is_unknown(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / "lock"):
        (tmp_path / "lock").write_text("", encoding="utf-8")
        assert holder_of(tmp_path / "lock") == "unknown"


def test_it_is_free_after_an_error_in_the_block(tmp_path: Path) -> None:
    def fail() -> None:
        with exclusive_lock(tmp_path / "lock"):
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert holder_of(tmp_path / "lock") is None


def test_a_dead_process_has_let_go(tmp_path: Path) -> None:
    with another(HOLDS, str(tmp_path / "lock")) as process:
        assert holder_of(tmp_path / "lock") is not None
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        assert holder_of(tmp_path / "lock") is None


def test_a_program_that_the_holder_started_holds_an_inherited_lock_on(tmp_path: Path) -> None:
    with another(LEAVES_A_CHILD, str(tmp_path / "lock"), "inherited") as process:
        process.wait(timeout=60)
        assert holder_of(tmp_path / "lock") == str(process.pid)
    with another(LEAVES_A_CHILD, str(tmp_path / "other"), "alone") as process:
        process.wait(timeout=60)
        assert holder_of(tmp_path / "other") is None


def test_the_file_is_private_from_birth(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        with exclusive_lock(tmp_path / "a" / "lock"):
            assert stat.S_IMODE((tmp_path / "a" / "lock").stat().st_mode) == 0o600
            assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    finally:
        os.umask(previous)


def test_it_fails_when_the_file_is_a_symbolic_link(tmp_path: Path) -> None:
    # In the temporary folder, where the sandbox's lock is, anyone may have made one.
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"), exclusive_lock(tmp_path / "lock"):
        pytest.fail("a link was followed")
    assert not (tmp_path / "victim").exists()
