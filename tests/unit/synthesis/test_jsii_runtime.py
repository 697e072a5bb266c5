"""The project's own Node, whatever the PATH has, and its own cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from node_program import NODE

from constructs_lib.synthesis import jsii_runtime

if TYPE_CHECKING:
    import pytest

ROOT: Final = Path(__file__).resolve().parents[3]


def chosen(root: Path, **variables: str) -> dict[str, str]:
    jsii_runtime.choose(variables, root=root)
    return variables


def test_what_is_installed_is_chosen(tmp_path: Path) -> None:
    assert chosen(tmp_path) == {"JSII_NODE": str(NODE)}
    cache = tmp_path / ".tools" / "jsii"
    cache.mkdir(parents=True)
    assert chosen(tmp_path) == {
        "JSII_NODE": str(NODE),
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(cache),
    }


def test_what_the_caller_has_chosen_stays(tmp_path: Path) -> None:
    (tmp_path / ".tools" / "jsii").mkdir(parents=True)
    given = {"JSII_NODE": "/other/node", "JSII_RUNTIME_PACKAGE_CACHE_ROOT": "/other"}
    assert chosen(tmp_path, **given) == given


def test_an_empty_variable_is_no_choice(tmp_path: Path) -> None:
    assert chosen(tmp_path, JSII_NODE="") == {"JSII_NODE": str(NODE)}


def test_without_the_package_it_is_the_node_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsii_runtime, "_PACKAGE", "no_such_package")
    assert chosen(tmp_path) == {}


def test_the_app_uses_the_projects_node_and_not_that_of_the_path(tmp_path: Path) -> None:
    # A copy of it takes its own folder for the project's, and leaves the keys of this one alone.
    shutil.copy(ROOT / "main.py", tmp_path)
    for name in ("environments", "services"):
        (tmp_path / name).symlink_to(ROOT / name)
    other = tmp_path / "bin" / "node"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho 'the node of the PATH' >&2\nexit 1\n")
    other.chmod(0o755)
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in {"JSII_NODE", "JSII_RUNTIME_PACKAGE_CACHE_ROOT", "NODE_OPTIONS"}
        and not name.startswith("CDKTF")
    }
    path = os.pathsep.join([str(other.parent), os.environ["PATH"]])

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-O", "main.py"],
            cwd=tmp_path,
            env=variables
            | {"PATH": path, "PYTHONPATH": str(ROOT), "ENVIRONMENT": "sandbox"}
            | more,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "cdktf.out" / "sandbox" / "stacks" / "docker" / "cdk.tf.json").exists()
    # The control: it is the caller's choice, and then that one fails.
    assert run(JSII_NODE=str(other)).returncode != 0
