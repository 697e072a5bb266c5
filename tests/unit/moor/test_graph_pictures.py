"""The pictures of the documentation show what the examples are."""

from __future__ import annotations

import re
from html import unescape

import pytest

from moor.graph.dot import to_dot
from moor.graph.reading import read
from moor.graph.theme import DARK, LIGHT, Theme
from moor.session import Session
from moor.toolchain.toolchain import ROOT


@pytest.mark.parametrize("name", ["sandbox", "swarm"])
@pytest.mark.parametrize(("suffix", "theme"), [("", LIGHT), ("-dark", DARK)])
def test_each_text_of_the_drawing_is_in_the_picture(name: str, suffix: str, theme: Theme) -> None:
    """`moor graph --environment NAME` makes them anew.

    Only the texts and their colours are compared: another Graphviz places them elsewhere.
    """
    session = Session.of(name)
    drawing = read(name, session.settings, session.services)
    wanted = re.findall(r'<font color="([^"]+)"[^>]*>(?:<b>)?([^<]+)<', to_dot(drawing, theme))
    picture = (ROOT / "docs" / "pictures" / f"{name}{suffix}.svg").read_text(encoding="utf-8")
    shown = re.findall(r'fill="([^"]+)">([^<]*)</text>', picture)
    assert sorted(texts(shown)) == sorted(texts(wanted))


def texts(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    told = [(colour, unescape(text).replace("\xa0", " ")) for colour, text in pairs]
    return [(colour, text) for colour, text in told if text.strip()]
