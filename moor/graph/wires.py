"""Which arrows are drawn, and which are told in words.

A drawing in which a database has twenty arrows shows none of them. As in a circuit diagram, what
many need is named where it is needed instead.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from moor.graph.values import Arrow, Wait

_ALL: Final = 12
"""So many arrows are drawn, whatever they point to."""

_EACH: Final = 3
"""Of more, only those to services that so many wait for."""

_WORDS: Final[dict[Wait, str]] = {
    "started": "after",
    "healthy": "after healthy",
    "done": "after the work of",
}


def drawn(arrows: Sequence[Arrow]) -> tuple[Arrow, ...]:
    """Return the arrows that are drawn."""
    if len(arrows) <= _ALL:
        return tuple(arrows)
    waiting = Counter(arrow.needs for arrow in arrows)
    return tuple(arrow for arrow in arrows if waiting[arrow.needs] <= _EACH)


def in_words(service: str, arrows: Sequence[Arrow], length: int) -> tuple[str, ...]:
    """Return what a service waits for that no arrow shows.

    Args:
        service: The service's name.
        arrows: All arrows.
        length: The characters of a line at most, where the names are no longer.

    Returns:
        Lines.
    """
    shown = set(drawn(arrows))
    named = [arrow for arrow in arrows if arrow.service == service and arrow not in shown]
    return tuple(
        line
        for wait, words in _WORDS.items()
        for line in _wrapped(words, [a.needs for a in named if a.wait == wait], length)
    )


def _wrapped(words: str, names: Sequence[str], length: int) -> Iterator[str]:
    if not names:
        return
    line = f"{words} {names[0]}"
    for name in names[1:]:
        if len(line) + len(name) + 2 > length:
            yield f"{line},"
            line = f"    {name}"
        else:
            line += f", {name}"
    yield line
