"""Graphviz, which draws: what it is given, and what is said where it cannot."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from moor.failure import CommandError
from moor.graph import graphviz
from moor.graph.dot import to_dot
from moor.graph.theme import DARK, LIGHT, Theme
from moor.graph.values import (
    MACHINE,
    Arrow,
    Card,
    Data,
    Door,
    Drawing,
    Host,
    NetworkMark,
    OpenPort,
    Published,
    Visitor,
)

if TYPE_CHECKING:
    from pathlib import Path

DRAWING = Drawing(
    name="moor",
    place="environment trial",
    visitors=(Visitor(key="all", name="everybody"),),
    doors=(
        Door(
            key="http.ports",
            visitor="all",
            name="web & more",
            ports=(
                OpenPort(text="80", answers=("web",)),
                OpenPort(text="53/udp", answers=("web", "dns")),
                OpenPort(text="22", answers=(MACHINE,)),
                OpenPort(text="443"),
            ),
        ),
    ),
    hosts=(Host(key="manager", name="the machine", lines=("t3.small",), disks=("disk 20 GiB",)),),
    services=(
        Card(
            name="web",
            image="nginx",
            networks=("front", "back"),
            ports=(Published(key="80", text="80"), Published(key="53/udp", text="53/udp")),
            data=(Data(name="<data>", path="/data", keeping="machine"),),
        ),
        Card(name="dns", image="unbound", networks=("front",)),
    ),
    arrows=(Arrow(service="web", needs="dns", wait="healthy"),),
    networks=(NetworkMark(key="front", name="front"), NetworkMark(key="back", name="back")),
)


def test_it_fails_when_a_program_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        graphviz.run(["dot-of-nowhere", "-Tsvg"], tmp_path, {"PATH": str(tmp_path)})
    assert str(caught.value) == (
        "dot-of-nowhere: must be installed for this command, got nothing of that name; "
        "install Graphviz (Debian: apt-get install graphviz)"
    )


def test_it_fails_when_a_program_does(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        graphviz.run(["sh", "-c", "echo broken >&2; exit 3"], tmp_path, os.environ)
    assert str(caught.value) == f"sh -c failed in {tmp_path}:\nbroken"


def test_a_drawing_has_clusters_for_visitors_and_machine_and_edges_between_ports() -> None:
    dot = to_dot(DRAWING, LIGHT)
    # Labels are tables: what is in them is tested by itself.
    bare = re.sub(r"label=<.*>\]", "label]", dot)
    assert [line.strip() for line in bare.splitlines()] == [
        "digraph moor {",
        (
            'graph [rankdir=LR, bgcolor="#ffffff", fontname="DejaVu Sans,Verdana,sans-serif", '
            "pad=0.25, nodesep=0.16, ranksep=0.75, labelloc=b, labeljust=l, label]"
        ),
        'node [shape=plain, fontname="DejaVu Sans,Verdana,sans-serif"]',
        'edge [color="#0b66c3", penwidth=1.3, arrowsize=0.65]',
        "subgraph cluster_page {",
        'graph [pencolor="#ffffff", margin=6, labelloc=t, labeljust=l, label]',
        "subgraph cluster_visitor_0 {",
        (
            'graph [style="rounded,dashed", pencolor="#8796a5", margin=10, labelloc=t, '
            "labeljust=l, label]"
        ),
        '"door http.ports" [label]',
        "}",
        "subgraph cluster_machine {",
        (
            'graph [style="rounded,filled", fillcolor="#f3f6f9", pencolor="#b6c2cf", margin=14, '
            "labelloc=b, label]"
        ),
        '"hosts" [label]',
        '"service web" [label]',
        '"service dns" [label]',
        '{ rank=same; "hosts"; "service web" }',
        '{ rank=same; "service dns" }',
        '"hosts" -> "service dns" [style=invis]',
        "}",
        "}",
        '"door http.ports":"p0":e -> "service web":"80":w',
        '"door http.ports":"p1":e -> "service web":"53/udp":w',
        '"door http.ports":"p1":e -> "service dns":w',
        '"door http.ports":"p2":e -> "hosts":w',
        '"service web":e -> "service dns":w [color="#7a8794", penwidth=2.2]',
        "}",
    ]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_each_theme_draws_in_its_own_colours_alone(theme: Theme) -> None:
    other = DARK if theme is LIGHT else LIGHT
    colours = set(re.findall(r"#[0-9a-f]{6}", to_dot(DRAWING, theme)))
    assert theme.page in colours
    # A colour that both have would be here, too, where it is theirs.
    assert not colours & ({other.page, other.text, other.port, other.line} - colours_of(theme))


def colours_of(theme: Theme) -> set[str]:
    return set(re.findall(r"#[0-9a-f]{6}", repr(theme)))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_can_be_read_on_what_is_behind_it(theme: Theme) -> None:
    """4.5 to 1, which is asked of text (Source: W3C, WCAG 2.2, success criterion 1.4.3)."""
    behind = (theme.page, theme.ground, theme.card)
    for colour in (theme.text, theme.dim, theme.warning, theme.port, *theme.networks):
        worst = min(contrast(colour, ground) for ground in behind)
        assert worst >= 4.5, f"{colour}: {worst:.2f}"


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz here")
def test_graphviz_draws_both_pictures_of_it(tmp_path: Path) -> None:
    svg, png = graphviz.draw(to_dot(DRAWING, LIGHT), tmp_path / "pictures" / "a.b", os.environ)
    assert (svg.name, png.name) == ("a.b.svg", "a.b.png")
    drawn = svg.read_text(encoding="utf-8")
    for text in ("everybody", "Web &amp; more", "nobody answers", "the machine", "&lt;data&gt;"):
        assert f">{text}</text>" in drawn
    assert png.read_bytes().startswith(b"\x89PNG")
