"""The Python packages: what is removed, and what stays."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from setup import debian, python_packages
from setup.errors import SetupError
from setup.python_packages import Bindings, Packages, Pipenv, base_interpreter

if TYPE_CHECKING:
    from setup.step import Context


class RecordedPackages(Packages):
    """Runs nothing."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.commands: list[str] = []

    def command(self, *words: str | os.PathLike[str], **_options: object) -> None:
        """Record a command."""
        self.commands.append(" ".join(os.fspath(word) for word in words))


@pytest.fixture
def environment(context: Context) -> Path:
    """Make something that looks like our virtual environment."""
    folder = context.project.virtual_environment
    (folder / "bin").mkdir(parents=True)
    context.project.python.symlink_to(base_interpreter())
    (folder / "bin" / "pip").write_text(f"#!{context.project.python}\n")
    (folder / "marker").touch()
    return folder


def test_an_environment_of_ours_is_updated_in_its_place(
    context: Context, environment: Path
) -> None:
    step = RecordedPackages(context)
    step.run()

    assert (environment / "marker").exists()
    project = context.project
    left_out = python_packages._AWS_BINDINGS
    compile_all = f"{project.python} -m compileall -q -j 0 -x {left_out}"
    assert step.commands == [
        f"{project.pipenv_python} -m pipenv sync --dev --extra-pip-args=--no-compile",
        f"{project.pipenv_python} -m pipenv clean",
        f"{compile_all} {environment / 'lib'}",
    ]


def test_one_that_was_cut_off_is_made_anew(context: Context, environment: Path) -> None:
    step = RecordedPackages(context)
    step.interrupted = True
    step.run()

    assert not environment.exists()


def test_one_that_was_moved_is_made_anew(context: Context, environment: Path) -> None:
    (environment / "bin" / "pip").write_text("#!/elsewhere/.venv/bin/python\n")
    RecordedPackages(context).run()

    assert not environment.exists()


def test_one_for_another_interpreter_is_made_anew(context: Context, environment: Path) -> None:
    context.project.python.unlink()
    context.project.python.symlink_to("/bin/sh")
    RecordedPackages(context).run()

    assert not environment.exists()


def test_it_fails_when_python_cannot_make_environments(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(python_packages, "base_interpreter", lambda: Path("/usr/bin/python3.11"))
    monkeypatch.setattr(debian, "can_install", lambda: False)
    monkeypatch.setattr(debian, "is_debian", lambda: True)
    with pytest.raises(SetupError) as caught:
        Pipenv(context).run()

    assert str(caught.value).startswith(
        "python: venv and ensurepip: must be there to make virtual environments, got none in "
        "/usr/bin/python3.11; install the package python3."
    )


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("cdktf_cdktf_provider_aws/instance/__init__.py", True),
        ("cdktf_cdktf_provider_aws/_jsii/__init__.py", False),
        ("cdktf_cdktf_provider_docker/container/__init__.py", False),
    ],
)
def test_the_aws_bindings_are_left_to_who_imports_them(module: str, *, expected: bool) -> None:
    path = f"/a/.venv/lib/python3.11/site-packages/{module}"

    assert (re.search(python_packages._AWS_BINDINGS, path) is not None) is expected


def test_the_aws_bindings_are_compiled_anew_in_a_new_environment(
    context: Context, environment: Path
) -> None:
    folder = context.project.aws_bindings
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("VALUE = 1\n")
    step = Bindings(context)
    step.perform()
    assert step.is_current()
    assert Path(importlib.util.cache_from_source(str(folder / "__init__.py"))).is_file()

    shutil.rmtree(folder / "__pycache__")
    assert not step.is_current()
    assert environment.is_dir()
