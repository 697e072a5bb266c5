"""A swarm's own image registry, and what is built and pushed to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml
from synthesis import Json, synth_of

from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.reader import load_project
from constructs_lib.host.endpoint import DockerEndpoint
from constructs_lib.host.registry_place import REGISTRY
from constructs_lib.swarm.registry import Registry, registry_service
from constructs_lib.swarm.services import SwarmServices

if TYPE_CHECKING:
    from pathlib import Path

    from cdktf import TerraformStack

    from constructs_lib.compose.model import ComposeProject

IMAGE = "docker.io/library/registry:3"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (tmp_path / name).write_text(f"{name}\n", encoding="utf-8")
    return Registry(
        image=IMAGE,
        node="manager-1",
        machine="i-0123",
        certificate=tmp_path / "cert.pem",
        key=tmp_path / "key.pem",
        authority=tmp_path / "ca.pem",
    )


@pytest.fixture
def project(tmp_path: Path) -> ComposeProject:
    """Return a project of which one service is built, and another one is not."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    file = tmp_path / "compose.yaml"
    services = {"web": {"build": "./web"}, "other": {"image": f"example/other@sha256:{'a' * 64}"}}
    file.write_text(yaml.safe_dump({"services": services}), encoding="utf-8")
    return load_project([file], name="shop", environment={"PATH": "/usr/bin:/bin"}, swarm=True)


def synthesized(project: ComposeProject, folder: Path, registry: Registry | str | None) -> Json:
    def define(stack: TerraformStack) -> None:
        SwarmServices(
            stack,
            "Compose",
            project=project,
            endpoint=DockerEndpoint(host="192.0.2.1", port=2376, certificates=folder),
            vault=Vault(folder / "vault"),
            value_of=str,
            identities=folder / "contents",
            registry=registry,
        )

    return synth_of(define)


def commands(document: Json) -> dict[str, str]:
    """Return what each step runs last, by the step's name."""
    return {
        name: step["provisioner"][0]["local-exec"]["command"]
        for name, step in document["resource"]["terraform_data"].items()
        if step.get("provisioner")
    }


def test_it_takes_nodes_alone_over_tls_in_both_directions(
    project: ComposeProject, registry: Registry
) -> None:
    _, service = registry_service(project, registry)
    configuration = yaml.safe_load(service.deliveries[0].content or "")
    assert configuration["http"] == {
        "addr": ":5000",
        "tls": {
            "certificate": "/etc/moor-registry/cert.pem",
            "key": "/run/secrets/registry-key.pem",
            "clientcas": ["/etc/moor-registry/ca.pem"],
            "minimumtls": "tls1.2",
        },
    }
    by_path = {delivery.path: delivery for delivery in service.deliveries}
    assert by_path["/run/secrets/registry-key.pem"].is_secret
    assert by_path["/etc/moor-registry/ca.pem"].source == registry.authority


def test_it_runs_on_one_node_and_what_is_built_waits_for_it(
    project: ComposeProject, registry: Registry, tmp_path: Path
) -> None:
    document = synthesized(project, tmp_path, registry)
    own = document["resource"]["docker_service"]["Compose_Registry"]
    assert own["name"] == "shop_moor-registry"
    assert own["task_spec"]["placement"]["constraints"] == ["node.labels.moor.node==manager-1"]
    steps = document["resource"]["terraform_data"]
    (push,) = (step for name, step in steps.items() if name.endswith("_Push"))
    assert push["depends_on"] == ["terraform_data.Compose_Registry_Converged"]
    (build,) = (step for name, step in steps.items() if name.endswith("_Build"))
    # Another machine in that node's place has none of the images.
    assert build["triggers_replace"]["registry"] == "i-0123"


def test_a_service_runs_what_the_registry_has_by_its_digest(
    project: ComposeProject, registry: Registry, tmp_path: Path
) -> None:
    document = synthesized(project, tmp_path, registry)
    (pushed,) = (c for name, c in commands(document).items() if name.endswith("_Push"))
    assert pushed.startswith("moor-registry:5000/shop-web:")
    service = document["resource"]["docker_service"]["Compose_Services_web"]
    (name,) = (
        name
        for name, body in document["data"]["terraform_remote_state"].items()
        if "/images/" in body["config"]["path"]
    )
    assert service["task_spec"]["container_spec"]["image"] == (
        f"${{data.terraform_remote_state.{name}.outputs.value}}"
    )


def test_a_registry_of_ones_own_is_pushed_to_and_none_runs(
    project: ComposeProject, tmp_path: Path
) -> None:
    document = synthesized(project, tmp_path, "registry.example.com/team")
    assert "Compose_Registry" not in document["resource"]["docker_service"]
    (pushed,) = (c for name, c in commands(document).items() if name.endswith("_Push"))
    assert pushed.startswith("registry.example.com/team/shop-web:")


def test_without_a_build_there_is_no_registry(
    project: ComposeProject, registry: Registry, tmp_path: Path
) -> None:
    services = {"other": project.services["other"]}
    document = synthesized(
        type(project)(
            name="shop", file="compose.yaml", services=services,
            networks=project.networks, volumes={},
        ),
        tmp_path,
        registry,
    )  # fmt: skip
    assert list(document["resource"]["docker_service"]) == ["Compose_Services_other"]


def test_no_key_is_in_the_configuration(
    project: ComposeProject, registry: Registry, tmp_path: Path
) -> None:
    registry.key.write_text("-----BEGIN PRIVATE KEY-----\n", encoding="utf-8")
    assert "PRIVATE KEY" not in json.dumps(synthesized(project, tmp_path, registry))


def test_it_fails_when_a_service_is_built_and_there_is_no_registry(
    project: ComposeProject, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"services\.web\.build: must have a registry to go to"):
        synthesized(project, tmp_path, None)


def test_the_registry_stays_for_what_was_built_before(tmp_path: Path, registry: Registry) -> None:
    file = tmp_path / "former.json"
    image = f"{REGISTRY}/shop-web@sha256:{'b' * 64}"
    file.write_text(yaml.safe_dump({"services": {"web": {"image": image}}}), encoding="utf-8")
    former = load_project([file], name="shop", environment={"PATH": "/usr/bin:/bin"}, swarm=True)
    document = synthesized(former, tmp_path, registry)
    services = document["resource"]["docker_service"]
    assert len(services) == 2
    assert image in str(services)
