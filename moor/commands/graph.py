"""`moor graph`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moor import deployment_lock
from moor.synthesis import Synthesis
from moor.toolchain.toolchain import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from moor.session import Session

_Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FOLDER",
        help="Where the pictures go; docs/pictures of the project by default.",
        show_default=False,
    ),
]
_Terraform = Annotated[
    bool, typer.Option("--terraform", help="Draw Terraform's own graph of each stack instead.")
]


def run(session: Session, *, output: _Output = None, terraform: _Terraform = False) -> None:
    """Draw who reaches what, the machine, the services and their data, as SVG and PNG.

    The picture is made of the settings and the Compose files alone: before a deployment, and
    without a network. There is one for light and one for dark pages.
    """
    folder = ROOT / "docs" / "pictures" if output is None else output.resolve()
    draw = _terraforms if terraform else _ours
    for file in draw(session, folder):
        shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
        session.console.print(f"drew {shown}", markup=False)


def _ours(session: Session, folder: Path) -> Iterable[Path]:
    from moor.graph import graphviz  # noqa: PLC0415
    from moor.graph.dot import to_dot  # noqa: PLC0415
    from moor.graph.reading import read  # noqa: PLC0415
    from moor.graph.theme import DARK, LIGHT  # noqa: PLC0415

    name = session.environment.name
    drawing = read(name, session.settings, session.services)
    for suffix, theme in (("", LIGHT), ("-dark", DARK)):
        yield from graphviz.draw(to_dot(drawing, theme), folder / f"{name}{suffix}", os.environ)


def _terraforms(session: Session, folder: Path) -> Iterator[Path]:
    from moor.graph import terraform  # noqa: PLC0415

    with deployment_lock.held(session.environment) as lock:
        with contextlib.closing(Synthesis.start(session, inherited=(lock,))) as synthesis:
            stacks = synthesis.finish()
        for stack in stacks:
            yield from terraform.draw(
                session.toolchain.terraform,
                stack.folder,
                folder / stack.name,
                session.variables(),
            )
