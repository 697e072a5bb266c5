"""The Docker stack: on the other stack's machine, and only over TLS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cdktf
import pytest
from project_stacks import SETTINGS, environment_of, fixed_identity, settings_of, synthesized
from synthesis import Json, counts, new_app

from constructs_lib.compose.reader import load_project
from main import add_stacks

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = {"address": "http://172.30.18.1:5000", "auth_disabled": True}
"""The sandbox's registry speaks HTTP; elsewhere none does."""

STATE = "data.terraform_remote_state.cross-stack-reference-input-aws"


def cross_stack_output(document: Json) -> str:
    """Return the name of the output that tells other stacks the address."""
    (name,) = (
        n
        for n, output in document["output"].items()
        if n.startswith("cross-stack-output") and output["value"] == "${aws_eip.Address.public_ip}"
    )
    return str(name)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_address_comes_from_the_other_stack(name: str) -> None:
    aws, docker = synthesized(name)["aws"], synthesized(name)["docker"]
    output = cross_stack_output(aws)
    assert aws["output"][output]["value"] == "${aws_eip.Address.public_ip}"
    assert docker["provider"]["docker"] == [
        {
            "host": f"tcp://${{{STATE}.outputs.{output}}}:2376",
            "cert_path": f"/project/.moor/{name}/certificates",
            **({"registry_auth": [PLAIN]} if name == "sandbox" else {}),
        }
    ]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_other_stacks_state_is_read_where_it_is_written(name: str) -> None:
    aws, docker = synthesized(name)["aws"], synthesized(name)["docker"]
    ((kind, written),) = aws["terraform"]["backend"].items()
    read = docker["data"]["terraform_remote_state"]["cross-stack-reference-input-aws"]
    assert read["backend"] == kind
    where = ("path",) if kind == "local" else ("bucket", "key", "region")
    assert [read["config"][key] for key in where] == [written[key] for key in where]
    assert counts(docker)["data.terraform_remote_state"] == 1


@pytest.mark.parametrize("name", SETTINGS)
def test_the_provider_may_be_of_any_version_that_is_known_to_work(name: str) -> None:
    assert synthesized(name)["docker"]["terraform"]["required_providers"] == {
        "docker": {"source": "kreuzwerker/docker", "version": ">= 4.0.0, < 5.0.0"}
    }


def test_the_sandboxs_state_is_an_explicit_path() -> None:
    assert synthesized("sandbox")["docker"]["terraform"]["backend"] == {
        "local": {"path": "/project/.moor/sandbox/state/docker.tfstate"}
    }


def test_productions_state_is_in_s3() -> None:
    backend = synthesized("production")["docker"]["terraform"]["backend"]
    assert backend["s3"]["key"] == "moor/production/docker.tfstate"
    assert backend["s3"]["use_lockfile"] is True


@pytest.mark.parametrize("name", SETTINGS)
def test_an_image_that_is_built_is_built_again_on_another_machine(name: str) -> None:
    aws, docker = synthesized(name)["aws"], synthesized(name)["docker"]
    (step,) = docker["resource"]["terraform_data"].values()
    (machine,) = (
        n
        for n, output in aws["output"].items()
        if output["value"] == "${aws_instance.Machine.id}" and n.startswith("cross-stack-output")
    )
    assert step["triggers_replace"]["machine"] == f"${{{STATE}.outputs.{machine}}}"
    assert sorted(step["triggers_replace"]) == sorted(
        [
            f"base {_registry(name)}/busybox:1.36",
            "argument BASE_IMAGE",
            "context",
            "dockerfile",
            "machine",
            "options",
        ]
    )


def _elastic_image(name: str) -> str:
    place = "172301815000" if name == "sandbox" else "dockeriolibrary"
    return f"Compose_Images_{place}elasticsearch8153"


def _registry(name: str) -> str:
    return "172.30.18.1:5000" if name == "sandbox" else "docker.io/library"


# The services of services/compose.yaml

ELASTIC, WEB = "Compose_Services_elastic_1", "Compose_Services_web_1"
NETWORK, VOLUME = "Compose_Networks_default", "Compose_Volumes_elastic-data"


@pytest.mark.parametrize("name", SETTINGS)
def test_it_is_exactly_these_resources(name: str) -> None:
    assert counts(synthesized(name)["docker"]) == {
        "docker_container": 2,
        "docker_image": 2,
        "docker_network": 1,
        "docker_volume": 1,
        "data.docker_registry_image": 2,
        "terraform_data": 1,
        "data.terraform_remote_state": 1,
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_elastic_is_the_recipes(name: str) -> None:
    resources = synthesized(name)["docker"]["resource"]
    elastic = resources["docker_container"][ELASTIC]
    told = {"SERVICE=elastic", "PROJECT=moor", f"ENVIRONMENT={name}"}
    assert told <= set(elastic["env"])
    assert {
        key: elastic[key] for key in ("name", "hostname", "image", "restart", "must_run", "ports")
    } == {
        "name": "moor-elastic-1",
        "hostname": "elastic",
        "image": f"${{docker_image.{_elastic_image(name)}.image_id}}",
        "restart": "no",
        "must_run": True,
        "ports": [{"internal": 9200, "external": 9200, "protocol": "tcp"}],
    }
    assert elastic["networks_advanced"] == [
        {"name": f"${{docker_network.{NETWORK}.id}}", "aliases": ["moor-elastic-1", "elastic"]}
    ]
    assert elastic["volumes"] == [
        {
            "volume_name": f"${{docker_volume.{VOLUME}.id}}",
            "container_path": "/usr/share/elasticsearch/data",
            "read_only": False,
        }
    ]


@pytest.mark.parametrize("name", SETTINGS)
def test_an_image_is_pulled_by_the_digest_that_its_tag_stands_for(name: str) -> None:
    document = synthesized(name)["docker"]
    named = f"{_registry(name)}/elasticsearch"
    tags = document["data"]["docker_registry_image"]
    (tag,) = (key for key, body in tags.items() if body == {"name": f"{named}:8.15.3"})
    image = document["resource"]["docker_image"][_elastic_image(name)]
    assert image == {
        "name": f"{named}@${{data.docker_registry_image.{tag}.sha256_digest}}",
        "keep_locally": True,
        "lifecycle": {"create_before_destroy": True},
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_the_web_page_is_provisioned_into_an_image_that_is_built(name: str) -> None:
    resources = synthesized(name)["docker"]["resource"]
    web = resources["docker_container"][WEB]
    assert web["image"] == "${docker_image.Compose_Images_Built_webimage_Image.image_id}"
    assert [upload["file"] for upload in web["upload"]] == ["/www/index.html"]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_outputs(name: str) -> None:
    aws, docker = synthesized(name)["aws"], synthesized(name)["docker"]
    address = f"${{{STATE}.outputs.{cross_stack_output(aws)}}}"
    assert {key: output["value"] for key, output in docker["output"].items()} == {
        "elastic_url": f"http://{address}:9200/",
        "web_url": f"http://{address}:80/",
    }


def test_every_service_has_an_output_whose_name_terraform_takes(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    services = "".join(
        f"  '{name}': {{image: x, ports: ['{port}:80']}}\n"
        for name, port in (("1st", 80), ("a.b", 9200), ("ab", 9201))
    )
    file.write_text(f"services:\n{services}")
    environment, settings = environment_of("production"), settings_of("production")
    stack = add_stacks(
        new_app(),
        environment=environment,
        settings=settings,
        identity=fixed_identity(environment, settings),
        services=load_project([file], name="moor"),
    )[1]
    stack.prepare_stack()
    # With its hashes, by which alone the two services' resources differ.
    outputs = json.loads(cdktf.Testing.synth(stack, run_validations=True))["output"]
    assert {name: output["value"].rpartition(":")[2] for name, output in outputs.items()} == {
        "_1st_url": "80/",
        "a_b_url": "9200/",
        "ab_url": "9201/",
    }
