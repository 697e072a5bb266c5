"""Which column of a drawing each service stands in.

A service stands left of what it waits for, and the columns are about as high as each other, so
that the page has the proportions of paper. Nothing is known of pixels here.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from moor.graph.values import Arrow, Card

_LINES_BETWEEN: Final = 2
"""The distance between two cards, in lines."""

_LINES_ACROSS: Final = 21
"""How many lines are as high as a column is wide."""

_BESIDE: Final = 1
"""Columns that are there anyway: what lets somebody in."""

_PROPORTION: Final = 297 / 210
"""Of a page of A4 that lies on its side (Source: ISO 216)."""


def columns_of(
    services: Sequence[Card], lines: Mapping[str, int], arrows: Sequence[Arrow]
) -> list[list[str]]:
    """Return the names of the services, column by column, from the left.

    Args:
        services: The services.
        lines: How many lines each takes, about, by its name.
        arrows: Which of them waits for which.
    """
    heights = {card.name: lines[card.name] + _LINES_BETWEEN for card in services}
    total = sum(heights.values())
    highest = max(total / _count(total), *heights.values(), 1)
    waiting: dict[str, set[str]] = {name: set() for name in heights}
    for arrow in arrows:
        waiting[arrow.needs].add(arrow.service)
    alone = {name for name, ones in waiting.items() if not ones} - {a.service for a in arrows}
    columns: list[list[str]] = []
    found: dict[str, int] = {}
    # Ports first: their ways in are then the shortest.
    published = [card.name for card in services if card.ports]
    order = [*published, *(name for name in heights if name not in published)]
    for name in [n for n in _sorted(waiting, order) if n not in alone]:
        first = max((found[other] + 1 for other in waiting[name] if other in found), default=0)
        found[name] = _place(columns, name, first, heights, highest)
    for name in [n for n in order if n in alone]:
        found[name] = _place(columns, name, 0, heights, highest)
    return columns


def _count(lines: int) -> int:
    """Return how many columns give the page its proportion."""

    def distance(count: int) -> float:
        wide = (count + _BESIDE) * _LINES_ACROSS
        return abs(wide / max(lines / count, _LINES_ACROSS) - _PROPORTION)

    return min(range(1, 9), key=distance)


def _sorted(waiting: Mapping[str, set[str]], order: Iterable[str]) -> list[str]:
    """Return the services, each behind all that wait for it, and else in the order given."""
    ranks = {name: rank for rank, name in enumerate(order)}
    sorter = TopologicalSorter(waiting)
    try:
        sorter.prepare()
    except CycleError:
        return sorted(ranks, key=ranks.__getitem__)
    found: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=ranks.__getitem__)
        found += ready
        sorter.done(*ready)
    return found


def _place(
    columns: list[list[str]], name: str, first: int, heights: Mapping[str, int], highest: float
) -> int:
    """Put a service into the first column from one on that has room."""
    number = first
    while number < len(columns):
        high = sum(heights[other] for other in columns[number])
        if high + heights[name] / 2 <= highest:
            break
        number += 1
    while len(columns) <= number:
        columns.append([])
    columns[number].append(name)
    return number
