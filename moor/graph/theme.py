"""The colours of a drawing, for light and for dark pages."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from moor.graph.values import Drawing, Keeping

FONT: Final = "DejaVu Sans,Verdana,sans-serif"
"""Debian's Graphviz brings the first; the second has the same widths where that is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """Colours, as `#rrggbb`.

    Attributes:
        page: The page.
        ground: What is behind the services.
        card: A card.
        line: Its border.
        text: What is read first.
        dim: What is read second.
        outside: The border of what is outside of the machine.
        warning: What deserves a second look.
        port: Where a connection comes in, and its way.
        arrow: The way from a service to what it waits for.
        on_mark: Text on a network's mark.
        networks: Marks of networks; used by turns.
        none: The mark of what is no network of the project.
        kept: The mark of data that outlives its container.
        copied: That of data that can be made again from the project's files.
        passing: That of data that is lost with its container.
    """

    page: str
    ground: str
    card: str
    line: str
    text: str
    dim: str
    outside: str
    warning: str
    port: str
    arrow: str
    on_mark: str
    networks: tuple[str, ...]
    none: str
    kept: str
    copied: str
    passing: str

    def of(self, keeping: Keeping) -> str:
        """Return what marks data of a kind."""
        marks = {"machine": self.kept, "foreign": self.kept, "copy": self.copied}
        return marks.get(keeping, self.passing)

    def marks(self, drawing: Drawing) -> dict[str, tuple[str, str]]:
        """Return the names and colours of networks, by their keys.

        There are none where each service is on the one network that there is: it tells nothing.
        """
        keys = [network.key for network in drawing.networks]
        if len(keys) == 1 and all(list(card.networks) == keys for card in drawing.services):
            return {}
        colours = itertools.cycle(self.networks)
        return {
            network.key: (network.name, self.none if network.is_none else next(colours))
            for network in drawing.networks
        }


LIGHT: Final = Theme(
    page="#ffffff",
    ground="#f3f6f9",
    card="#ffffff",
    line="#b6c2cf",
    text="#1b2733",
    dim="#5a6b7b",
    outside="#8796a5",
    warning="#a85300",
    port="#0b66c3",
    arrow="#7a8794",
    on_mark="#ffffff",
    networks=(
        *("#1f6f8b", "#8a4fa3", "#2e7d4f", "#a34a3d", "#5560b8", "#7a6a1d"),
        *("#a03f75", "#3c6e71", "#6b5b95", "#4f6d1f"),
    ),
    none="#7b8794",
    kept="#d9822b",
    copied="#9fb3c8",
    passing="#c9d3dd",
)

DARK: Final = Theme(
    page="#0d1117",
    ground="#151b23",
    card="#1f2732",
    line="#3d4a59",
    text="#e8edf2",
    dim="#9aa9b8",
    outside="#66768a",
    warning="#f0a04b",
    port="#58a6ff",
    arrow="#8593a3",
    on_mark="#0d1117",
    networks=(
        *("#5cb8d6", "#c792ea", "#6fcf97", "#f0968a", "#9aa5ff", "#d9c35c"),
        *("#f08cc0", "#7fc8c2", "#b8a5e8", "#a8cf6a"),
    ),
    none="#8b98a7",
    kept="#f0a04b",
    copied="#6b7f95",
    passing="#3d4a59",
)
