"""What a person types: commands, and names that are nearly right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from constructs_lib.settings.environment import Environment
from moor.typed import command, unknown

if TYPE_CHECKING:
    from pathlib import Path


def test_the_sandbox_needs_no_name(tmp_path: Path) -> None:
    sandbox = Environment.from_variable(tmp_path, {})
    assert command(sandbox, "up") == "make up"
    assert command(sandbox, "-s env") == "make -s env"


def test_another_environment_is_named(tmp_path: Path) -> None:
    other = Environment.from_variable(tmp_path, {"ENVIRONMENT": "staging"})
    assert command(other, "-s env") == "ENVIRONMENT=staging make -s env"


@pytest.mark.parametrize("name", ["environments/staging.yaml", "{root}/environments/staging.yaml"])
def test_the_path_of_a_usual_file_is_spelled_as_a_name(tmp_path: Path, name: str) -> None:
    value = name.format(root=tmp_path)
    environment = Environment.from_variable(tmp_path, {"ENVIRONMENT": value})
    assert command(environment, "up") == "ENVIRONMENT=staging make up"


def test_an_environment_elsewhere_is_named_by_its_file(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "trial.yaml"
    environment = Environment.from_variable(tmp_path, {"ENVIRONMENT": str(elsewhere)})
    assert command(environment, "up") == f"ENVIRONMENT={elsewhere} make up"


@pytest.mark.parametrize("name", ["sandbox.yml", "my place/sandbox.yaml"])
def test_a_file_of_the_usual_name_elsewhere_is_quoted_where_it_must_be(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    environment = Environment.from_variable(tmp_path, {"ENVIRONMENT": str(file)})
    quoted = f"'{file}'" if " " in name else str(file)
    assert command(environment, "up") == f"ENVIRONMENT={quoted} make up"


@pytest.mark.parametrize(
    ("name", "known", "remedy"),
    [
        ("wbe", ["web", "database"], "did you mean web?"),
        ("web1", ["web-2", "web-1", "other"], "did you mean web-1 or web-2?"),
        ("nothing-like-it", ["web", "api"], "there are api, web"),
        ("web", [], "there are none"),
    ],
)
def test_a_name_that_nothing_has(name: str, known: list[str], remedy: str) -> None:
    assert unknown("service", name, iter(known)) == (
        f"service: must be the name of one, got '{name}'; {remedy}"
    )
