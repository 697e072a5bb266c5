"""Terraform as cdktf sees it: an end by a signal has an exit code, and a name."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Final

import pytest

from moor.toolchain import terraform_init

WRAPPER: Final = Path(terraform_init.__file__).with_name("terraform")


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    program = folder / "real-terraform"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return subprocess.run(
        [WRAPPER, "apply"],
        env={**os.environ, "MOOR_TERRAFORM": str(program)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_terraform_has_an_exit_code(tmp_path: Path, number: signal.Signals) -> None:
    done = run(tmp_path, f"kill -{number.value} $$")
    assert done.returncode == 128 + number
    assert done.stderr.splitlines()[-1] == (
        f"Error: Terraform must come to its end by itself, got killed by signal {number.value}"
    )


@pytest.mark.parametrize("status", [0, 1, 2])
def test_any_other_end_is_terraforms_own(tmp_path: Path, status: int) -> None:
    done = run(tmp_path, f"echo said $1; exit {status}")
    assert (done.returncode, done.stdout, done.stderr) == (status, "said apply\n", "")


def test_a_signal_is_handed_on_and_its_answer_waited_for(tmp_path: Path) -> None:
    program = tmp_path / "real-terraform"
    text = "trap 'echo ended in order; exit 3' TERM\necho begun\nwhile :; do sleep 0.1; done\n"
    program.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    program.chmod(0o755)
    with subprocess.Popen(
        [WRAPPER, "apply"],
        env={**os.environ, "MOOR_TERRAFORM": str(program)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        rest, _ = process.communicate(timeout=60)
    assert (rest, process.returncode) == ("ended in order\n", 3)
