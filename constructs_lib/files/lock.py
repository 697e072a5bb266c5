"""Locks between processes: one holder at a time, and nothing to clean up after a killed one.

The lock is the kernel's, on an open file, and lasts until every copy of the descriptor is closed.
So a process that dies lets go, whatever it dies of; and where the descriptor is inherited, the lock
is held for as long as one of the programs that the holder started is still at work.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

from constructs_lib.files.private_file import PRIVATE_FILE_MODE, make_private_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LONGEST_HOLDER: Final = 32
"""Bytes to read of a lock file: a process id has fewer."""


def acquire(
    path: Path, *, busy: Callable[[str], object] | None = None, inherited: bool = False
) -> int:
    """Take a lock that one process, and one thread, at a time can have.

    Args:
        path: The lock file. It is created (mode 0600) where missing, and left in place, since
            removing it would let two holders in. It holds the process id of its last holder. A
            symbolic link is refused.
        busy: Called where another one holds the lock, with that one's process id, or "unknown".
            When it returns, the lock is waited for; to wait no longer, let it raise. Without it,
            the lock is waited for and nothing is said.
        inherited: Whether a program that this process starts or turns into gets the descriptor,
            and so holds the lock on.

    Returns:
        The descriptor of the locked file. Closing it lets go.

    Raises:
        OSError: The file cannot be made or locked.
        Exception: Whatever `busy` raises.
    """
    make_private_directory(path.parent)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE_FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if busy is not None:
                busy(_holder(descriptor))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        os.set_inheritable(descriptor, inherited)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def exclusive_lock(path: Path, *, busy: Callable[[str], object] | None = None) -> Iterator[None]:
    """Hold a lock for the length of a block; no program that is started in it holds it, too.

    Args:
        path: The lock file, as `acquire` takes it.
        busy: As `acquire` takes it.

    Yields:
        Nothing; the lock is held inside the `with` block.
    """
    descriptor = acquire(path, busy=busy)
    try:
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, _LONGEST_HOLDER, 0).decode(errors="replace").strip() or "unknown"
