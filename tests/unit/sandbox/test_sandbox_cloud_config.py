"""The machines' reader of user data: that it takes what Flatcar's takes, and as that takes it."""

from __future__ import annotations

import base64
import gzip
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given
from hypothesis import strategies as st
from user_data_sample import EVERYTHING

from sandbox.machines.machine_image.cloud_config import (
    CloudConfig,
    DropIn,
    Part,
    Unit,
    User,
    UserDataError,
    WrittenFile,
    decompressed,
    merged_keys,
    read_cloud_config,
    read_parts,
    substitute_addresses,
)


def test_every_key_that_flatcar_knows_is_read() -> None:
    assert read_cloud_config(EVERYTHING) == CloudConfig(
        hostname="box",
        authorized_keys=("ssh-ed25519 AAAA one",),
        files=(
            WrittenFile(path="/etc/a", content=b"hello\n", permissions="0640", owner="core:core"),
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


# Where a reader that just loads the YAML would differ from Flatcar's


@pytest.mark.parametrize(
    ("permissions", "mode"),
    [
        ("4755", 0o755),
        ("01777", 0o777),
        ("7", 0o007),
        ("-644", 0o7134),
        ("0100644", 0o644),
        ("0o644", None),
        ("888", None),
        ("20000000000", None),
        ("rw", None),
    ],
)
def test_a_mode_is_what_go_makes_of_an_octal_number(permissions: str, mode: int | None) -> None:
    text = f"write_files: [{{path: /a, permissions: {permissions}}}]"
    (file,) = read_cloud_config(text).files
    if mode is not None:
        assert file.mode == mode
        return
    with pytest.raises(UserDataError) as caught:
        _ = file.mode
    assert str(caught.value) == (
        f"user data: /a: permissions: must be octal such as 0644, got {permissions!r}"
    )


@pytest.mark.parametrize(
    ("written", "content"),
    [
        ("content: null", b""),
        ("content: ~", b""),
        ("content:", b""),
        ("content: 'null'", b"null"),
        ("content: 0644", b"0644"),
        ("content: true", b"true"),
        ("content: 1.50", b"1.50"),
        ("content: !!binary aGVsbG8=", b"hello"),
        ("content: !!binary /w==", b"\xff"),
        ('content: "aGVs\\nbG8=", encoding: b64', b"hello"),
    ],
)
def test_what_a_files_content_is(written: str, content: bytes) -> None:
    (file,) = read_cloud_config(f"write_files: [{{path: /a, {written}}}]").files
    assert file.content == content


WHOLE = gzip.compress(b"0123456789" * 500, mtime=0)


@pytest.mark.parametrize(
    ("packed", "content"),
    [
        (WHOLE, b"0123456789" * 500),
        (WHOLE + WHOLE, b"0123456789" * 1000),
        (WHOLE[:-8], b"0123456789" * 500),
        (WHOLE + b"junk", b"0123456789" * 500),
    ],
)
def test_of_broken_gzip_a_file_gets_what_can_be_unpacked(packed: bytes, content: bytes) -> None:
    text = base64.b64encode(packed).decode()
    (file,) = read_cloud_config(
        f"write_files: [{{path: /a, encoding: gz+b64, content: {text}}}]"
    ).files
    assert file.content == content


def test_of_truncated_gzip_a_file_gets_the_beginning() -> None:
    text = base64.b64encode(WHOLE[: len(WHOLE) // 2]).decode()
    (file,) = read_cloud_config(
        f"write_files: [{{path: /a, encoding: gzip+base64, content: {text}}}]"
    ).files
    assert file.content != b"0123456789" * 500
    assert (b"0123456789" * 500).startswith(file.content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hostname: a\nhostname: b\n", "document: must have each key once, got 'hostname' twice"),
        (
            "coreos: {units: [{name: a.service, name: b.service}]}",
            "coreos.units[]: must have each key once, got 'name' twice",
        ),
        (
            'coreos: {units: [{name: a.service, enable: "true"}]}',
            "a.service.enable: must be true or false, unquoted, got 'true'",
        ),
        (
            "coreos: {units: [{name: a.service, enable: maybe}]}",
            "a.service.enable: must be true or false, unquoted, got 'maybe'",
        ),
        (
            "coreos: {units: [{name: a.service, enable: [x]}]}",
            "a.service.enable: must be true or false, unquoted, got a list",
        ),
        ("- a\n", "document: must be a mapping, got a list"),
        ("write_files: {path: /a}\n", "write_files: must be a list, got a mapping"),
        (
            "write_files: [{path: /a, encoding: rot13}]\n",
            "/a: encoding: must be base64, gzip or gzip+base64, got 'rot13'",
        ),
        (
            "write_files: [{path: /a, encoding: gzip, content: plain}]\n",
            "/a: content: must be gzip, got 5 other bytes",
        ),
        (
            "coreos: {units: [{name: a.service, content: [x]}]}\n",
            "a.service.content: must be text, got a list",
        ),
        ("? [a]\n: b\n", "document: must have text for keys, got a list"),
    ],
)
def test_the_whole_document_is_void_when_something_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UserDataError) as caught:
        read_cloud_config(text)
    assert str(caught.value) == f"user data: {message}"


@pytest.mark.parametrize("junk", ["aGVs!bG8=", "aGVsbG8", "aGVsbG8==="])
def test_junk_in_base64_makes_the_document_void(junk: str) -> None:
    text = f"write_files: [{{path: /a, encoding: base64, content: '{junk}'}}]"
    with pytest.raises(UserDataError, match=r"^user data: /a: content: must be base64, got "):
        read_cloud_config(text)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("TRUE", True),
        ("yes", True),
        ('"yes"', True),
        ("y", True),
        ("on", True),
        ("false", False),
        ("'off'", False),
        ("n", False),
        ("null", False),
        ("", False),
    ],
)
def test_what_is_true(written: str, *, value: bool) -> None:
    (unit,) = read_cloud_config(f"coreos: {{units: [{{name: a.service, mask: {written}}}]}}").units
    assert unit.mask is value


def test_merged_keys_stand_behind_a_mappings_own() -> None:
    config = read_cloud_config(
        "write_files:\n"
        "  - &first {path: /a, owner: core, permissions: '0600'}\n"
        "  - &second {owner: nobody, content: two}\n"
        "  - {<<: [*first, *second], path: /b}\n"
        "  - {<<: *first, owner: me}\n"
    )
    assert config.files[2:] == (
        WrittenFile(path="/b", content=b"two", permissions="0600", owner="core"),
        WrittenFile(path="/a", content=b"", permissions="0600", owner="me"),
    )


def test_a_second_document_is_ignored() -> None:
    assert read_cloud_config("hostname: a\n---\nhostname: b\n").hostname == "a"


def test_a_command_that_does_not_exist_is_read() -> None:
    (unit,) = read_cloud_config("coreos: {units: [{name: a.service, command: explode}]}").units
    assert unit.command == "explode"


def test_variables_of_locksmith_are_read() -> None:
    config = read_cloud_config("coreos: {locksmith: {endpoint: http://e, window_start: '04:00'}}")
    assert config.locksmith == (
        ("LOCKSMITHD_ENDPOINT", "http://e"),
        ("REBOOT_WINDOW_START", "04:00"),
    )


def test_every_field_of_a_user_is_read() -> None:
    config = read_cloud_config(
        "users:\n"
        "  - name: bob\n"
        "    passwd: $6$x\n"
        "    gecos: Bob B.\n"
        "    homedir: /srv/bob\n"
        "    no_create_home: true\n"
        "    primary_group: staff\n"
        "    no_user_group: yes\n"
        "    system: true\n"
        "    no_log_init: true\n"
        "    shell: /bin/sh\n"
    )
    assert config.users == (
        User(  # noqa: S604  # a user's shell, not a call's
            name="bob",
            password_hash="$6$x",
            gecos="Bob B.",
            home="/srv/bob",
            no_create_home=True,
            primary_group="staff",
            no_user_group=True,
            system=True,
            no_log_init=True,
            shell="/bin/sh",
        ),
    )


def test_reading_fails_when_it_is_no_yaml() -> None:
    with pytest.raises(UserDataError, match=r"^user data: must be YAML: "):
        read_cloud_config("#cloud-config\na: [1\n")


# Kinds of user data


def kinds(data: bytes) -> list[tuple[str, str]]:
    return [(part.name, part.kind) for part in read_parts(data, {})]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"hostname: box\n", [("userdata.txt", "unknown")]),
        (b"#cloud-config x\n", [("userdata.txt", "unknown")]),
        (b"\xef\xbb\xbf#cloud-config\n", [("userdata.txt", "unknown")]),
        (b"\xff\xfe", [("userdata.txt", "unknown")]),
        (b"just some text", [("userdata.txt", "unknown")]),
        (b'{"ignition": {"version": "3.3.0"}}', [("ignition.json", "ignition")]),
        (b'{"ignitionVersion": 1}', [("ignition.json", "ignition")]),
        (b'{"ignition": {}}', [("userdata.txt", "unknown")]),
        (b"#cloud-config  \r\nhostname: a\n", [("cloud-config.yaml", "cloud-config")]),
        (b"#!/bin/sh\n", [("userdata.sh", "script")]),
    ],
)
def test_what_is_not_for_the_reader_is_ignored(data: bytes, found: list[tuple[str, str]]) -> None:
    assert kinds(data) == found


def test_a_cloud_config_that_is_no_text_is_void() -> None:
    with pytest.raises(UserDataError, match=r"^user data: must be YAML: "):
        read_parts(b"#cloud-config\nhostname: \xff\n", {})


def test_multipart_data_is_read_part_by_part() -> None:
    message = MIMEMultipart()
    for kind, text in (
        ("cloud-config", "hostname: $private_ipv4\n"),
        ("x-shellscript", "#!/bin/sh\necho $private_ipv4\n"),
        ("plain", "#cloud-config\nhostname: b\n"),
        ("plain", "nothing"),
    ):
        item = MIMEText(text, kind)
        item.add_header("Content-Disposition", "attachment", filename=f"{kind}.txt")
        message.attach(item)
    parts = read_parts(message.as_bytes(), {"private_ipv4": "192.0.2.7"})
    assert parts == (
        Part(
            name="cloud-config.txt",
            kind="cloud-config",
            config=CloudConfig(hostname="192.0.2.7"),
        ),
        Part(name="x-shellscript.txt", kind="script", script="#!/bin/sh\necho 192.0.2.7\n"),
        Part(name="cloud-config.yaml", kind="cloud-config", config=CloudConfig(hostname="b")),
        Part(name="userdata.txt", kind="unknown"),
    )


def test_a_part_that_is_not_what_it_says_makes_all_void() -> None:
    message = MIMEMultipart()
    message.attach(MIMEText("echo", "x-shellscript"))
    with pytest.raises(UserDataError, match=r"must be a script, got 'echo'$"):
        read_parts(message.as_bytes(), {})


def test_gzip_is_unpacked() -> None:
    assert decompressed(gzip.compress(b"#cloud-config\n")) == b"#cloud-config\n"
    assert decompressed(b"#cloud-config\n") == b"#cloud-config\n"


@pytest.mark.parametrize("data", [b"\x1f\x8bbroken", WHOLE[:-5]])
def test_unpacking_fails_when_the_gzip_is_broken(data: bytes) -> None:
    with pytest.raises(UserDataError, match=r"^user data: must be whole gzip, got \d+ bytes "):
        decompressed(data)


@given(st.binary(max_size=2000))
def test_any_content_survives_base64(content: bytes) -> None:
    packed = base64.b64encode(content).decode()
    text = f'#cloud-config\nwrite_files: [{{path: /a, encoding: b64, content: "{packed}"}}]\n'
    assert read_cloud_config(text).files == (WrittenFile(path="/a", content=content),)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        (r"a $private_ipv4 b \$private_ipv4 c", "a 10.0.0.1 b $private_ipv4 c"),
        ("$private_ipv4", "10.0.0.1"),
        # An address that the machine has not is nothing.
        ("a $public_ipv4 b $private_ipv6", "a  b "),
        ("$other_ipv4", "$other_ipv4"),
    ],
)
def test_addresses_are_put_in_but_not_behind_a_backslash(text: str, filled: str) -> None:
    assert substitute_addresses(text, {"private_ipv4": "10.0.0.1"}) == filled


def test_keys_of_core_come_from_everywhere() -> None:
    config = read_cloud_config(
        "ssh_authorized_keys: [a]\n"
        "users: [{name: core, ssh_authorized_keys: [b, a]}, {name: x, ssh_authorized_keys: [c]}]\n"
    )
    parts = (Part(name="", kind="cloud-config", config=config), Part(name="", kind="unknown"))
    assert merged_keys(parts, ("d",)) == ("a", "b", "d")
