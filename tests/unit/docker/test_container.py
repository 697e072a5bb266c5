"""Containers, networks and volumes: every field, and the order that references give."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import pytest
from cdktf import TerraformOutput, TerraformStack
from hypothesis import given
from hypothesis import strategies as st
from synthesis import Json, counts, new_stack, only, synth_of

from constructs_lib.docker.container import (
    Container,
    ContainerSpec,
    FileUpload,
    PublishedPort,
    VolumeMount,
)
from constructs_lib.docker.image import PulledImage
from constructs_lib.docker.network import Network
from constructs_lib.docker.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def container(specify: Callable[[TerraformStack], ContainerSpec]) -> Json:
    def define(stack: TerraformStack) -> None:
        made = Container(
            stack,
            "Web",
            image=PulledImage(stack, "Image", name="nginx:1.27"),
            spec=specify(stack),
        )
        TerraformOutput(stack, "id", value=made.id)
        TerraformOutput(stack, "name", value=made.name)

    return synth_of(define)


def test_a_network() -> None:
    document = synth_of(lambda s: TerraformOutput(s, "n", value=Network(s, "N", name="moor").name))
    assert document["resource"] == {"docker_network": {"N": {"name": "moor"}}}
    assert document["output"]["n"]["value"] == "${docker_network.N.name}"


def test_a_volume() -> None:
    document = synth_of(lambda s: TerraformOutput(s, "v", value=Volume(s, "V", name="data").name))
    assert document["resource"] == {"docker_volume": {"V": {"name": "data"}}}
    assert document["output"]["v"]["value"] == "${docker_volume.V.name}"


def test_the_default_path() -> None:
    document = container(lambda _: ContainerSpec(name="web"))
    assert counts(document) == {"docker_container": 1, "docker_image": 1}
    assert document["resource"]["docker_container"] == {
        "Web": {
            "name": "web",
            "image": "${docker_image.Image.image_id}",
            "restart": "no",
            "must_run": True,
        }
    }
    assert document["output"]["id"]["value"] == "${docker_container.Web.id}"
    assert document["output"]["name"]["value"] == "${docker_container.Web.name}"


def test_every_field(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text("hello\n", encoding="utf-8")

    def specify(stack: TerraformStack) -> ContainerSpec:
        return ContainerSpec(
            name="web",
            hostname="web.internal",
            environment={"SERVICE": "web", "EMPTY": "", "EQUALS": "a=b"},
            networks=[Network(stack, "Inner", name="inner"), Network(stack, "Outer", name="outer")],
            aliases=["www"],
            ports=[
                PublishedPort(container=8080, host=80),
                PublishedPort(container=53, host=53, protocol="udp"),
            ],
            volumes=[
                VolumeMount(volume=Volume(stack, "Data", name="data"), path="/data"),
                VolumeMount(volume=Volume(stack, "Seed", name="seed"), path="/s", read_only=True),
            ],
            files=[FileUpload(source=page, path="/www/index.html")],
            restart="unless-stopped",
            must_run=False,
        )

    document = container(specify)
    assert counts(document) == {
        "docker_container": 1,
        "docker_image": 1,
        "docker_network": 2,
        "docker_volume": 2,
    }
    found = only(document, "docker_container")
    digest = found["upload"][0]["source_hash"]
    assert re.fullmatch(r"[0-9A-F]{32}", digest)
    assert found == {
        "name": "web",
        "image": "${docker_image.Image.image_id}",
        "hostname": "web.internal",
        "env": ["EMPTY=", "EQUALS=a=b", "SERVICE=web"],
        "networks_advanced": [
            {"name": "${docker_network.Inner.name}", "aliases": ["www"]},
            {"name": "${docker_network.Outer.name}", "aliases": ["www"]},
        ],
        "ports": [
            {"internal": 8080, "external": 80, "protocol": "tcp"},
            {"internal": 53, "external": 53, "protocol": "udp"},
        ],
        "volumes": [
            {
                "volume_name": "${docker_volume.Data.name}",
                "container_path": "/data",
                "read_only": False,
            },
            {
                "volume_name": "${docker_volume.Seed.name}",
                "container_path": "/s",
                "read_only": True,
            },
        ],
        "upload": [
            {
                "file": "/www/index.html",
                "source": f"assets/Web_Files_--www--indexhtml/{digest}/index.html",
                "source_hash": digest,
            }
        ],
        "restart": "unless-stopped",
        "must_run": False,
    }


def test_a_changed_file_shows_and_its_content_does_not(tmp_path: Path) -> None:
    page = tmp_path / "index.html"

    def upload(text: str) -> Json:
        page.write_text(text, encoding="utf-8")
        document = container(
            lambda _: ContainerSpec(name="web", files=[FileUpload(source=page, path="/p")])
        )
        assert text not in str(document)
        found: Json = only(document, "docker_container")["upload"][0]
        return found

    first, again, changed = upload("one-text"), upload("one-text"), upload("another-text")
    assert first == again
    assert first["source_hash"] != changed["source_hash"]


def test_a_container_fails_when_a_host_port_is_published_twice() -> None:
    stack = new_stack()
    spec = ContainerSpec(
        name="web",
        ports=[PublishedPort(container=80, host=80), PublishedPort(container=8080, host=80)],
    )
    image = PulledImage(stack, "Image", name="nginx:1.27")
    with pytest.raises(ValueError, match="ports") as caught:
        Container(stack, "Web", image=image, spec=spec)
    assert str(caught.value) == (
        "container web: ports: must publish each host port once, got 80/tcp, 80/tcp"
    )
    assert stack.node.try_find_child("Web") is None, "nothing half-built stays in the tree"


def test_one_number_may_be_published_for_both_protocols() -> None:
    ports = [
        PublishedPort(container=53, host=53),
        PublishedPort(container=53, host=53, protocol="udp"),
    ]
    found = only(container(lambda _: ContainerSpec(name="dns", ports=ports)), "docker_container")
    assert [p["protocol"] for p in found["ports"]] == ["tcp", "udp"]


@given(inside=st.integers(-10, 70000), outside=st.integers(-10, 70000))
def test_a_published_port_is_made_when_and_only_when_both_are_in_range(
    inside: int, outside: int
) -> None:
    if 1 <= inside <= 65535 and 1 <= outside <= 65535:
        assert PublishedPort(container=inside, host=outside).host == outside
    else:
        with pytest.raises(ValueError, match=r"^published port: (container|host): must be in "):
            PublishedPort(container=inside, host=outside)


@pytest.mark.parametrize(
    ("inside", "outside", "message"),
    [
        (0, 80, "published port: container: must be in 1..65535, got 0"),
        (80, 70000, "published port: host: must be in 1..65535, got 70000"),
    ],
)
def test_a_published_port_fails_when_a_port_is_out_of_range(
    inside: int, outside: int, message: str
) -> None:
    with pytest.raises(ValueError, match="port") as caught:
        PublishedPort(container=inside, host=outside)
    assert str(caught.value) == message


def test_a_mount_fails_when_the_path_is_relative() -> None:
    volume = cast("Volume", object())
    with pytest.raises(ValueError, match="path") as caught:
        VolumeMount(volume=volume, path="data")
    assert str(caught.value) == (
        "volume mount: path: must be absolute in the container, got 'data'"
    )


def test_an_upload_fails_when_the_path_is_relative(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.touch()
    with pytest.raises(ValueError, match="path") as caught:
        FileUpload(source=file, path="www/f")
    assert str(caught.value) == (
        "file upload: path: must be absolute in the container, got 'www/f'"
    )


def test_an_upload_fails_when_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="source") as caught:
        FileUpload(source=tmp_path, path="/f")
    assert str(caught.value) == f"file upload: source: must be a file, got {tmp_path}"
