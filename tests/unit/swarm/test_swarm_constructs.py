"""Services of Compose files in a swarm, as resources."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from synthesis import ROOT, Json, counts, synth_of

from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.reader import load_project
from constructs_lib.host.endpoint import DockerEndpoint
from constructs_lib.swarm.services import SwarmServices

if TYPE_CHECKING:
    from cdktf import TerraformStack

    from constructs_lib.compose.model import ComposeProject

EXAMPLE = ROOT / "services" / "swarm" / "compose.yaml"
TOKEN = "nobody-may-know"  # noqa: S105  (it is looked for everywhere)


def read(*files: Path) -> ComposeProject:
    return load_project(
        list(files),
        name="shop",
        environment={"PATH": "/usr/bin:/bin", "STORE_TOKEN": TOKEN},
        swarm=True,
    )


def synthesized(project: ComposeProject, folder: Path) -> Json:
    def define(stack: TerraformStack) -> None:
        SwarmServices(
            stack,
            "Compose",
            project=project,
            endpoint=DockerEndpoint(
                host="192.0.2.1", port=2376, certificates=Path("/certificates")
            ),
            vault=Vault(folder / "vault"),
            value_of=project.contents.__getitem__,
            identities=folder / "contents",
        )

    return synth_of(define)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("swarm")


@pytest.fixture(scope="module")
def document(folder: Path) -> Json:
    return synthesized(read(EXAMPLE), folder)


def service(document: Json, name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["resource"]["docker_service"][f"Compose_Services_{name}"]
    return found


def step(document: Json, name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["resource"]["terraform_data"][name]
    return found


def words(found: dict[str, Any]) -> list[str]:
    (run,) = (provisioner["local-exec"] for provisioner in found["provisioner"])
    return [*run["interpreter"][3:], run["command"]]


def test_it_is_exactly_these_resources(document: Json) -> None:
    assert counts(document) == {
        "docker_service": 6,
        "docker_network": 2,
        "data.docker_registry_image": 1,
        # Each service's wait and mode, each secret and config, the volume's node, the tidying.
        "terraform_data": 6 + 6 + 5 + 1 + 1,
        "data.terraform_remote_state": 5,
    }


def test_networks_are_overlays_and_known_by_their_ids(document: Json) -> None:
    network = document["resource"]["docker_network"]["Compose_Networks_back"]
    assert (network["name"], network["driver"], network["internal"]) == (
        "shop_back",
        "overlay",
        True,
    )
    assert service(document, "api")["task_spec"]["networks_advanced"] == [
        {
            "id": f"${{docker_network.Compose_Networks_{name}.id}}",
            "aliases": ["api"],
            "driver_opts": [],
        }
        for name in ("back", "front")
    ]


def test_a_port_is_that_of_each_node_which_runs_a_task(document: Json) -> None:
    assert service(document, "web")["endpoint_spec"] == {
        "mode": "dnsrr",
        "ports": [
            {
                "name": "",
                "protocol": "tcp",
                "target_port": 8080,
                "published_port": 80,
                "publish_mode": "host",
            }
        ],
    }


def test_images_are_named_by_their_digest(document: Json) -> None:
    digest = next(iter(document["data"]["docker_registry_image"]))
    assert service(document, "store")["task_spec"]["container_spec"]["image"] == (
        "docker.io/library/busybox@${data.docker_registry_image." + digest + ".sha256_digest}"
    )


def test_a_secret_is_its_id_and_a_name_that_says_nothing(document: Json, folder: Path) -> None:
    (secret,) = service(document, "worker")["task_spec"]["container_spec"]["secrets"]
    assert re.fullmatch(r"shop_token_[0-9a-f]{12}", secret["secret_name"])
    identity = f"Compose_Contents_secret-{secret['secret_name']}_Identity"
    assert secret == {
        "secret_id": f"${{data.terraform_remote_state.{identity}.outputs.value}}",
        "secret_name": secret["secret_name"],
        "file_name": "/run/secrets/token",
        "file_uid": "0",
        "file_gid": "0",
        "file_mode": 0o444,
    }
    made = f"Compose_Contents_secret-{secret['secret_name']}_Made"
    state = document["data"]["terraform_remote_state"][identity]
    assert state["depends_on"] == [f"terraform_data.{made}"]
    assert words(step(document, made))[6:] == [
        *("--project", "shop", "--kind", "secret", "--name", secret["secret_name"]),
        *("--identity", state["config"]["path"], "--"),
        str(folder / "vault" / Path(words(step(document, made))[-1]).name),
    ]
    assert TOKEN not in str(document)


def test_a_service_with_a_volume_stays_on_its_node(document: Json) -> None:
    store = service(document, "store")
    assert store["task_spec"]["placement"]["constraints"] == [
        "node.labels.moor.volume.shop.numbers==yes"
    ]
    assert "terraform_data.Compose_Pins_numbers" in store["depends_on"]
    assert words(step(document, "Compose_Pins_numbers"))[6:] == [
        *("--project", "shop", "--", "numbers")
    ]


def test_dependencies_wait_until_the_others_have_converged(document: Json) -> None:
    assert service(document, "web")["depends_on"] == [
        "terraform_data.Compose_Services_api_Converged"
    ]
    waiting = step(document, "Compose_Services_web_Converged")
    assert waiting["triggers_replace"] == {"service": "${docker_service.Compose_Services_web.id}"}
    assert waiting["lifecycle"] == {"replace_triggered_by": ["docker_service.Compose_Services_web"]}
    assert words(waiting)[6:8] == ["--until", "running"]
    assert words(waiting)[-1] == "shop_web"
    tidy = step(document, "Compose_Tidy")
    assert len(tidy["depends_on"]) == 6
    kept = words(tidy)[words(tidy).index("--") + 1 :]
    assert [re.sub("_[0-9a-f]{12}$", "", word) for word in kept] == [
        "config shop_greeting",
        "config shop_index-cgi",
        "config shop_numbers",
        "config shop_store",
        "secret shop_token",
    ]


def test_without_a_word_the_provider_is_told_what_the_engine_takes_it_for(document: Json) -> None:
    # What is left out would stay what it was before.
    task = service(document, "scheduler")["task_spec"]
    assert {key: task["container_spec"][key] for key in ("healthcheck", "dns_config", "user")} == {
        "healthcheck": {"test": []},
        "dns_config": {"nameservers": [], "search": [], "options": []},
        "user": "",
    }
    assert task["placement"] == {
        "constraints": [],
        "prefs": [],
        "max_replicas": 0,
    }
    # Docker's own client puts the image's there.
    assert service(document, "scheduler")["lifecycle"] == {
        "ignore_changes": ["task_spec[0].placement[0].platforms"],
        # A swarm refuses another mode, and the provider would try an update.
        "replace_triggered_by": ["terraform_data.Compose_Services_scheduler_Mode"],
    }
    modes = {
        name: step(document, f"Compose_Services_{name}_Mode")["triggers_replace"]["mode"]
        for name in ("agent", "scheduler")
    }
    assert modes == {"agent": "global", "scheduler": "replicated"}
    assert task["restart_policy"] == {
        "condition": "any",
        "delay": "5s",
        "max_attempts": 0,
        "window": "0s",
    }


def test_the_mesh_is_used_where_the_file_itself_says_so(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services:\n"
        "  short: {image: a@sha256:" + "0" * 64 + ", ports: ['80:80']}\n"
        "  long: {image: a@sha256:" + "0" * 64 + ", ports: [{target: 80, published: '81'}]}\n"
        "  meshed:\n"
        "    image: a@sha256:" + "0" * 64 + "\n"
        "    ports: [{target: 80, published: '82', mode: ingress}]\n"
    )
    document = synthesized(read(file), tmp_path)
    told = {
        name: (
            service(document, name)["endpoint_spec"]["mode"],
            service(document, name)["endpoint_spec"]["ports"][0]["publish_mode"],
        )
        for name in ("short", "long", "meshed")
    }
    assert told == {
        "short": ("dnsrr", "host"),
        "long": ("dnsrr", "host"),
        "meshed": ("vip", "ingress"),
    }
    assert words(step(document, "Compose_Mesh"))[6:] == [
        *("--feature", "IP_VS", "--", "services.meshed.ports")
    ]
    assert service(document, "meshed")["depends_on"] == ["terraform_data.Compose_Mesh"]
    assert "depends_on" not in service(document, "short")


def test_an_encrypted_network_waits_for_the_look_at_kernels(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services:\n"
        "  web: {image: a@sha256:" + "0" * 64 + ", networks: [open, closed]}\n"
        "networks:\n"
        "  open:\n"
        "  closed: {driver_opts: {encrypted: ''}}\n"
    )
    document = synthesized(read(file), tmp_path)
    assert words(step(document, "Compose_Encryption"))[6:] == [
        *("--feature", "ESP", "--", "networks.closed.driver_opts.encrypted")
    ]
    networks = document["resource"]["docker_network"]
    closed = networks["Compose_Networks_closed"]
    assert closed["options"] == {"encrypted": ""}
    assert closed["depends_on"] == ["terraform_data.Compose_Encryption"]
    assert "depends_on" not in networks["Compose_Networks_open"]


def test_defining_fails_when_the_file_was_read_for_one_machine(tmp_path: Path) -> None:
    project = read(EXAMPLE)
    web = replace(project.services["web"], deploy=None)
    with pytest.raises(ValueError, match="must be read for a swarm, got one for one machine"):
        synthesized(replace(project, services={"web": web}), tmp_path)
