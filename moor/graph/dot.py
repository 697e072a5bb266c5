"""A drawing in Graphviz's language.

Source: Graphviz's documentation, "DOT Language" and "Attributes".
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from moor.graph import cards, wires
from moor.graph.columns import columns_of
from moor.graph.labels import LARGE, font, small
from moor.graph.legend import legend
from moor.graph.theme import FONT
from moor.graph.values import MACHINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moor.graph.theme import Theme
    from moor.graph.values import Arrow, Drawing, Visitor, Wait

_HOSTS: Final = '"hosts"'

_WAITS: Final[dict[Wait, str]] = {
    "started": "penwidth=1",
    "healthy": "penwidth=2.2",
    "done": 'penwidth=1.2, style="dashed"',
}


def to_dot(drawing: Drawing, theme: Theme) -> str:
    """Return a drawing as text for `dot`.

    Args:
        drawing: What is drawn.
        theme: Its colours.
    """
    return "\n".join(
        [
            "digraph moor {",
            *(f"  {line}" for line in _lines(drawing, theme)),
            "}",
            "",
        ]
    )


def _lines(drawing: Drawing, theme: Theme) -> Iterator[str]:
    yield (
        f'graph [rankdir=LR, bgcolor="{theme.page}", fontname="{FONT}", pad=0.25, nodesep=0.16, '
        f"ranksep=0.75, labelloc=b, labeljust=l, label=<{legend(drawing, theme)}>]"
    )
    yield f'node [shape=plain, fontname="{FONT}"]'
    yield f'edge [color="{theme.port}", penwidth=1.3, arrowsize=0.65]'
    yield "subgraph cluster_page {"
    title = font(drawing.name, theme.text, size=LARGE + 4, bold=True)
    place = small(f"  {drawing.place}", theme.dim)
    yield (
        f'  graph [pencolor="{theme.page}", margin=6, labelloc=t, labeljust=l, '
        f"label=<{title}{place}>]"
    )
    for number, visitor in enumerate(drawing.visitors):
        yield from (f"  {line}" for line in _visitor(number, visitor, drawing, theme))
    yield from (f"  {line}" for line in _machine(drawing, theme))
    yield "}"
    yield from _ways(drawing)
    for arrow in wires.drawn(drawing.arrows):
        yield _arrow(arrow, theme)


def _visitor(number: int, visitor: Visitor, drawing: Drawing, theme: Theme) -> Iterator[str]:
    """Yield somebody who may connect, around what lets them in."""
    yield f"subgraph cluster_visitor_{number} {{"
    yield (
        f'  graph [style="rounded,dashed", pencolor="{theme.outside}", margin=10, labelloc=t, '
        f"labeljust=l, label=<{cards.of_visitor(visitor, theme)}>]"
    )
    for door in drawing.doors:
        if door.visitor == visitor.key:
            yield f"  {_id('door', door.key)} [label=<{cards.of_door(door, theme)}>]"
    yield "}"


def _machine(drawing: Drawing, theme: Theme) -> Iterator[str]:
    """Yield what is on the machines, column by column."""
    yield "subgraph cluster_machine {"
    among = small(drawing.among, theme.dim) if drawing.among else ""
    yield (
        f'  graph [style="rounded,filled", fillcolor="{theme.ground}", pencolor="{theme.line}", '
        f"margin=14, labelloc=b, label=<{among}>]"
    )
    yield f"  {_HOSTS} [label=<{cards.of_hosts(drawing.hosts, theme)}>]"
    marks = theme.marks(drawing)
    lines: dict[str, int] = {}
    for card in drawing.services:
        waits = wires.in_words(card.name, drawing.arrows, cards.WAITS)
        lines[card.name] = card.lines + len(waits)
        label = cards.of_service(card, waits, marks, theme)
        yield f"  {_id('service', card.name)} [label=<{label}>]"
    columns = [
        [_id("service", name) for name in column]
        for column in columns_of(drawing.services, lines, wires.drawn(drawing.arrows))
    ] or [[]]
    columns[0] = [_HOSTS, *columns[0]]
    for column in columns:
        yield f"  {{ rank=same; {'; '.join(column)} }}"
    # What holds the columns in their order where no arrow does.
    for left, right in pairwise(columns):
        yield f"  {left[0]} -> {right[0]} [style=invis]"
    yield "}"


def _ways(drawing: Drawing) -> Iterator[str]:
    """Yield the ways of connections from outside."""
    ports = {card.name: {port.key for port in card.ports} for card in drawing.services}
    for door in drawing.doors:
        id_ = _id("door", door.key)
        for number, open_port in enumerate(door.ports):
            for name in open_port.answers:
                tail = f'{id_}:"p{number}":e'
                if name == MACHINE:
                    yield f"{tail} -> {_HOSTS}:w"
                    continue
                inner = open_port.text if open_port.text in ports[name] else ""
                head = f':"{inner}":w' if inner else ":w"
                yield f"{tail} -> {_id('service', name)}{head}"


def _arrow(arrow: Arrow, theme: Theme) -> str:
    return (
        f"{_id('service', arrow.service)}:e -> {_id('service', arrow.needs)}:w "
        f'[color="{theme.arrow}", {_WAITS[arrow.wait]}]'
    )


def _id(kind: str, key: str) -> str:
    """Return a node's name. Keys have no quotes: settings and Compose refuse them."""
    return f'"{kind} {key}"'
