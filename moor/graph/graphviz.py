"""Graphviz, which draws."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_RESOLUTION: Final = 144
"""Points an inch of a PNG: sharp on paper, and on a screen of twice the usual ones."""


def draw(dot: str, target: Path, variables: Mapping[str, str]) -> tuple[Path, Path]:
    """Draw a graph as SVG and as PNG.

    Args:
        dot: The graph in Graphviz's language.
        target: The pictures' path without a suffix; the folder is made.
        variables: The environment variables for Graphviz.

    Returns:
        The SVG and the PNG file.

    Raises:
        CommandError: Graphviz is missing, or fails.
        OSError: The folder cannot be written to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    svg, png = (target.with_name(f"{target.name}.{kind}") for kind in ("svg", "png"))
    run(["dot", "-Tsvg", "-o", str(svg)], target.parent, variables, dot)
    run(["dot", "-Tpng", f"-Gdpi={_RESOLUTION}", "-o", str(png)], target.parent, variables, dot)
    return svg, png


def run(
    command: list[str], folder: Path, variables: Mapping[str, str], text: str | None = None
) -> str:
    """Run a program that draws, or that knows what there is to draw.

    Args:
        command: Its words.
        folder: Where it runs.
        variables: Its environment variables.
        text: Its standard input.

    Returns:
        Its standard output.

    Raises:
        CommandError: It is missing, or fails; with what it says.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=dict(variables),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise CommandError(
            f"{command[0]}: must be installed for this command, got nothing of that name; "
            "install Graphviz (Debian: apt-get install graphviz)"
        ) from None
    if done.returncode != 0:
        words = " ".join(command[:2])
        raise CommandError(f"{words} failed in {folder}:\n{done.stderr or done.stdout}".rstrip())
    return done.stdout
