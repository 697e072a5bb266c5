"""Terraform's own graph, made readable."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from moor.graph import terraform

if TYPE_CHECKING:
    from pathlib import Path

DOT = """\
digraph G {
  rankdir = "RL";
  node [shape = rect, fontname = "sans-serif"];
  "aws_eip.Address_079826E9" [label="aws_eip.Address_079826E9"];
  "data.aws_ami.I_5061ACC9" [label="data.aws_ami.I_5061ACC9 (expand)"];
  "provider" [label="provider[\\"registry.terraform.io/hashicorp/aws\\"]"];
  "aws_eip.Address_079826E9" -> "data.aws_ami.I_5061ACC9";
}
"""


def test_labels_lose_their_hashes_and_nodes_keep_their_names() -> None:
    assert terraform._readable(DOT) == (
        "digraph G {\n"
        "\n"
        "\n"
        '  "aws_eip.Address_079826E9" [label="aws_eip.Address"];\n'
        '  "data.aws_ami.I_5061ACC9" [label="data.aws_ami.I"];\n'
        '  "provider" [label="provider[\\"registry.terraform.io/hashicorp/aws\\"]"];\n'
        '  "aws_eip.Address_079826E9" -> "data.aws_ami.I_5061ACC9";\n'
        "}\n"
    )


@pytest.mark.parametrize(
    "label",
    ["aws_eip.Address", "x_1234567", "x_123456789", "x_0798z6E9", "x_079826e9", "_079826E9x"],
)
def test_what_only_looks_like_a_hash_stays(label: str) -> None:
    line = f'  "n" [label="{label}"];'
    assert terraform._readable(line) == line


def test_terraform_is_asked_without_a_backend_and_drawn_twice(tmp_path: Path) -> None:
    """A Terraform that answers with the graph above, and a `dot` that says what it got."""
    programs, stack = tmp_path / "bin", tmp_path / "stack"
    programs.mkdir()
    stack.mkdir()
    (tmp_path / "graph.dot").write_text(DOT, encoding="utf-8")
    configuration = '{"terraform": {"backend": {"local": {"path": "x"}}, "required": 1}}'
    (stack / "cdk.tf.json").write_text(configuration, encoding="utf-8")
    log = tmp_path / "log"
    script(
        programs / "terraform",
        f'cat cdk.tf.json >> {log}; echo " $*" >> {log}; '
        f"[ $1 = init ] || cat {tmp_path / 'graph.dot'}",
    )
    # The last two arguments are -o and the file.
    script(programs / "dot", 'for last; do :; done; { echo "$1"; cat; } > "$last"')
    svg, png = terraform.draw(
        programs / "terraform",
        stack,
        tmp_path / "pictures" / "aws",
        {"PATH": f"{programs}{os.pathsep}{os.defpath}"},
    )
    assert (svg, png) == (tmp_path / "pictures" / "aws.svg", tmp_path / "pictures" / "aws.png")
    assert svg.read_text(encoding="utf-8") == f"-Tsvg\n{terraform._readable(DOT)}"
    assert png.read_text(encoding="utf-8") == f"-Tpng\n{terraform._readable(DOT)}"
    assert log.read_text(encoding="utf-8").splitlines() == [
        '{"terraform": {"required": 1}} init -input=false',
        '{"terraform": {"required": 1}} graph',
    ]
    assert (stack / "cdk.tf.json").read_text(encoding="utf-8") == configuration


def script(file: Path, text: str) -> None:
    shell = shutil.which("sh")
    file.write_text(f"#!{shell}\n{text}\n", encoding="utf-8")
    file.chmod(0o755)
