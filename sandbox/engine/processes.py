"""Processes that outlive the command which started them.

A process id alone does not name a process: it is reused. Here a process is its id together
with its start time, as the kernel counts it, so that nothing foreign is ever stopped.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_THREADS_FIELD: Final = 17  # proc(5), field 20, counted as below
_START_TIME_FIELD: Final = 19  # after the command's closing parenthesis; proc(5), field 22


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process, for as long as the machine runs.

    Attributes:
        pid: The process id.
        started: The start time in clock ticks since boot.
        boot: The kernel's id of this boot: start times begin anew with each.
    """

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Identify a running process; None where there is none (or only a zombie)."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        fields = text.rpartition(")")[2].split()
        # A killed one whose threads are still at their end has its sockets still.
        if fields[0] == "Z" and int(fields[_THREADS_FIELD]) <= 1:
            return None
        return cls(pid=pid, started=int(fields[_START_TIME_FIELD]), boot=boot_id())

    def is_alive(self) -> bool:
        """Tell whether this very process still runs."""
        return ProcessIdentity.of(self.pid) == self

    def is_ours(self) -> bool:
        """Tell whether this very process still runs, and is this user's."""
        return self.is_alive() and user_of(self.pid) == os.geteuid()

    def stop(self, *, patience: float) -> None:
        """End the process: ask first, then insist. Returns when it is gone.

        Args:
            patience: Seconds between SIGTERM and SIGKILL.
        """
        for number, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
            if not self.is_alive():
                return
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return
            deadline = time.monotonic() + wait
            while time.monotonic() < deadline:
                _reap(self.pid)
                if not self.is_alive():
                    return
                time.sleep(0.02)

    def to_json(self) -> dict[str, int | str]:
        """Return what `from_json` takes."""
        return {"pid": self.pid, "started": self.started, "boot": self.boot}

    @classmethod
    def from_json(cls, data: object) -> Self | None:
        """Read what `to_json` returned; None for anything else."""
        if not isinstance(data, dict):
            return None
        try:
            return cls(pid=int(data["pid"]), started=int(data["started"]), boot=str(data["boot"]))
        except (KeyError, TypeError, ValueError):
            return None


def boot_id() -> str:
    """Return the kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def command_line(pid: int) -> list[str]:
    """Return a process's arguments; empty where it is gone or not ours to see."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode(errors="replace") for part in data.split(b"\0")[:-1]]


def user_of(pid: int) -> int | None:
    """Return the id of the user whose process it is; None where it is gone."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def program_of(pid: int) -> str:
    """Return the name of the program that a process runs, whatever it calls itself.

    Empty where the process is gone, or not ours to see.
    """
    try:
        return Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return ""


def all_processes() -> list[int]:
    """Return the ids of all processes that can be seen."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def parent(pid: int) -> int:
    """Return the id of a process's parent; 0 where there is none to see."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])


def _reap(pid: int) -> None:
    """Collect a child that ended: as a zombie it would look alive to others."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
