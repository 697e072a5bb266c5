"""Requests one after another."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turn:
    """Lets one thread at a time work on the emulator's books, `with` it.

    moto's books are plain dictionaries: where one request adds tags while another one reads
    them, the reader fails, and its caller, told of a server error, asks again for what has been
    made already. What takes long and leaves the books alone is done `aside`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Wait for the turn."""
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the next one have it."""
        self._lock.release()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Let others have the turn meanwhile. The caller must have it, and has it afterwards."""
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
