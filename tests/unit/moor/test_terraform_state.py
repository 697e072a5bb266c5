"""Terraform's state, read without Terraform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from constructs_lib.settings.environment import Environment
from moor.failure import CommandError
from moor.toolchain import terraform_state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment.from_variable(tmp_path, {})


def write(environment: Environment, name: str, content: object) -> Path:
    environment.state.mkdir(parents=True, exist_ok=True)
    file = environment.state / name
    text = content if isinstance(content, str) else json.dumps(content)
    file.write_text(text, encoding="utf-8")
    return file


MANAGED = {"mode": "managed", "type": "aws_eip", "instances": [{}]}
LOOKED_UP = {"mode": "data", "type": "aws_ami", "instances": [{}]}


def test_nothing_was_deployed(environment: Environment) -> None:
    assert terraform_state.resource_count(environment) == 0


def test_managed_instances_of_every_stack_count(environment: Environment) -> None:
    several = {**MANAGED, "instances": [{}, {}]}
    write(environment, "aws.tfstate", {"version": 4, "resources": [MANAGED, several, LOOKED_UP]})
    write(environment, "docker.tfstate", {"version": 4, "resources": [MANAGED]})
    assert terraform_state.resource_count(environment) == 4


def test_backups_and_other_files_do_not_count(environment: Environment) -> None:
    write(environment, "aws.tfstate.backup", {"version": 4, "resources": [MANAGED]})
    write(environment, ".aws.tfstate.lock.info", "{}")
    assert terraform_state.resource_count(environment) == 0


@pytest.mark.parametrize(
    "content", ["", "\n", {}, {"version": 4, "resources": []}, {"resources": [LOOKED_UP]}]
)
def test_an_empty_state_counts_nothing(environment: Environment, content: object) -> None:
    write(environment, "aws.tfstate", content)
    assert terraform_state.resource_count(environment) == 0


@pytest.mark.parametrize("content", ["{", "[]", '"text"', "null", "\x00"])
def test_it_fails_when_a_file_is_no_state(environment: Environment, content: str) -> None:
    file = write(environment, "aws.tfstate", content)
    with pytest.raises(CommandError) as caught:
        terraform_state.resource_count(environment)
    assert str(caught.value) == (
        f"{file}: must be a Terraform state, got something else; restore aws.tfstate.backup"
    )


def test_a_state_that_is_set_aside_is_kept_whole(environment: Environment) -> None:
    content = {"version": 4, "resources": [MANAGED]}
    write(environment, "aws.tfstate", content)
    folder = terraform_state.set_aside(environment)
    assert folder.parent == environment.directory
    assert folder.name.startswith("state-of-lost-sandbox-")
    assert [f.name for f in folder.iterdir()] == ["aws.tfstate"]
    assert json.loads((folder / "aws.tfstate").read_text(encoding="utf-8")) == content
    assert not environment.state.exists()
    assert terraform_state.resource_count(environment) == 0


def test_two_states_may_be_set_aside_in_one_second(environment: Environment) -> None:
    folders = set()
    for _ in range(3):
        write(environment, "aws.tfstate", {"resources": [MANAGED]})
        folders.add(terraform_state.set_aside(environment))
    assert len(folders) == 3
    assert all((folder / "aws.tfstate").is_file() for folder in folders)
