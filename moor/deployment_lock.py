"""One deployment at a time in an environment."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.settings.environment import Environment


def acquire(environment: Environment) -> int:
    """Take the environment's lock, or fail at once.

    The kernel drops the lock when the last process that holds the descriptor ends, so a
    killed deployment leaves nothing to clean up. The descriptor is inheritable: a program
    that this process turns into, or starts with it, holds the lock on.

    Returns:
        The descriptor of the locked file; close it to let go.

    Raises:
        CommandError: Another command works on the environment.
    """
    environment.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(environment.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 64).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise CommandError(
            f"environment {environment.name}: must have one command at a time, "
            f"got another at work (process {holder}); wait until it has ended"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    os.set_inheritable(descriptor, True)
    return descriptor


@contextmanager
def held(environment: Environment) -> Iterator[None]:
    """Hold the environment's lock for the length of a block.

    Raises:
        CommandError: Another command works on the environment.
    """
    descriptor = acquire(environment)
    # Children must not keep it: a daemon started here would hold the lock for good.
    os.set_inheritable(descriptor, False)
    try:
        yield
    finally:
        os.close(descriptor)
