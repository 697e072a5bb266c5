"""One deployment at a time in an environment."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from constructs_lib.files import lock
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.settings.environment import Environment

_PROVIDER: Final = "terraform-provi"
"""How the kernel names a provider's process: the first 15 characters of its program's name."""

_POLL_SECONDS: Final = 0.2
_PROVIDER_SECONDS: Final = 2.0
"""How long a provider may outlive its Terraform. It has nobody to work for any more."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has the lock, or waits for it.

    Attributes:
        pid: Its number.
        name: Its name, as the kernel has it.
    """

    pid: int
    name: str

    @property
    def is_provider(self) -> bool:
        """Whether it is a provider, which works for a Terraform."""
        return self.name.startswith(_PROVIDER)


def acquire(environment: Environment, say: Callable[[str], None] = lambda _line: None) -> int:
    """Take the environment's lock, or fail at once.

    The kernel drops the lock when the last process that holds the descriptor ends. The
    descriptor is inheritable: a program that this process turns into, or starts with it, holds
    the lock on. So Terraform holds it for as long as it works, even where the command that
    started it was killed; such a Terraform is waited for, and a provider that has outlived its
    Terraform is ended.

    Args:
        environment: The environment.
        say: Takes a line for a person, where something is waited for.

    Returns:
        The descriptor of the locked file; close it to let go.

    Raises:
        CommandError: Another command works on the environment.
    """
    return lock.acquire(
        environment.lock, busy=lambda holder: _wait(environment, holder, say), inherited=True
    )


@contextmanager
def held(
    environment: Environment, say: Callable[[str], None] = lambda _line: None
) -> Iterator[int]:
    """Hold the environment's lock for the length of a block.

    Args:
        environment: The environment.
        say: Takes a line for a person, where something is waited for.

    Yields:
        The descriptor, for programs that must hold the lock on.

    Raises:
        CommandError: Another command works on the environment.
    """
    descriptor = acquire(environment, say)
    # Children must not keep it unasked: a daemon started here would hold the lock for good.
    os.set_inheritable(descriptor, False)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def recorded(environment: Environment) -> str:
    """Return the process id of the command that has, or had last, the environment's lock.

    Args:
        environment: The environment.
    """
    try:
        return environment.lock.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def is_held(environment: Environment) -> bool:
    """Return whether some process has the environment's lock now.

    Args:
        environment: The environment.
    """
    try:
        descriptor = os.open(environment.lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Taken and let go in the same moment; what is written in the file stays.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holders(environment: Environment) -> list[Holder]:
    """Return the processes, but this one, that have the environment's lock; none where nobody has.

    Args:
        environment: The environment.
    """
    return _openers(environment.lock) if is_held(environment) else []


def _wait(environment: Environment, holder: str, say: Callable[[str], None]) -> None:
    """Wait for what a killed command has left; refuse where the command itself is at work."""
    told: set[Holder] = set()
    alone_since: float | None = None
    # This process itself, or one that has not said yet who it is.
    at_work = holder in (str(os.getpid()), "unknown")
    while (holders := _openers(environment.lock)) or at_work:
        if at_work or any(str(h.pid) == holder for h in holders):
            raise CommandError(
                f"environment {environment.name}: must have one command at a time, "
                f"got another at work (process {holder}); wait until it has ended; "
                "`moor lock status` tells what it does"
            )
        for one in set(holders) - told:
            told.add(one)
            if not one.is_provider:
                say(f"waiting for {one.name} (process {one.pid}), which a killed command has left")
        if all(h.is_provider for h in holders):
            alone_since = alone_since or time.monotonic()
            if time.monotonic() - alone_since >= _PROVIDER_SECONDS:
                for one in holders:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(one.pid, signal.SIGKILL)
        else:
            alone_since = None
        time.sleep(_POLL_SECONDS)


def _openers(file: Path) -> list[Holder]:
    """Find the processes, but this one, that have the lock file open."""
    found = []
    wanted = str(file)
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if any(_leads_to(entry, wanted) for entry in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8").strip()
                found.append(Holder(pid=int(process.name), name=name))
    return found


def _leads_to(entry: Path, wanted: str) -> bool:
    try:
        return str(entry.readlink()) == wanted
    except OSError:
        return False
