"""Which steps run when: each as soon as those that it needs are done, side by side."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from setup.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setup.step import Context, Step

_REDRAW: Final = 0.25
"""Seconds between two pictures of the running steps at a terminal."""


def perform_all(steps: Sequence[Step], *, redo: Sequence[str] = ()) -> None:
    """Run those steps that are not current, side by side where none needs the other.

    Args:
        steps: The steps, all with the same context. What a step needs of others counts only
            where they are among them.
        redo: Names of steps that run even when current.

    Raises:
        SetupError: One of them cannot be done. Those that run are ended, no other one starts.
    """
    if steps:
        _Schedule(steps, redo).perform()


class _Schedule:
    """The steps of one set-up.

    Args:
        steps: The steps.
        redo: Names of steps that run even when current.
    """

    def __init__(self, steps: Sequence[Step], redo: Sequence[str]) -> None:
        self._context: Context = steps[0].context
        self._order = [step.name for step in steps]
        self._redo = redo
        self._waiting = list(steps)
        self._threads: dict[str, threading.Thread] = {}
        self._done: set[str] = set()
        self._current: set[str] = set()
        self._reports: SimpleQueue[tuple[str, BaseException | None]] = SimpleQueue()

    def perform(self) -> None:
        """Run them all, and wait for them here, where an interrupt arrives."""
        try:
            self._start()
            while self._threads:
                self._finish_one()
                self._start()
        except SetupError:
            self._stop(interrupted=False)
            raise
        except BaseException:
            self._stop(interrupted=True)
            raise
        self._context.console.say_up_to_date(n for n in self._order if n in self._current)

    def _start(self) -> None:
        """Start the steps that need nothing any more."""
        for step in list(self._waiting):
            needed = {name for name in step.after if name in self._order}
            if needed <= self._done:
                self._waiting.remove(step)
                # A daemon: after a second interrupt nothing is waited for.
                thread = threading.Thread(
                    target=self._run, args=(step,), name=step.name, daemon=True
                )
                self._threads[step.name] = thread
                thread.start()

    def _run(self, step: Step) -> None:
        """Run one step in its thread."""
        try:
            if step.name not in self._redo and step.is_current():
                self._current.add(step.name)
            else:
                step.perform()
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            self._reports.put((step.name, error))
        else:
            self._reports.put((step.name, None))

    def _finish_one(self) -> None:
        """Wait until a step is done, and raise what it raised."""
        console = self._context.console
        while True:
            try:
                name, failure = self._reports.get(timeout=_REDRAW if console.is_live else None)
                break
            except Empty:
                console.draw()
        self._threads.pop(name).join()
        if failure is not None:
            raise failure
        self._done.add(name)

    def _stop(self, *, interrupted: bool) -> None:
        """End what runs, and wait for it.

        Args:
            interrupted: Whether that is so urgent that packages of the operating system stay
                installed half-way.
        """
        self._context.children.end(all_of_them=interrupted)
        for thread in self._threads.values():
            thread.join()
