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
# whether garbage is collected.
APP: Final = """
import sys
from constructs_lib.synthesis import head_start
print(sorted(e.name for e in head_start._begun))
for future in head_start._begun.values():
    future.exception()
print(sorted({"jsii", "cdktf", "constructs"} & sys.modules.keys()))
import gc
print(gc.isenabled())
"""

FAST: Final = ["['jsii']", "False"]
PLAIN: Final = ["[]", "True"]


def environment(root: Path, name: str) -> Environment:
    return Environment(name=name, settings_file=root / f"{name}.yaml", root=root)


def sandbox_settings() -> Environment:
    return Environment.from_variable(ROOT, {"ENVIRONMENT": "sandbox"})


def test_what_was_begun_is_what_is_loaded_anyway() -> None:
    chosen = sandbox_settings()
    plain = head_start.settings_and_services(chosen)
    head_start.begin(chosen)
    assert head_start.settings_and_services(chosen) == plain
    assert head_start._begun == {}


def test_an_error_is_raised_where_the_settings_are_asked_for(tmp_path: Path) -> None:
    chosen = environment(tmp_path, "wrong")
    chosen.settings_file.write_text("project: [1]\n", encoding="utf-8")
    with pytest.raises(ValueError, match="project") as plain:
        head_start.settings_and_services(chosen)
    head_start.begin(chosen)
    with pytest.raises(ValueError, match="project") as begun:
        head_start.settings_and_services(chosen)
    assert str(begun.value) == str(plain.value)


def test_another_environment_is_loaded_afresh(tmp_path: Path) -> None:
    head_start.begin(environment(tmp_path, "missing"))
    settings, _ = head_start.settings_and_services(sandbox_settings())
    assert settings.project == "moor"
    with pytest.raises((ValueError, OSError), match="missing"):
        head_start.settings_and_services(environment(tmp_path, "missing"))


@pytest.mark.parametrize(
    ("name", "variables", "says"),
    [
        ("main.py", {"ENVIRONMENT": "some"}, ["['some']", *FAST]),
        ("main.py", {}, ["['sandbox']", *FAST]),
        ("main.py", {"ENVIRONMENT": "Not usable"}, ["[]", *FAST]),
        ("main.py", {"MOOR_PLAIN_BINDINGS": "1"}, ["[]", *PLAIN]),
        ("other.py", {}, ["[]", *PLAIN]),
    ],
)
def test_it_begins_for_the_app_only(
    tmp_path: Path, name: str, variables: dict[str, str], says: list[str]
) -> None:
    app = tmp_path / name
    app.write_text(APP, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(app)],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == says
