"""Tables as Graphviz draws them in a node.

Source: Graphviz's documentation, "HTML-Like Labels".
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_SMALL: Final = 8
_PLAIN: Final = 9
LARGE: Final = 11
"""Points of what stands above the rest."""


def font(text: str, colour: str, *, size: int = _PLAIN, bold: bool = False) -> str:
    """Return text in a colour.

    Args:
        text: Any text; what could be read as markup is escaped, and what cannot be printed is
            spelled out.
        colour: Its colour.
        size: Its size in points.
        bold: Whether it is bold.
    """
    shown = escape("".join(c if c.isprintable() else repr(c)[1:-1] for c in text)) or " "
    inner = f"<b>{shown}</b>" if bold else shown
    return f'<font color="{colour}" point-size="{size}">{inner}</font>'


def small(text: str, colour: str) -> str:
    """Return text that is read second."""
    return font(text, colour, size=_SMALL)


def cell(inner: str, **attributes: str | int) -> str:
    """Return a cell; `align` is left where nothing is said."""
    return f"<td{_attributes({'align': 'left', **attributes})}>{inner}</td>"


def row(*cells: str) -> str:
    """Return a row."""
    return f"<tr>{''.join(cells)}</tr>"


def table(rows: Iterable[str], **attributes: str | int) -> str:
    """Return a table without borders, unless something else is said."""
    plain: dict[str, str | int] = {"border": 0, "cellborder": 0, "cellspacing": 0, "cellpadding": 1}
    return f"<table{_attributes({**plain, **attributes})}>{''.join(rows)}</table>"


def card(rows: Iterable[str], *, border: str, ground: str, width: int = 0) -> str:
    """Return a table with a round border, of a width at least."""
    inner = table(rows)
    return table(
        [row(cell(inner))],
        border=1,
        cellpadding=5,
        color=border,
        bgcolor=ground,
        style="rounded",
        width=width or "",
    )


def shortened(text: str, length: int) -> str:
    """Return a text of a length at most, without its middle where it is longer."""
    if len(text) <= length:
        return text
    end = (length - 1) // 2
    return f"{text[: length - 1 - end]}…{text[len(text) - end :]}"


def _attributes(attributes: dict[str, str | int]) -> str:
    return "".join(
        f' {name}="{escape(str(value))}"' for name, value in attributes.items() if value != ""
    )
