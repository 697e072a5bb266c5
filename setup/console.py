"""What is printed: lines, and at a terminal the steps that run below them."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import unicodedata
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NAME_WIDTH: Final = 15
_LABEL: Final = "set-up"
_TAIL_BYTES: Final = 4096
"""How much of a log is read to find its last line."""

_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")
"""A control sequence of a terminal."""

_ERASE: Final = "\x1b[J"
"""Erases from the cursor to the end of the screen."""

_SIZE: Final = os.terminal_size((80, 24))
"""What a terminal that does not tell its size is taken for."""


@dataclass(slots=True, kw_only=True)
class _Running:
    """A step that runs.

    Attributes:
        log: Where the output of its commands goes.
        text: What it does now.
        read_from: Where in the log the output of what it does now begins, in bytes.
        begin: When it began, in seconds of the monotonic clock.
    """

    log: Path
    text: str = ""
    read_from: int = 0
    begin: float = field(default_factory=time.monotonic)


class Console:
    """Where set-up prints, from several threads.

    Without a terminal there is one plain line for each event. At a terminal the lines of the
    running steps, each with its time and the last line of its log, stay below the others.

    Args:
        stream: Where to print; None for standard output.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._given = stream
        self._lock = threading.RLock()
        self._running: dict[str, _Running] = {}
        self._drawn: list[int] = []
        self.is_live = self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    @property
    def _stream(self) -> IO[str]:
        return self._given or sys.stdout

    def say(self, subject: str, text: str) -> None:
        """Print one line.

        Args:
            subject: The step, or another word for what the line is about.
            text: The rest.
        """
        with self._lock:
            self._write(f"{_LABEL}  {subject:<{_NAME_WIDTH}}  {text}\n")

    def say_up_to_date(self, names: Iterable[str]) -> None:
        """Print one line for all of the steps that had nothing to do."""
        if text := ", ".join(names):
            self.say("up to date", text)

    def begin(self, name: str, log: Path) -> None:
        """Count a step among those that run.

        Args:
            name: The step's name.
            log: Where the output of its commands goes.
        """
        with self._lock:
            self._running[name] = _Running(log=log)

    def doing(self, name: str, text: str) -> None:
        """Tell what a running step does now.

        Args:
            name: The step's name.
            text: Such as "installing pipenv".
        """
        with self._lock:
            running = self._running.get(name)
            is_first = running is not None and not running.text
            if running is not None:
                running.text = text
                running.read_from = _size_of(running.log)
            if self.is_live:
                self.draw()
                return
            others = [other for other in self._running if other != name]
            beside = f", beside {', '.join(others)}" if is_first and others else ""
            self.say(name, f"{text}{beside}")

    def end(self, name: str) -> None:
        """Count a step no more among those that run."""
        with self._lock:
            self._running.pop(name, None)
            if self.is_live:
                self.draw()

    def draw(self) -> None:
        """Bring the lines of the running steps up to date, where this is a terminal."""
        with self._lock:
            if self.is_live:
                self._write("")

    def complain(self, text: str) -> None:
        """Print an error."""
        with self._lock:
            self._stream.flush()
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def _write(self, text: str) -> None:
        """Print in the place of the running steps' lines, and those anew below it."""
        if not self.is_live:
            self._stream.write(text)
            self._stream.flush()
            return
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            size = _SIZE
        columns = size.columns or _SIZE.columns
        # A line that was drawn in a wider window takes several rows in this one.
        rows = sum(max(1, -(-width // columns)) for width in self._drawn)
        lines = [
            fit(self._line(name, running), columns - 1)
            for name, running in list(self._running.items())[: max(1, (size.lines or 1) - 1)]
        ]
        self._drawn = [width_of(line) for line in lines]
        up = f"\x1b[{rows}A" if rows else ""
        self._stream.write(f"{up}\r{_ERASE}{text}" + "".join(f"{line}\n" for line in lines))
        self._stream.flush()

    def _line(self, name: str, running: _Running) -> str:
        seconds = int(time.monotonic() - running.begin)
        detail = _last_line(running.log, running.read_from)
        text = f"{running.text}: {detail}" if running.text and detail else running.text or detail
        return f"{'':{len(_LABEL)}}  {name:<{_NAME_WIDTH}}  {seconds:>4} s  {text}"


def fit(text: str, columns: int) -> str:
    """Return what of a text fits into so many columns, without control characters.

    Args:
        text: One line.
        columns: The columns that there are.
    """
    shown = ""
    left = columns
    for character in _ESCAPE.sub("", text):
        if not character.isprintable():
            continue
        left -= width_of(character)
        if left < 0:
            break
        shown += character
    return shown


def width_of(text: str) -> int:
    """Return how many columns a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _size_of(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _last_line(log: Path, begin: int) -> str:
    """Return the last line of a log, without the blanks around it.

    Args:
        log: The log.
        begin: The first byte that counts.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(begin, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    # A line that is written over ends with a return; what stands after it is seen.
    last = next((line for line in reversed(lines) if line.strip()), "")
    return last.strip().rpartition("\r")[2].strip()
