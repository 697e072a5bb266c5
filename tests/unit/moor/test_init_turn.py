"""Two `terraform init` on one plugin cache: one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from moor.failure import CommandError
from moor.toolchain import init_turn
from moor.toolchain.stack import Stack
from moor.toolchain.terraform_cli import Terraform

WRAPPER: Final = Path(init_turn.__file__).with_name("terraform")

# It fails where another one is at work in the cache, as Terraform would.
REAL: Final = """#!/bin/sh
mkdir "$TF_PLUGIN_CACHE_DIR/busy" || exit 1
sleep 0.2
rmdir "$TF_PLUGIN_CACHE_DIR/busy"
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    program = tmp_path / "real-terraform"
    program.write_text(REAL, encoding="utf-8")
    program.chmod(0o755)
    return program


def variables(program: Path, cache: Path) -> dict[str, str]:
    cache.mkdir(exist_ok=True)
    return {
        **os.environ,
        "MOOR_TERRAFORM": str(program),
        "MOOR_PYTHON": sys.executable,
        "TF_PLUGIN_CACHE_DIR": str(cache),
    }


def statuses(program: Path, *caches: Path, words: tuple[str, ...]) -> list[int]:
    """Run it once for each cache, all at once."""
    runs = [
        subprocess.Popen([*words], env=variables(program, cache), stdin=subprocess.DEVNULL)
        for cache in caches
    ]
    return [run.wait(timeout=60) for run in runs]


def test_those_who_share_a_cache_take_turns(tmp_path: Path, program: Path) -> None:
    cache = tmp_path / "cache"
    assert statuses(program, cache, cache, cache, words=(str(WRAPPER), "init")) == [0, 0, 0]
    assert (tmp_path / "cache.lock").stat().st_mode & 0o777 == 0o600
    # It is the turn that keeps them apart.
    assert sorted(statuses(program, cache, cache, words=(str(program),))) == [0, 1]


def test_the_program_holds_its_turn_until_it_ends(tmp_path: Path, program: Path) -> None:
    """`moor up` is killed, and its Terraform is still at work: the next one waits for that."""
    cache = tmp_path / "cache"
    stack = Stack(name="aws", folder=tmp_path / "stack")
    stack.folder.mkdir()
    (stack.folder / "cdk.tf.json").write_text("{}", encoding="utf-8")
    terraform = Terraform(program=program, variables=variables(program, cache), log=tmp_path)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", init_turn.__file__, program, "init"],
        env=variables(program, cache),
    ) as first:
        while not (cache / "busy").exists():
            assert first.poll() is None
        terraform.init(stack)
    assert first.returncode == 0
    # And a turn that nobody waits for is not one.
    (cache / "busy").mkdir()
    with pytest.raises(CommandError):
        terraform.init(stack)


def test_without_a_cache_nobody_waits(program: Path, tmp_path: Path) -> None:
    assert init_turn.lock_file({}) is None
    assert init_turn.lock_file({"TF_PLUGIN_CACHE_DIR": "/a/cache/"}) == "/a/cache.lock"
    one, other = tmp_path / "one", tmp_path / "other"
    assert statuses(program, one, other, words=(str(WRAPPER), "init")) == [0, 0]
