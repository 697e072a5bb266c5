"""Containers: every field, and the order that references give."""

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
    NetworkAttachment,
    PublishedPort,
    VolumeMount,
)
from constructs_lib.docker.container_options import ContainerOptions
from constructs_lib.docker.image import PulledImage
from constructs_lib.docker.network import ExternalNetwork, Network
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
            attachments=[
                NetworkAttachment(network=Network(stack, "Inner", name="inner"), aliases=["www"]),
                NetworkAttachment(network=Network(stack, "Outer", name="outer")),
            ],
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
            {"name": "${docker_network.Inner.id}", "aliases": ["www"]},
            {"name": "${docker_network.Outer.id}"},
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


def test_every_field_that_the_bindings_know_in_part(tmp_path: Path) -> None:
    secret = tmp_path / "secret"

    def specify(stack: TerraformStack) -> ContainerSpec:
        data = Volume(stack, "Data", name="data")
        return ContainerSpec(
            name="web",
            environment={"GONE": None},
            attachments=[
                NetworkAttachment(
                    network=Network(stack, "Inner", name="inner"),
                    aliases=["www"],
                    ipv4_address="198.51.100.3",
                    ipv6_address="2001:db8::3",
                    link_local_ips=["169.254.1.1"],
                    mac_address="02:00:00:00:00:01",
                    driver_opts={"b": "2", "a": "1"},
                    gateway_priority=5,
                ),
                NetworkAttachment(network=ExternalNetwork(name="theirs")),
            ],
            ports=[
                PublishedPort(container=80, host=None),
                PublishedPort(container=53, host=53, protocol="sctp", address="127.0.0.1"),
            ],
            volumes=[
                VolumeMount(volume=data, path="/plain"),
                VolumeMount(volume=data, path="/labelled", selinux="Z"),
                VolumeMount(volume=data, path="/kept", no_copy=True),
                VolumeMount(volume=data, path="/part", subpath="sub", read_only=True),
            ],
            files=[
                FileUpload(source=secret, path="/s", digest="keyed", mode="0400", uid="5", gid="6"),
                FileUpload(source=secret, path="/t", digest="keyed", gid="6"),
            ],
            options=ContainerOptions(anonymous_volumes=("/own",)),
        )

    assert only(container(specify), "docker_container") == {
        "name": "web",
        "image": "${docker_image.Image.image_id}",
        "restart": "no",
        "must_run": True,
        "env": ["GONE"],
        "networks_advanced": [
            {
                "name": "${docker_network.Inner.id}",
                "aliases": ["www"],
                "ipv4_address": "198.51.100.3",
                "ipv6_address": "2001:db8::3",
                "link_local_ips": ["169.254.1.1"],
                "mac_address": "02:00:00:00:00:01",
                "driver_opts": ["a=1", "b=2"],
                "gw_priority": 5,
            },
            {"name": "theirs"},
        ],
        "ports": [
            {"internal": 80, "protocol": "tcp"},
            {"internal": 53, "external": 53, "protocol": "sctp", "ip": "127.0.0.1"},
        ],
        "volumes": [
            {
                "volume_name": "${docker_volume.Data.name}",
                "container_path": "/plain",
                "read_only": False,
            },
            {
                "volume_name": "${docker_volume.Data.name}",
                "container_path": "/labelled",
                "read_only": False,
                "selinux_relabel": "Z",
            },
            {"container_path": "/own"},
        ],
        "mounts": [
            {
                "type": "volume",
                "source": "${docker_volume.Data.name}",
                "target": "/kept",
                "read_only": False,
                "volume_options": {"no_copy": True},
            },
            {
                "type": "volume",
                "source": "${docker_volume.Data.name}",
                "target": "/part",
                "read_only": True,
                "volume_options": {"no_copy": False, "subpath": "sub"},
            },
        ],
        "upload": [
            {
                "file": "/s",
                "source": str(secret),
                "source_hash": "keyed",
                "permissions": "0400",
                "owner": "5",
                "group": "6",
            },
            {
                "file": "/t",
                "source": str(secret),
                "source_hash": "keyed",
                "owner": "0",
                "group": "6",
            },
        ],
    }


def test_paths_that_differ_only_in_how_cdktf_spells_them_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    (tmp_path / "y").write_text("y")
    files = [
        FileUpload(source=tmp_path / "x", path="/a/b"),
        FileUpload(source=tmp_path / "y", path="/a--b"),
    ]

    def define(stack: TerraformStack) -> None:
        image = PulledImage(stack, "Image", name="nginx:1.27")
        Container(stack, "Web", image=image, spec=ContainerSpec(name="web", files=files))

    first, second = synth_of(define)["resource"]["docker_container"]["Web"]["upload"]
    assert (first["file"], second["file"]) == ("/a/b", "/a--b")
    assert first["source"] != second["source"]


def test_a_container_is_replaced_with_others() -> None:
    def define(stack: TerraformStack) -> None:
        image = PulledImage(stack, "Image", name="nginx:1.27")
        first = Container(stack, "First", image=image, spec=ContainerSpec(name="first"))
        Container(
            stack,
            "Second",
            image=image,
            spec=ContainerSpec(name="second", options=ContainerOptions(platform="linux/arm64")),
            depends_on=[first.resource],
            replaced_with=[first.resource],
        )

    second = synth_of(define)["resource"]["docker_container"]["Second"]
    assert (second["depends_on"], second["lifecycle"]) == (
        ["docker_container.First"],
        {"ignore_changes": ["platform"], "replace_triggered_by": ["docker_container.First.id"]},
    )


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
    assert "lifecycle" not in found


@pytest.mark.parametrize(
    ("ports", "ignored"),
    [
        ([PublishedPort(container=80, host=None), PublishedPort(container=81, host=None)], None),
        # The provider may read these back in another order.
        ([PublishedPort(container=80, host=80), PublishedPort(container=80, host=81)], ["ports"]),
        (
            [
                PublishedPort(container=80, host=80),
                PublishedPort(container=80, host=80, address="::"),
            ],
            ["ports"],
        ),
        (
            [
                PublishedPort(container=53, host=None),
                PublishedPort(container=53, host=None, protocol="udp"),
            ],
            ["ports"],
        ),
    ],
)
def test_an_order_that_the_provider_loses_is_no_change(
    ports: list[PublishedPort], ignored: list[str] | None
) -> None:
    document = container(
        lambda _: ContainerSpec(
            name="web", ports=ports, options=ContainerOptions(platform="linux/amd64")
        )
    )
    found = only(document, "docker_container")
    assert found["lifecycle"]["ignore_changes"] == ["platform", *(ignored or ())]
    assert [p.get("ip") for p in found["ports"]] == [p.address for p in ports]


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
