"""A file that a step writes for Terraform: read back here, and by Terraform itself."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from constructs_lib.terraform.output_file import read_output, write_output
from moor.toolchain.toolchain import Toolchain

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "one.tfstate"
    write_output(file, "sha256:abc")
    assert read_output(file) == "sha256:abc"
    write_output(file, "${another}")
    assert read_output(file) == "${another}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"outputs": {"value": {"value": 1}}}'])
def test_what_is_no_such_file_has_no_value(tmp_path: Path, text: str) -> None:
    file = tmp_path / "one.tfstate"
    assert read_output(file) is None
    file.write_text(text)
    assert read_output(file) is None


def test_terraform_reads_it_after_the_step_and_keeps_the_value_alone(tmp_path: Path) -> None:
    """The step and the data source in one configuration, applied twice."""
    file = tmp_path / "made.tfstate"
    written = tmp_path / "written.tfstate"
    write_output(written, "the value")
    configuration = {
        "resource": {
            "terraform_data": {
                "step": {
                    "triggers_replace": {"content": "1"},
                    "provisioner": [
                        {"local-exec": {"command": f"cp '{written}' '{file}'"}},
                    ],
                }
            }
        },
        "data": {
            "terraform_remote_state": {
                "it": {
                    "backend": "local",
                    "config": {"path": str(file)},
                    "depends_on": ["terraform_data.step"],
                }
            }
        },
        "output": {"it": {"value": "${data.terraform_remote_state.it.outputs.value}"}},
    }
    folder = tmp_path / "stack"
    folder.mkdir()
    (folder / "main.tf.json").write_text(json.dumps(configuration))
    terraform = str(Toolchain.load().terraform)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "CHECKPOINT_DISABLE": "1"}
        return subprocess.run(
            [terraform, *words], cwd=folder, env=variables, check=False,
            capture_output=True, text=True,
        )  # fmt: skip

    assert run("init").returncode == 0
    applied = run("apply", "-auto-approve", "-no-color")
    assert applied.returncode == 0, applied.stderr
    assert run("output", "-raw", "it").stdout == "the value"
    assert run("plan", "-detailed-exitcode").returncode == 0
