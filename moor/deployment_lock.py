"""One deployment at a time in an environment."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from constructs_lib.files import lock
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
    return lock.acquire(
        environment.lock, busy=lambda holder: _refuse(environment, holder), inherited=True
    )


@contextmanager
def held(environment: Environment) -> Iterator[None]:
    """Hold the environment's lock for the length of a block.

    Raises:
        CommandError: Another command works on the environment.
    """
    # Not inherited: a daemon started here would hold the lock for good.
    with lock.exclusive_lock(environment.lock, busy=lambda holder: _refuse(environment, holder)):
        yield


def _refuse(environment: Environment, holder: str) -> NoReturn:
    raise CommandError(
        f"environment {environment.name}: must have one command at a time, "
        f"got another at work (process {holder}); wait until it has ended"
    ) from None
