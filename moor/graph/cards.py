"""What a visitor, a door, a machine and a service look like in a drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from moor.graph.labels import LARGE, card, cell, font, row, shortened, small, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from moor.graph.theme import Theme
    from moor.graph.values import Card, Data, Door, Host, Keeping, Published, Visitor

_T = TypeVar("_T")

_WIDTH: Final = 160
"""Points that a card is wide at least, so that the columns are."""

_NAME: Final = 30
_IMAGE: Final = 42
_LINE: Final = 44
_DATA: Final = 26
_READ_ONLY: Final = 8
_NOTE: Final = 40
_MARK: Final = 16
_MARKS_IN_A_ROW: Final = 3
WAITS: Final = 40
"""Characters of what a service waits for."""

_GAP: Final = 6
"""Points between two pools of machines."""

_ROWS: Final = 7
"""Rows of one kind that a card shows, beside one that tells how many more there are."""


def of_visitor(visitor: Visitor, theme: Theme) -> str:
    """Return somebody who may connect."""
    rows = [row(cell(font(visitor.name, theme.text, size=LARGE, bold=True)))]
    shown, more = _some(visitor.networks)
    rows += [row(cell(font(network, theme.text))) for network in shown]
    if more:
        rows.append(row(cell(small(f"and {more} more", theme.dim))))
    return table(rows)


def of_door(door: Door, theme: Theme) -> str:
    """Return an opening of a security group."""
    rows = [row(cell(font(_sentence(door.name), theme.text, bold=True), colspan=2))]
    if door.guard:
        rows.append(row(cell(small(f"and only with {door.guard}", theme.dim), colspan=2)))
    if door.through:
        rows.append(row(cell(small(f"through {door.through}", theme.dim), colspan=2)))
    for number, port in enumerate(door.ports):
        told = font(port.text, theme.port, bold=True)
        free = "" if port.answers else small("nobody answers", theme.warning)
        rows.append(row(cell(free), cell(told, align="right", port=f"p{number}")))
    return card(rows, border=theme.port, ground=theme.page)


def of_hosts(hosts: Sequence[Host], theme: Theme) -> str:
    """Return the machines, pool by pool."""
    rows: list[str] = []
    for host in hosts:
        if rows:
            rows.append(row(cell("", height=_GAP)))
        rows.append(row(cell(font(host.name, theme.text, size=LARGE, bold=True))))
        rows += [row(cell(small(line, theme.dim))) for line in host.lines]
        rows += [
            row(cell(square("machine", theme) + small(disk, theme.text))) for disk in host.disks
        ]
    return card(rows, border=theme.outside, ground=theme.page)


def of_service(
    service: Card, waits: Sequence[str], marks: Mapping[str, tuple[str, str]], theme: Theme
) -> str:
    """Return a service.

    Args:
        service: The service.
        waits: What it waits for that no arrow shows, a line each.
        marks: The names and colours of networks, by their keys; a network that is none of them
            is not shown.
        theme: The colours.
    """
    head = font(shortened(service.name, _NAME), theme.text, size=LARGE, bold=True)
    if service.count:
        head += font(f"  {service.count}", theme.dim)
    rows = [row(cell(head)), row(cell(small(_image(service.image), theme.dim)))]
    rows += [row(cell(small(shortened(note, _NOTE), theme.dim))) for note in service.notes]
    rows += _networks([marks[key] for key in service.networks if key in marks])
    rows += _ports(service.ports, theme)
    rows += _data(service.data, theme)
    rows += [row(cell(small(wait, theme.arrow))) for wait in waits]
    return card(rows, border=theme.line, ground=theme.card, width=_WIDTH)


def _image(image: str) -> str:
    """Return an image, without its registry where it is too long."""
    _, slash, name = image.rpartition("/")
    return image if len(image) <= _IMAGE else shortened(f"…/{name}" if slash else image, _IMAGE)


def _networks(marks: Sequence[tuple[str, str]]) -> Iterator[str]:
    for begin in range(0, len(marks), _MARKS_IN_A_ROW):
        several = marks[begin : begin + _MARKS_IN_A_ROW]
        yield row(cell(small("  ", several[0][1]).join(mark(*pair) for pair in several)))


def mark(name: str, colour: str) -> str:
    """Return a network's mark."""
    return small(f"\N{BLACK CIRCLE} {shortened(name, _MARK)}", colour)


def _ports(ports: Sequence[Published], theme: Theme) -> Iterator[str]:
    shown, more = _some(ports)
    for port in shown:
        note = small(f"  {port.note}", theme.warning) if port.note else ""
        yield row(cell(font(port.text, theme.port) + note, port=port.key))
    if more:
        yield row(cell(small(f"and {more} more ports", theme.dim)))


def _data(data: Sequence[Data], theme: Theme) -> Iterator[str]:
    shown, more = _some(data)
    for item in shown:
        name = shortened(item.name, _DATA)
        told = square(item.keeping, theme) + small(name, theme.text)
        if item.path:
            room = _LINE - len(name) - (_READ_ONLY if item.read_only else 0)
            told += small(f"  {shortened(item.path, room)}", theme.dim)
        if item.read_only:
            told += small("  read only", theme.dim)
        yield row(cell(told))
    if more:
        yield row(cell(small(f"and {more} more", theme.dim)))


def square(keeping: Keeping, theme: Theme) -> str:
    """Return the mark of data of a kind."""
    sign = "\N{WHITE SQUARE}" if keeping == "foreign" else "\N{BLACK SQUARE}"
    return small(f"{sign} ", theme.of(keeping))


def _some(items: Sequence[_T]) -> tuple[Sequence[_T], int]:
    """Return as many as there is room for, and how many are left out."""
    if len(items) <= _ROWS + 1:
        return items, 0
    return items[:_ROWS], len(items) - _ROWS


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
