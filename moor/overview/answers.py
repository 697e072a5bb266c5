"""What services answer, asked all at once: one that is silent must not keep the others waiting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from moor import health
from moor.overview.within import Question

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS: Final = 1.0


class Answers:
    """Asks URLs; those that are known beforehand at once, and the others when they are needed.

    Args:
        urls: Those that are known.
        deadline: Until when to wait for answers, by the monotonic clock.
    """

    def __init__(self, urls: Iterable[str], deadline: float) -> None:
        self._deadline = deadline
        self._asked = {url: self._ask(url) for url in urls}
        self._told: dict[str, str | None] = {}

    def of(self, url: str) -> str | None:
        """Return what a URL answers, as `health.answer_of` does."""
        if url not in self._told:
            question = self._asked.get(url) or self._ask(url)
            self._told[url] = question.answer(max(self._deadline, time.monotonic() + 0.1))
        told = self._told[url]
        # A port that takes connections, and answers none of them, may speak another protocol.
        return "takes connections" if told == "" else told

    @staticmethod
    def _ask(url: str) -> Question[str | None]:
        return Question(lambda: health.answer_of(url, timeout_seconds=_SECONDS))
