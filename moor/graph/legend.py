"""What the colours and lines of a drawing mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moor.graph import wires
from moor.graph.cards import mark, square
from moor.graph.labels import cell, row, small, table

if TYPE_CHECKING:
    from moor.graph.theme import Theme
    from moor.graph.values import Data, Drawing, Keeping, Wait

_KEEPING: Final[dict[Keeping, str]] = {
    "machine": "outlives containers, and is lost with the machine's disk",
    "foreign": "is not made here",
    "copy": "is copied from the project's files",
    "container": "is lost with its container",
    "nothing": "is in memory",
}

_WAITS: Final[dict[Wait, tuple[str, str]]] = {
    "started": ("───", "begins after that one"),
    "healthy": ("━━━", "after that one is healthy"),
    "done": ("┄┄┄", "after that one has done its work"),
}


def legend(drawing: Drawing, theme: Theme) -> str:
    """Return a table of what the drawing has, and of nothing else."""
    lines: list[list[str]] = [[], [], []]
    marks = theme.marks(drawing)
    for network in drawing.networks:
        if network.key in marks:
            note = f" ({network.note})" if network.note else ""
            lines[0].append(mark(*marks[network.key]) + small(note, theme.dim))
        else:
            told = f"every service is on the network {network.name}"
            lines[0].append(small(told, theme.dim))
    kinds = {item.keeping for item in _data(drawing)} | {"machine"}
    for keeping, told in _KEEPING.items():
        if keeping in kinds:
            lines[1].append(square(keeping, theme) + small(told, theme.dim))
    waits = {arrow.wait for arrow in wires.drawn(drawing.arrows)}
    for wait, (line, told) in _WAITS.items():
        if wait in waits:
            lines[2].append(small(f"{line} ", theme.arrow) + small(told, theme.dim))
    between = small("     ", theme.dim)
    rows = [row(cell(between.join(line))) for line in lines if line]
    return table(rows or [row(cell(""))])


def _data(drawing: Drawing) -> list[Data]:
    return [item for card in drawing.services for item in card.data]
