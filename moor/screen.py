"""What a person sees while a command works: live at a terminal, else one plain line an event."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH_OF_A_FILE: Final = 200
"""Columns where there is no screen: rich would take 80, and cut the tables."""

_ROWS: Final = 12
"""How many things at work are shown at a time."""

_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_A_SECOND: Final = 10

_SEQUENCE: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""What moves a terminal's cursor, or colours its text."""


class _Lasting:
    """A stream that outlives its terminal: what is written after that is lost, and no error."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._gone = False

    def write(self, text: str) -> int:
        return self._try(lambda: self._stream.write(text), len(text))

    def flush(self) -> None:
        self._try(lambda: (self._stream.flush(), 0)[1], 0)

    def _try(self, do: object, default: int) -> int:
        if not self._gone:
            try:
                return int(do())  # type: ignore[operator]  # one of the two above
            except OSError:
                self._gone = True
        return default

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def make_console(stream: IO[str] | None = None) -> Console:
    """Return a console for a stream, by default standard output."""
    chosen = sys.stdout if stream is None else stream
    if isinstance(chosen, io.TextIOWrapper):
        # A terminal of another encoding than ours must not end a deployment half-way.
        chosen.reconfigure(errors="replace")
    return Console(
        file=_Lasting(chosen),  # type: ignore[arg-type]  # all that rich asks of a stream
        highlight=False,
        soft_wrap=True,
        # Said to rich, which would believe FORCE_COLOR, and draw into a file.
        force_terminal=chosen.isatty(),
        width=None if chosen.isatty() else _WIDTH_OF_A_FILE,
    )


@dataclass(slots=True)
class _Work:
    text: str
    begin: float
    note: str = ""


class Screen:
    """Progress for a person.

    Args:
        console: Where it is printed.
        verbose: Whether all that Terraform says is wanted.
    """

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self.console = console
        self.verbose = verbose
        self._begin = time.monotonic()
        self._work: dict[str, _Work] = {}
        self._live: Live | None = None
        self._drawn = 0.0

    def say(self, text: str, *, style: str = "") -> None:
        """Print a line, with the time since the beginning where nobody sees it pass."""
        line = Text(_plain(text), style=style)
        if not self.console.is_terminal:
            line = Text(f"{time.monotonic() - self._begin:6.1f}s  ") + line
        self.console.print(line)

    @contextlib.contextmanager
    def phase(self, text: str, *, done: str | None = None) -> Iterator[None]:
        """Show something that takes a while, and how long it has taken.

        Args:
            text: What is done.
            done: What to say when it has succeeded; `text` by default, nothing where empty.
        """
        begin = time.monotonic()
        self.start(text, text)
        try:
            yield
        finally:
            self.finish(text)
        told = text if done is None else done
        if told:
            self.say(f"{told} ({time.monotonic() - begin:.1f} s)", style="dim")

    def start(self, key: str, text: str) -> None:
        """Show something as under way.

        Args:
            key: What tells it from others.
            text: What is shown.
        """
        self._work[key] = _Work(text, time.monotonic())
        if not self.console.is_terminal:
            self.say(f"{text} ...")
            return
        if self._live is None:
            # Drawn by us, in `tick`: a thread of its own would be one more that a child's
            # process is copied from.
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        self.tick(now=True)

    def note(self, key: str, text: str) -> None:
        """Show the latest of something that is under way."""
        if key in self._work:
            self._work[key].note = _plain(text)

    def finish(self, key: str) -> float:
        """Show it no longer.

        Returns:
            How long it took, in seconds; 0 for what was not under way.
        """
        work = self._work.pop(key, None)
        if self._live is not None:
            if self._work:
                self.tick(now=True)
            else:
                self._live.stop()
                self._live = None
        return 0.0 if work is None else time.monotonic() - work.begin

    def close(self) -> None:
        """Show nothing as under way any more."""
        self._work.clear()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def tick(self, *, now: bool = False) -> None:
        """Draw what is under way, ten times a second at the most."""
        if self._live is None:
            return
        time_now = time.monotonic()
        if now or time_now - self._drawn >= 1 / _FRAMES_A_SECOND:
            self._drawn = time_now
            self._live.update(self._rows(time_now), refresh=True)

    def _rows(self, now: float) -> Group:
        frame = _FRAMES[int(now * _FRAMES_A_SECOND) % len(_FRAMES)]
        works = list(self._work.values())
        width = self.console.width
        rows = []
        for work in works[:_ROWS]:
            row = Text.assemble((f"{frame} ", "cyan"), work.text)
            row.append(f"  {now - work.begin:.0f} s", style="dim")
            if work.note:
                row.append(f"  {work.note}", style="dim")
            row.truncate(width - 1, overflow="ellipsis")
            rows.append(row)
        if len(works) > _ROWS:
            rows.append(Text(f"  and {len(works) - _ROWS} more", style="dim"))
        return Group(*rows)


def _plain(text: str) -> str:
    """Return text without what a program has said to its terminal and not to a person."""
    return "".join(c for c in _SEQUENCE.sub("", text) if c.isprintable() or c in "\n\t")
