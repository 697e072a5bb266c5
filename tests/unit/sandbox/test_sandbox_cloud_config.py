"""The machines' reader of user data."""

from __future__ import annotations

import base64
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from user_data_sample import EVERYTHING

from sandbox.machines.machine_image.cloud_config import (
    CloudConfig,
    DropIn,
    Unit,
    User,
    UserDataError,
    WrittenFile,
    decode,
    read_cloud_config,
    substitute_addresses,
)


def test_every_key_that_flatcar_knows_is_read() -> None:
    assert read_cloud_config(EVERYTHING) == CloudConfig(
        hostname="box",
        authorized_keys=("ssh-ed25519 AAAA one",),
        files=(
            WrittenFile(path="/etc/a", content=b"hello\n", permissions=0o640, owner="core:core"),
            WrittenFile(path="/etc/b", content=b"packed"),
        ),
        units=(
            Unit(
                name="docker.service",
                enable=True,
                drop_ins=(DropIn(name="10-tls.conf", content="[Service]\n"),),
            ),
            Unit(
                name="job.service",
                runtime=True,
                command="start",
                content="[Service]\nExecStart=/bin/true\n",
            ),
        ),
        users=(User(name="alice", groups=("docker",), authorized_keys=("ssh-ed25519 BBBB two",)),),
        update=(("REBOOT_STRATEGY", "off"), ("GROUP", "beta")),
    )


def test_the_old_spelling_of_drop_ins_is_ignored_and_named() -> None:
    config = read_cloud_config(
        "#cloud-config\n"
        "coreos:\n"
        "  update: {reboot-strategy: 'off'}\n"
        "  units:\n"
        "    - name: docker.service\n"
        "      drop-ins: [{name: a.conf, content: '[Service]'}]\n"
        "packages: [curl]\n"
    )
    assert config.units == (Unit(name="docker.service"),)
    assert config.update == ()
    assert sorted(config.ignored) == [
        "coreos.units[].drop-ins",
        "coreos.update.reboot-strategy",
        "packages",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "hostname: box\n",
            "user data: first line must be #cloud-config, got 'hostname: box\\n'",
        ),
        (
            "#cloud-config\n- a\n",
            "user data: document: must be a mapping, got a list",
        ),
        (
            "#cloud-config\nwrite_files: {path: /a}\n",
            "user data: write_files: must be a list, got a mapping",
        ),
        (
            "#cloud-config\nwrite_files: [{content: a}]\n",
            "user data: write_files[].path: must be given",
        ),
        (
            "#cloud-config\nwrite_files: [{path: /a, permissions: '888'}]\n",
            "user data: /a: permissions: must be octal such as 0644, got '888'",
        ),
        (
            "#cloud-config\nwrite_files: [{path: /a, encoding: rot13}]\n",
            "user data: /a: encoding: must be base64, gzip or gzip+base64, got 'rot13'",
        ),
        (
            "#cloud-config\ncoreos: {units: [{name: a.service, enable: maybe}]}\n",
            "user data: a.service.enable: must be true or false, got 'maybe'",
        ),
        (
            "#cloud-config\ncoreos: {units: [{name: a.service, content: [x]}]}\n",
            "user data: a.service.content: must be text, got a list",
        ),
    ],
)
def test_reading_fails_when_something_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UserDataError) as caught:
        read_cloud_config(text)
    assert str(caught.value) == message


def test_reading_fails_when_it_is_no_yaml() -> None:
    with pytest.raises(UserDataError, match=r"^user data: must be YAML: "):
        read_cloud_config("#cloud-config\na: [1\n")


def test_reading_fails_when_a_command_is_unknown() -> None:
    text = "#cloud-config\ncoreos: {units: [{name: a.service, command: explode}]}\n"
    with pytest.raises(UserDataError, match=r"a\.service: command: .* got 'explode'$"):
        read_cloud_config(text)


def test_gzip_is_unpacked() -> None:
    assert decode(gzip.compress(b"#cloud-config\n")) == "#cloud-config\n"
    assert decode(b"#cloud-config\n") == "#cloud-config\n"


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\x1f\x8bbroken"])
def test_decoding_fails_when_it_is_neither_text_nor_gzip(data: bytes) -> None:
    with pytest.raises(UserDataError, match=r"^user data: must be text or gzip of text"):
        decode(data)


@given(st.binary(max_size=2000))
def test_any_content_survives_base64(content: bytes) -> None:
    packed = base64.b64encode(content).decode()
    text = f'#cloud-config\nwrite_files: [{{path: /a, encoding: b64, content: "{packed}"}}]\n'
    assert read_cloud_config(text).files == (WrittenFile(path="/a", content=content),)


def test_addresses_are_put_in_but_not_behind_a_backslash() -> None:
    text = substitute_addresses(r"a $private_ipv4 b \$private_ipv4 c", {"private_ipv4": "10.0.0.1"})
    assert text == "a 10.0.0.1 b $private_ipv4 c"
