"""Requests to end, where something has to be put right first."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moor.failure import StoppedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Asked:
    """Whether somebody has asked to end.

    Attributes:
        state: What state things are in then, for a person.
        last: The signal that came; None where none did.
        is_deferred: Whether it has to wait.
    """

    state: str
    last: signal.Signals | None = None
    is_deferred: bool = False

    def take(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal: at once as an error, or noted where it has to wait.

        Raises:
            StoppedError: It has not to wait.
        """
        self.last = signal.Signals(number)
        if not self.is_deferred:
            raise StoppedError(self.last, state=self.state)

    def must_not_have_come(self) -> None:
        """Tell of a signal that had to wait.

        Raises:
            StoppedError: There was one.
        """
        if self.last is not None:
            raise StoppedError(self.last, state=self.state)


@contextlib.contextmanager
def ending_asked(state: str) -> Iterator[Asked]:
    """Turn requests to end into an error, so that what has to be put right is.

    Args:
        state: What state things are in afterwards, for a person.
    """
    asked = Asked(state)
    before = {number: signal.signal(number, asked.take) for number in _SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
