"""The Docker stack of a swarm: any manager will do, and the variable `manager` says which."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cdktf import TerraformOutput, TerraformStack
from synthesis import ROOT, Json, counts, new_app, synth
from terraform_evaluation import evaluate
from test_terraform_validate import validation

from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.reader import load_project
from constructs_lib.terraform.literal import Expression
from constructs_lib.terraform.state_backend import LocalState
from stacks.docker import DockerStack

if TYPE_CHECKING:
    from constructs import Construct

    from constructs_lib.compose.model import ComposeProject

ADDRESSES = {"manager-1": "192.0.2.1", "manager-2": "192.0.2.2"}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Json:
    folder = tmp_path_factory.mktemp("stack")
    services = load_project(
        [ROOT / "services" / "swarm" / "compose.yaml"],
        name="shop",
        environment={"PATH": "/usr/bin:/bin", "STORE_TOKEN": "x"},
        swarm=True,
    )
    return synthesized(folder, services, Vault(folder / "vault"))


def synthesized(folder: Path, services: ComposeProject, vault: Vault) -> Json:
    app: Construct = new_app()
    first = TerraformStack(app, "aws")
    managers = {
        name: Expression(TerraformOutput(first, name, value=address).value)
        for name, address in ADDRESSES.items()
    }
    stack = DockerStack(
        app,
        "docker",
        services=services,
        state=LocalState(folder=folder),
        address=managers,
        port=2376,
        certificates=Path("/certificates"),
        machine=None,
        vault=vault,
        value_of=services.contents.__getitem__,
        identities=folder / "contents",
    )
    return synth(stack)


def test_the_variable_chooses_among_the_managers(document: Json, tmp_path: Path) -> None:
    variable = document["variable"]["manager"]
    assert (variable["default"], variable["nullable"]) == ("manager-1", False)
    assert variable["description"] == (
        "the manager that the deployment speaks to: manager-1, manager-2"
    )
    (provider,) = document["provider"]["docker"]
    chosen = provider["host"].replace("var.manager", '"manager-2"')
    assert evaluate(tmp_path, chosen) == "tcp://192.0.2.2:2376"


def test_steps_speak_to_the_same_manager(document: Json, tmp_path: Path) -> None:
    for step in document["resource"]["terraform_data"].values():
        (run,) = (p["local-exec"] for p in step["provisioner"])
        words = run["interpreter"]
        host = words[words.index("--host") + 1]
        assert evaluate(tmp_path, host.replace("var.manager", '"manager-2"')) == "192.0.2.2"
        break


def test_terraform_finds_nothing_wrong(document: Json, tmp_path: Path) -> None:
    assert validation(tmp_path, document)["diagnostics"] == []


class ANumber(Vault):
    """A vault whose digests look like the numbers that stand for cdktf's references."""

    def digest(self, content: bytes) -> str:
        """Return one that a key may lead to."""
        return "5e282fc6320b" + super().digest(content)


SERVICES = """
services:
  a5e282b:
    image: busybox:1.36
    configs: [c]
    volumes: ["v5e290d:/data"]
    healthcheck: {test: [CMD, "true"]}
  b:
    image: busybox:1.36
    depends_on: [a5e282b]
configs: {c: {content: hello}}
volumes: {v5e290d: {}}
"""


def test_a_name_may_look_like_a_number(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(SERVICES, encoding="utf-8")
    services = load_project([file], name="shop", environment={"PATH": "/usr/bin:/bin"}, swarm=True)
    document = synthesized(tmp_path, services, ANumber(tmp_path / "vault"))
    assert "5e282fc6320b" in str(document["resource"]["terraform_data"])
    assert validation(tmp_path, document)["diagnostics"] == []


def test_services_are_the_swarms(document: Json) -> None:
    found = counts(document)
    assert (found["docker_service"], found["docker_network"]) == (6, 2)
    assert "docker_container" not in found
    # A port is that of the nodes which run a task: no plan knows where it answers.
    assert "output" not in document
