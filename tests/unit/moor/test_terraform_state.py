"""Terraform's state, read without Terraform."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from constructs_lib.settings.environment import Environment
from moor.failure import CommandError
from moor.outputs import outputs_file
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
    "content",
    [
        "",
        "\n",
        {"version": 4},
        {"version": 4, "resources": []},
        {"version": 4, "resources": [LOOKED_UP]},
    ],
)
def test_an_empty_state_counts_nothing(environment: Environment, content: object) -> None:
    write(environment, "aws.tfstate", content)
    assert terraform_state.resource_count(environment) == 0


NO_STATES = [
    *("{", "[]", '"text"', "null", "\x00", "{}", '{"resources": []}'),
    *('{"version": 4, "resources": null}', '{"version": 4, "resources": ["x"]}'),
    *('{"version": 4, "resources": [{"instances": null}]}', '{"version": 4, "serial": "x"}'),
]


@pytest.mark.parametrize("content", NO_STATES)
def test_it_fails_when_a_file_is_no_state(environment: Environment, content: str) -> None:
    file = write(environment, "aws.tfstate", content)
    with pytest.raises(CommandError) as caught:
        terraform_state.resource_count(environment)
    assert str(caught.value) == (
        f"{file}: must be a Terraform state, got something else; run: moor state restore aws"
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
        write(environment, "aws.tfstate", {"version": 4, "resources": [MANAGED]})
        folders.add(terraform_state.set_aside(environment))
    assert len(folders) == 3
    assert all((folder / "aws.tfstate").is_file() for folder in folders)


# Damage

GOOD = {"version": 4, "serial": 7, "resources": [MANAGED, LOOKED_UP]}
EMPTY = {"version": 4, "serial": 8, "resources": []}


def test_what_is_good_is_not_damaged(environment: Environment) -> None:
    terraform_state.check(environment)
    for content in (GOOD, EMPTY):
        file = write(environment, "aws.tfstate", content)
        write(environment, "aws.tfstate.backup", GOOD)
        write(environment, "docker.tfstate", EMPTY)
        assert terraform_state.damage(file) is None
        terraform_state.check(environment)


@pytest.mark.parametrize(
    ("content", "problem"),
    [("", "an empty file"), (" \n", "an empty file"), *((c, "something else") for c in NO_STATES)],
)
def test_a_damaged_state_beside_a_good_backup(
    environment: Environment, content: str, problem: str
) -> None:
    file = write(environment, "aws.tfstate", content)
    write(environment, "aws.tfstate.backup", GOOD)
    assert terraform_state.damage(file) == problem
    with pytest.raises(CommandError) as caught:
        terraform_state.check(environment)
    assert str(caught.value) == (
        f"{file}: must be a Terraform state, got {problem}, beside a good backup of 1 resources; "
        "run: moor state restore aws"
    )


@pytest.mark.parametrize("backup", [None, "", "{", {"resources": []}])
def test_a_damaged_state_without_a_good_backup(environment: Environment, backup: object) -> None:
    file = write(environment, "aws.tfstate", "{")
    if backup is not None:
        write(environment, "aws.tfstate.backup", backup)
    assert terraform_state.backup_of(file) is None
    with pytest.raises(CommandError) as caught:
        terraform_state.check(environment)
    assert str(caught.value) == (
        f"{file}: must be a Terraform state, got something else, and no backup of it; "
        "if nothing is deployed, remove it; else see `moor state adopt --help`"
    )


def test_an_empty_state_of_a_stack_that_was_never_deployed_is_none(
    environment: Environment,
) -> None:
    write(environment, "aws.tfstate", "")
    terraform_state.check(environment)
    outputs_file(environment).write_text("{", encoding="utf-8")
    terraform_state.check(environment)
    outputs_file(environment).write_text('{"docker": {}}', encoding="utf-8")
    terraform_state.check(environment)


def test_an_empty_state_of_a_stack_that_was_deployed(environment: Environment) -> None:
    file = write(environment, "aws.tfstate", "")
    outputs_file(environment).write_text('{"aws": {}}', encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        terraform_state.check(environment)
    assert str(caught.value) == (
        f"{file}: must be a Terraform state, got an empty file, and no backup of it; "
        "if nothing is deployed, remove it; else see `moor state adopt --help`"
    )


def test_a_state_that_is_gone_beside_a_backup_that_knows_something(
    environment: Environment,
) -> None:
    write(environment, "aws.tfstate.backup", GOOD)
    with pytest.raises(CommandError) as caught:
        terraform_state.check(environment)
    assert str(caught.value) == (
        f"{environment.state / 'aws.tfstate'}: must be a Terraform state, got no such file, "
        "beside a good backup of 1 resources; run: moor state restore aws"
    )


@pytest.mark.parametrize("backup", ["", "{", EMPTY])
def test_a_state_that_is_gone_beside_a_backup_that_knows_nothing(
    environment: Environment, backup: object
) -> None:
    write(environment, "aws.tfstate.backup", backup)
    terraform_state.check(environment)


def test_every_damaged_state_is_told(environment: Environment) -> None:
    first = write(environment, "aws.tfstate", "{")
    second = write(environment, "docker.tfstate", "[]")
    with pytest.raises(CommandError) as caught:
        terraform_state.check(environment)
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(first), str(second)]


def test_a_file_that_is_none_cannot_be_read(environment: Environment) -> None:
    file = environment.state / "aws.tfstate"
    file.mkdir(parents=True)
    assert terraform_state.damage(file) == "a file that cannot be read"
    file = environment.state / "docker.tfstate"
    file.write_bytes(b"\xff")
    assert terraform_state.damage(file) == "a file that cannot be read"
    with pytest.raises(CommandError) as caught:
        terraform_state.resource_count(environment)
    assert str(caught.value) == (
        f"{environment.state / 'aws.tfstate'}: must be a Terraform state, got a file that cannot "
        "be read; run: moor state restore aws"
    )


def test_a_backup_and_what_it_knows(environment: Environment) -> None:
    file = environment.state / "aws.tfstate"
    backup = write(environment, "aws.tfstate.backup", GOOD)
    os.utime(backup, (1000, 1234))
    assert terraform_state.backup_of(file) == terraform_state.Backup(
        file=backup, serial=7, resources=1, written=1234
    )


# Restoring


@pytest.mark.parametrize("content", ["", "{", GOOD])
def test_a_state_is_restored_and_the_former_file_kept(
    environment: Environment, content: object
) -> None:
    file = write(environment, "aws.tfstate", content)
    before = file.read_bytes()
    backup = write(environment, "aws.tfstate.backup", {**GOOD, "serial": 6})
    kept = terraform_state.restore(file)
    assert kept is not None
    assert kept.parent == file.parent
    assert re.fullmatch(r"aws\.tfstate\.damaged-\d{8}-\d{6}", kept.name)
    assert kept.read_bytes() == before
    assert file.read_bytes() == backup.read_bytes()
    assert [f.stat().st_mode & 0o777 for f in (file, kept)] == [0o600, 0o600]
    terraform_state.check(environment)


def test_a_state_that_is_gone_is_restored(environment: Environment) -> None:
    file = environment.state / "aws.tfstate"
    backup = write(environment, "aws.tfstate.backup", GOOD)
    assert terraform_state.restore(file) is None
    assert file.read_bytes() == backup.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(f.name for f in environment.state.iterdir()) == [
        "aws.tfstate",
        "aws.tfstate.backup",
    ]


def test_restoring_twice_in_a_second_loses_nothing(environment: Environment) -> None:
    file = write(environment, "aws.tfstate", "one")
    write(environment, "aws.tfstate.backup", GOOD)
    terraform_state.restore(file)
    write(environment, "aws.tfstate", "two")
    terraform_state.restore(file)
    kept = [f.read_text(encoding="utf-8") for f in environment.state.glob("*.damaged-*")]
    assert sorted(kept) == ["one", "two"]


@pytest.mark.parametrize("backup", [None, "", "{"])
def test_it_fails_when_there_is_nothing_to_restore_from(
    environment: Environment, backup: str | None
) -> None:
    file = write(environment, "aws.tfstate", "damaged")
    if backup is not None:
        write(environment, "aws.tfstate.backup", backup)
    with pytest.raises(CommandError) as caught:
        terraform_state.restore(file)
    assert str(caught.value) == (
        f"{file}: must have a good backup beside it to be restored, got none"
    )
    assert file.read_text(encoding="utf-8") == "damaged"
