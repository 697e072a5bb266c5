"""What Terraform is told, seen by a program that stands for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from moor.toolchain.stack import Stack
from moor.toolchain.terraform_cli import Terraform

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Return the file that tells what Terraform was called with."""
    program = tmp_path / "terraform"
    file = tmp_path / "words"
    program.write_text(f'#!/bin/sh\necho "$@" >> {file}\n', encoding="utf-8")
    program.chmod(0o755)
    return file


@pytest.mark.parametrize(("name", "told"), [("docker", " -parallelism=50"), ("aws", "")])
def test_only_a_stack_that_asks_for_more_at_a_time_gets_it(
    tmp_path: Path, words: Path, name: str, told: str
) -> None:
    stack = Stack(name=name, folder=tmp_path)
    terraform = Terraform(
        program=tmp_path / "terraform",
        variables=dict(os.environ),
        log=tmp_path,
        parallelism={"docker": 50},
    )
    run = terraform.plan(stack)
    terraform.finish([run])
    terraform.finish([terraform.apply(run)])
    path = f"/proc/self/fd/{run.plan}"
    run.close()
    assert words.read_text(encoding="utf-8").splitlines() == [
        f"plan -json -input=false -out={path}{told}",
        f"apply -json -input=false{told} {path}",
    ]
