"""Asking several at once, and waiting for none of them longer than a person would."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Question(Generic[T]):
    """Something that is asked in a thread.

    The thread ends with the program: nobody waits for one that hangs, as those of a pool would be
    waited for.

    Args:
        ask: What is done; it raises nothing but what `answer` is to raise.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        Thread(target=self._work, args=[ask], daemon=True).start()

    def answer(self, deadline: float) -> T | None:
        """Return the answer; None where there is none in time. It may be asked for once.

        Args:
            deadline: Until when to wait, by the monotonic clock.

        Raises:
            Exception: What was raised in the thread.
        """
        try:
            found, error = self._answers.get(timeout=max(0.001, deadline - time.monotonic()))
        except Empty:
            return None
        if error is not None:
            raise error
        return found

    def _work(self, ask: Callable[[], T]) -> None:
        try:
            self._answers.put((ask(), None))
        except BaseException as error:  # noqa: BLE001  (raised again where it is asked for)
            self._answers.put((None, error))
