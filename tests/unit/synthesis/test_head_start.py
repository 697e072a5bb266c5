"""The head start: the same settings and services, and the same errors, from a thread."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from constructs_lib.settings.environment import Environment
from constructs_lib.synthesis import head_start

ROOT: Final = Path(__file__).resolve().parents[3]

# Stands for the app: says which environments were begun for it, what that has imported, and
# whether what it makes is kept from being looked through, meanwhile and at the end.
APP: Final = """
import atexit, gc, pathlib, sys
atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 0))
from constructs_lib.synthesis import head_start
head_start.begin(pathlib.Path(__file__).parent)
print(sorted(e.name for e in head_start._begun))
for future in head_start._begun.values():
    future.exception()
print(sorted({"jsii", "cdktf", "constructs"} & sys.modules.keys()))
"""

FAST: Final = ["['jsii']", "False True"]
PLAIN: Final = ["[]", "True False"]


def environment(root: Path, name: str) -> Environment:
    return Environment(name=name, settings_file=root / f"{name}.yaml", root=root)


def sandbox_settings() -> Environment:
    return Environment.from_variable(ROOT, {"ENVIRONMENT": "sandbox"})


def test_what_was_begun_is_what_is_loaded_anyway() -> None:
    chosen = sandbox_settings()
    plain = head_start.settings_and_services(chosen)
    head_start.load_early(chosen)
    assert head_start.settings_and_services(chosen) == plain
    assert head_start._begun == {}


def test_an_error_is_raised_where_the_settings_are_asked_for(tmp_path: Path) -> None:
    chosen = environment(tmp_path, "wrong")
    chosen.settings_file.write_text("project: [1]\n", encoding="utf-8")
    with pytest.raises(ValueError, match="project") as plain:
        head_start.settings_and_services(chosen)
    head_start.load_early(chosen)
    with pytest.raises(ValueError, match="project") as begun:
        head_start.settings_and_services(chosen)
    assert str(begun.value) == str(plain.value)


def test_another_environment_is_loaded_afresh(tmp_path: Path) -> None:
    head_start.load_early(environment(tmp_path, "missing"))
    settings, _ = head_start.settings_and_services(sandbox_settings())
    assert settings.project == "moor"
    with pytest.raises((ValueError, OSError), match="missing"):
        head_start.settings_and_services(environment(tmp_path, "missing"))


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"ENVIRONMENT": "some"}, ["['some']", *FAST]),
        ({}, ["['sandbox']", *FAST]),
        ({"ENVIRONMENT": "Not usable"}, ["[]", *FAST]),
        ({"MOOR_PLAIN_BINDINGS": "1"}, ["[]", *PLAIN]),
    ],
)
def test_the_app_begins_what_it_is_going_to_wait_for(
    tmp_path: Path, variables: dict[str, str], says: list[str]
) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(app)],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == says


def test_who_imports_the_app_begins_nothing() -> None:
    code = """
import main
from constructs_lib.synthesis import head_start
print(head_start._begun)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "NODE_OPTIONS"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{}\n"
