"""Terraform's own graph of each stack, drawn by Graphviz."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from moor.graph.graphviz import run
from moor.toolchain import provider_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

STYLE: Final = (
    *("-Grankdir=LR", "-Gbgcolor=white", "-Gpad=0.3", "-Gnodesep=0.25", "-Granksep=0.6"),
    *("-Gfontname=DejaVu Sans", "-Nfontname=DejaVu Sans", "-Nfontsize=11", "-Nshape=box"),
    *("-Nstyle=rounded,filled", "-Nfillcolor=#eef3f6", "-Ncolor=#5b7a8c", "-Ecolor=#8aa1ae"),
)


def draw(
    terraform: Path, stack: Path, target: Path, variables: Mapping[str, str]
) -> tuple[Path, Path]:
    """Draw the graph of one synthesized stack.

    Args:
        terraform: The Terraform or OpenTofu binary.
        stack: The folder with `cdk.tf.json`.
        target: The pictures' path without a suffix.
        variables: The environment variables for Terraform.

    Returns:
        The SVG and the PNG file.

    Raises:
        CommandError: Terraform or Graphviz fails.
    """
    with tempfile.TemporaryDirectory(prefix="moor-graph-") as folder:
        # Without the backend: drawing must neither need the state nor touch it.
        document = json.loads((stack / "cdk.tf.json").read_text(encoding="utf-8"))
        document["terraform"].pop("backend", None)
        # Under the stack's name, by which the lock of its providers is known.
        drawn = Path(folder, stack.name)
        drawn.mkdir()
        (drawn / "cdk.tf.json").write_text(json.dumps(document), encoding="utf-8")
        provider_lock.place(drawn, variables)
        run([str(terraform), "init", "-input=false"], drawn, variables)
        dot = _readable(run([str(terraform), "graph"], drawn, variables))
    target.parent.mkdir(parents=True, exist_ok=True)
    svg, png = target.with_suffix(".svg"), target.with_suffix(".png")
    for file, resolution in ((svg, []), (png, ["-Gdpi=110"])):
        kind = file.suffix.removeprefix(".")
        run(["dot", f"-T{kind}", *STYLE, *resolution, "-o", str(file)], stack, variables, dot)
    return svg, png


def _readable(dot: str) -> str:
    """Take out what Terraform fixes of the look, and cdktf's hashes from the labels."""
    dot = re.sub(r'label="([^"]*?)_[0-9A-F]{8}( \([^"]*\))?"', r'label="\1"', dot)
    return re.sub(r"^\s*(rankdir|node \[).*$", "", dot, flags=re.MULTILINE)
