"""How cdktf is started: its options, and the variables that keep it out of the home folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from constructs_lib.settings.environment import Environment
from moor.failure import CommandError
from moor.toolchain import toolchain
from moor.toolchain.toolchain import Toolchain, with_changes


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(toolchain, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def environment(root: Path) -> Environment:
    return Environment.from_variable(root, {"ENVIRONMENT": "production"})


def tools(*, mirror: bool) -> Toolchain:
    return Toolchain(
        terraform=Path("/tools/terraform"),
        configuration=Path("/tools/terraform.rc") if mirror else None,
        node=Path("/tools/node/bin/node"),
        cdktf=Path("/tools/cdktf"),
    )


HOOK = str(Path(toolchain.__file__).with_name("cdktf_hook.cjs"))
START = ["/tools/node/bin/node", "--require", HOOK, "/tools/cdktf"]


@pytest.mark.parametrize("name", ["deploy", "apply"])
@pytest.mark.parametrize("mirror", [True, False])
def test_a_deployment_writes_its_outputs(
    environment: Environment,
    name: str,
    mirror: bool,  # noqa: FBT001
) -> None:
    outputs = environment.directory / "outputs.json"
    lock = ["--skip-provider-lock"] if mirror else []
    assert tools(mirror=mirror).command([name, "*"], environment) == [
        *START,
        *(name, "*"),
        *lock,
        *("--outputs-file", str(outputs)),
    ]


@pytest.mark.parametrize("option", [["--outputs-file", "mine.json"], ["--outputs-file=mine.json"]])
def test_another_place_for_the_outputs_is_respected(
    environment: Environment, option: list[str]
) -> None:
    typed = ["deploy", "*", *option]
    assert tools(mirror=False).command(typed, environment) == [*START, *typed]


@pytest.mark.parametrize("name", ["destroy", "diff", "plan", "output"])
def test_with_a_mirror_nothing_asks_a_registry_for_hashes(
    environment: Environment, name: str
) -> None:
    assert tools(mirror=True).command([name], environment) == [
        *START,
        *(name, "--skip-provider-lock"),
    ]
    assert tools(mirror=False).command([name], environment) == [*START, name]


@pytest.mark.parametrize("typed", [["synth"], ["--help"], ["list"], []])
@pytest.mark.parametrize("mirror", [True, False])
def test_other_commands_are_left_as_they_are(
    environment: Environment,
    typed: list[str],
    mirror: bool,  # noqa: FBT001
) -> None:
    assert tools(mirror=mirror).command(typed, environment) == [*START, *typed]


def test_the_variables(
    root: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {"PATH": "/usr/bin", "HOME": "/home/x", "AWS_PROFILE": "work"}
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    variables = tools(mirror=True).variables(environment)
    assert variables.pop("CI", "1") == "1"
    own = root / ".tools"
    # PYTEST_CURRENT_TEST is set again by pytest.
    assert {k: v for k, v in variables.items() if not k.startswith("PYTEST")} == {
        "AWS_PROFILE": "work",
        "HOME": "/home/x",
        "PATH": "/tools/node/bin:/usr/bin",
        "CDKTF_OUTPUT": str(root / "cdktf.out" / "production"),
        "CDKTF_HOME": str(own / "cdktf"),
        "CHECKPOINT_DISABLE": "1",
        "DISABLE_VERSION_CHECK": "1",
        "JSII_NODE": "/tools/node/bin/node",
        "MOOR_LOCKS": str(root / ".moor" / "production" / "providers"),
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(own / "jsii"),
        "TERRAFORM_BINARY_NAME": "/tools/terraform",
        "TF_PLUGIN_CACHE_DIR": str(own / "plugin-cache"),
        "TF_CLI_CONFIG_FILE": "/tools/terraform.rc",
    }
    # Terraform refuses a cache folder that does not exist.
    assert (own / "plugin-cache").is_dir()


def test_without_a_mirror_the_users_own_configuration_stays(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/home/x/.terraformrc")
    variables = tools(mirror=False).variables(environment)
    assert variables["TF_CLI_CONFIG_FILE"] == "/home/x/.terraformrc"


def record(root: Path, content: str) -> None:
    (root / ".tools").mkdir()
    (root / ".tools" / "terraform.json").write_text(content, encoding="utf-8")


@pytest.mark.parametrize("configuration", ["/x/terraform.rc", None])
def test_what_set_up_recorded_is_read(root: Path, configuration: str | None) -> None:
    record(root, json.dumps({"path": "/usr/bin/tofu", "configuration": configuration}))
    found = Toolchain.load()
    assert found.terraform == Path("/usr/bin/tofu")
    assert found.configuration == (Path(configuration) if configuration else None)
    assert found.node.is_file(), "the Node of the virtual environment"
    assert os.access(found.node, os.X_OK)
    assert found.cdktf.is_relative_to(root / ".tools" / "node")


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"path": null}'])
def test_it_fails_when_set_up_has_not_run(root: Path, content: str | None) -> None:
    if content is not None:
        record(root, content)
    with pytest.raises(CommandError) as caught:
        Toolchain.load()
    assert str(caught.value) == (
        f"{root}/.tools/terraform.json: must have been written by set-up, "
        "got no such record; run `make setup`"
    )


def test_changes_set_and_unset_and_leave_the_rest() -> None:
    before = {"A": "1", "B": "2", "C": "3"}
    after = with_changes(before, {"A": "x", "B": None, "D": "4", "E": None})
    assert after == {"A": "x", "C": "3", "D": "4"}
    assert before == {"A": "1", "B": "2", "C": "3"}
