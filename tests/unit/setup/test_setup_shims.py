"""The commands in the project's environment."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from setup.project import Project
from setup.python_packages import base_interpreter
from setup.shims import MODULES, Shims

if TYPE_CHECKING:
    from pathlib import Path

    from setup.step import Context

MAIN = """\
import json
import sys


def main() -> int:
    print(json.dumps([__name__, *sys.argv]))
    return 3
"""


@pytest.fixture
def commands(context: Context) -> Path:
    """Write the commands of a project that says how it was called; return their folder."""
    folder = context.project.virtual_environment / "bin"
    folder.mkdir(parents=True)
    context.project.python.symlink_to(base_interpreter())
    package = context.project.root / "moor"
    package.mkdir()
    (package / "__init__.py").touch()
    for module in MODULES.values():
        (package / f"{module.rpartition('.')[2]}.py").write_text(MAIN)
    step = Shims(context)
    step.perform()
    assert step.is_current()
    return folder


@pytest.mark.parametrize(("name", "module"), MODULES.items())
def test_a_command_is_the_projects_from_any_folder(
    commands: Path, tmp_path: Path, name: str, module: str
) -> None:
    link = tmp_path / name
    link.symlink_to(commands / name)
    for command in (commands / name, link):
        result = subprocess.run(
            [command, "deploy", "*"], cwd="/", capture_output=True, text=True, check=False
        )
        assert (result.returncode, result.stderr) == (3, "")
        assert json.loads(result.stdout) == [module, str(command), "deploy", "*"]


@pytest.mark.parametrize("name", MODULES)
def test_they_are_written_anew_where_one_is_gone(
    commands: Path, context: Context, name: str
) -> None:
    (commands / name).unlink()

    assert not Shims(context).is_current()


def test_the_modules_are_there() -> None:
    root = Project.here().root
    for module in MODULES.values():
        assert (root / module.replace(".", "/")).with_suffix(".py").is_file()
