"""Lines of several containers' output as one text: in the order of time, each with its origin."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_COLOURS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""Colours of a terminal that can be read on light and dark; red is for what went wrong."""

_OTHER_SEQUENCE: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-ln-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\[\]])"
)
"""What a program may tell a terminal but for colours: it could move the cursor over other lines."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\x80-\x9f]")
_RESET: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """A line that a container has written.

    Attributes:
        time: When, as the engine wrote it: RFC 3339 with nine decimals and in UTC, so that
            texts are in the order of time.
        label: What the container is called.
        text: What it wrote, without its end.
    """

    time: str
    label: str
    text: str


def lines(chunks: Iterable[bytes], label: str) -> Iterator[Line]:
    """Cut a container's output with times into lines.

    Args:
        chunks: The output, in pieces that begin and end anywhere.
        label: What the container is called.
    """
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (_line(one, label) for one in whole)
    if rest:
        yield _line(rest, label)


def merged(sources: Sequence[Iterable[Line]]) -> Iterator[Line]:
    """Return the lines of several containers in the order of time; each one's own order stays.

    Args:
        sources: The lines of each container, as it wrote them.
    """
    return heapq.merge(*sources, key=lambda line: line.time)


def _line(raw: bytes, label: str) -> Line:
    time, _, text = raw.rstrip(b"\r").decode("utf-8", "replace").partition(" ")
    return Line(time, label, text)


class Painter:
    """What writes lines: coloured at a terminal, plain elsewhere.

    Args:
        labels: What the containers are called, as far as they are known: it decides on the width.
        coloured: Whether it is for a terminal.
        times: Whether the times are written, too.
        prefixed: Whether the origin is written.
    """

    def __init__(
        self, labels: Iterable[str], *, coloured: bool, times: bool = False, prefixed: bool = True
    ) -> None:
        self._width = 0
        self._colours: dict[str, int] = {}
        self._coloured, self._times, self._prefixed = coloured, times, prefixed
        for label in labels:
            self._colour(label)

    def painted(self, line: Line) -> str:
        """Return a line as it is printed, without its end.

        Args:
            line: The line.
        """
        time = f"{line.time} " if self._times else ""
        text = line.text
        if self._coloured:
            # What a service writes must not be able to move a terminal's cursor.
            text = _CONTROL.sub("", _OTHER_SEQUENCE.sub("", text))
            text = f"{text}{_RESET}" if "\x1b" in text else text
        if not self._prefixed:
            return f"{time}{text}"
        colour = self._colour(line.label)
        prefix = f"{line.label:{self._width}} |"
        if self._coloured:
            prefix = f"\x1b[{colour}m{prefix}{_RESET}"
        return f"{prefix} {time}{text}"

    def _colour(self, label: str) -> int:
        if label not in self._colours:
            self._colours[label] = _COLOURS[len(self._colours) % len(_COLOURS)]
            self._width = max(self._width, len(label))
        return self._colours[label]
