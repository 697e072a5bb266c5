"""User data: the text as a whole, and what comes back when it is loaded."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.host.cloud_config import (
    USER_DATA_LIMIT,
    CloudConfig,
    DropIn,
    File,
    Unit,
    UserDataTooLargeError,
)


def loaded(config: CloudConfig) -> dict[str, Any]:
    text = config.render()
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    assert isinstance(data, dict)
    return data


def test_the_text_of_everything() -> None:
    config = CloudConfig()
    config.set_hostname("moor")
    config.add_file("/etc/motd", "Hello\n\n  there\n", permissions="0600", owner="core:core")
    config.add_file("/etc/one-line", "off")
    config.add_unit(
        "hello.service",
        content="[Service]\nExecStart=/bin/echo 'it: #works'\n",
        command="start",
        enable=True,
        runtime=True,
    )
    config.add_unit(
        "docker.service", drop_ins=[DropIn(name="10-x.conf", content="[Service]\nA=b\n")]
    )
    config.add_unit("old.service", mask=True)
    config.set_update(reboot_strategy="off")
    assert (
        config.render()
        == """\
#cloud-config
hostname: "moor"
write_files:
- path: "/etc/motd"
  permissions: "0600"
  owner: "core:core"
  content: |
    Hello

      there
- path: "/etc/one-line"
  permissions: "0644"
  owner: "root"
  content: "off"
- path: "/etc/flatcar/update.conf"
  permissions: "0644"
  owner: "root"
  content: |
    REBOOT_STRATEGY=off
coreos:
  units:
  - name: "hello.service"
    enable: true
    runtime: true
    command: "start"
    content: |
      [Service]
      ExecStart=/bin/echo 'it: #works'
  - name: "docker.service"
    drop_ins:
    - name: "10-x.conf"
      content: |
        [Service]
        A=b
  - name: "old.service"
    mask: true
"""
    )


def test_nothing_is_an_empty_mapping() -> None:
    assert CloudConfig().render() == "#cloud-config\n{}\n"
    assert loaded(CloudConfig()) == {}


def test_the_collections_are_copies() -> None:
    config = CloudConfig()
    config.add_file("/a", "x")
    config.add_unit("a.service", enable=True)
    assert config.files == (File(path="/a", content="x"),)
    assert config.units == (Unit(name="a.service", enable=True),)


@pytest.mark.parametrize(
    "value",
    ["off", "yes", "~", "null", "0644", "0o17", "03:00", "1_000", "1e3", ".inf", "<<", "=", "",
     " ", "# no comment", "- item", "a: b", "'", '"', "\\", "%", "@", "`", "&a", "*a", "!x", "|",
     "---", "...", "{{x}}", "\t", "a\r\nb", "a\rb", "line \n", "\n", "\n\n", " \n", "\n x",
     "  x\ny",
     "\t\n", "a\n\n\n", "a\u2028b", "a\u2029\nb", "é\n☃\n", "😀\n", "---\nx\n", "...\n",
     "#cloud-config\n", "a\n" * 3 + " "],
)  # fmt: skip
def test_awkward_text_comes_back_equal(value: str) -> None:
    config = CloudConfig()
    config.add_file("/f", value)
    config.add_unit("u.service", drop_ins=[DropIn(name="d.conf", content=f"[X]\n{value}")])
    data = loaded(config)
    assert data["write_files"][0]["content"] == value
    assert data["coreos"]["units"][0]["drop_ins"][0]["content"] == f"[X]\n{value}"


def belongs(value: str) -> bool:
    """Tell whether a text holds neither a key nor a variable; Hypothesis tries both."""
    return not any(word in value for word in ("PRIVATE KEY", "_ipv4", "_ipv6"))


TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from(" \t\n\r:#-'\"\\|>&*!%@`{}[],?~"),
        st.characters(exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\ufeff"),
    ),
    max_size=60,
).filter(belongs)


@given(TEXT)
def test_any_text_comes_back_equal(value: str) -> None:
    config = CloudConfig()
    config.add_file("/f", value)
    if value.strip():
        config.add_unit("u.service", content=value)
    data = loaded(config)
    assert data["write_files"][0]["content"] == value
    if value.strip():
        assert data["coreos"]["units"][0]["content"] == value


@given(st.text(max_size=30).filter(belongs))
def test_any_text_is_written_or_refused(value: str) -> None:
    refused = any(
        (unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r") or c in "\ufeff\ufffe\uffff"
        for c in value
    )
    if refused:
        with pytest.raises(ValueError, match="control characters"):
            File(path="/f", content=value)
    else:
        config = CloudConfig()
        config.add_file("/f", value)
        assert loaded(config)["write_files"][0]["content"] == value


@pytest.mark.parametrize(
    "character", ["\0", "\a", "\x1b", "\x7f", "\x85", "\ufeff", "\uffff", "\ud800"]
)
def test_fails_when_there_is_a_control_character(character: str) -> None:
    with pytest.raises(ValueError, match="control") as error:
        File(path="/f", content=f"ab{character}")
    assert str(error.value) == (
        "file /f: content: must have no control characters, "
        f"got U+{ord(character):04X} at position 2"
    )


def test_keys_are_the_ones_that_flatcar_reads() -> None:
    config = CloudConfig()
    config.add_unit(
        "a.service",
        content="[Service]\n",
        enable=True,
        runtime=True,
        command="start",
        drop_ins=[DropIn(name="b.conf", content="[Service]\n")],
    )
    config.add_file("/f", "x")
    text = config.render()
    keys = {
        line.strip().removeprefix("- ").split(":")[0] for line in text.splitlines() if ":" in line
    }
    assert keys == {
        "write_files", "path", "permissions", "owner", "content",
        "coreos", "units", "name", "enable", "runtime", "command", "drop_ins",
    }  # fmt: skip
    assert not any("-" in key for key in keys)


# Size


def test_the_largest_text_fits() -> None:
    config = CloudConfig()
    config.add_file("/f", "")
    room = USER_DATA_LIMIT - len(config.render())
    config = CloudConfig()
    config.add_file("/f", "x" * room)
    assert len(config.render()) == USER_DATA_LIMIT


@pytest.mark.parametrize("character", ["x", "é"])
def test_fails_when_it_is_too_large(character: str) -> None:
    config = CloudConfig()
    config.add_file("/f", "")
    overhead = len(config.render())
    config = CloudConfig()
    config.add_file("/f", character * USER_DATA_LIMIT)
    size = overhead + len(character.encode()) * USER_DATA_LIMIT
    with pytest.raises(UserDataTooLargeError) as error:
        config.render()
    assert error.value.size == size
    assert str(error.value) == (
        f"user data: size: must be at most 16384 bytes, got {size}; "
        "move files out of user data and upload them after the boot"
    )


# What does not belong in it


@pytest.mark.parametrize("kind", ["", "EC ", "RSA ", "OPENSSH ", "ENCRYPTED "])
def test_fails_when_it_holds_a_private_key(kind: str) -> None:
    pem = f"-----BEGIN {kind}PRIVATE KEY-----\nc2VjcmV0\n"
    advice = (
        "must hold no private key, got one; user data can be read by everything on the machine, "
        "so upload the key after the boot"
    )
    with pytest.raises(ValueError, match="private key") as error:
        File(path="/f", content=pem)
    assert str(error.value) == f"file /f: content: {advice}"
    with pytest.raises(ValueError, match="private key") as error:
        Unit(name="a.service", content=pem)
    assert str(error.value) == f"unit a.service: content: {advice}"
    with pytest.raises(ValueError, match="private key") as error:
        DropIn(name="a.conf", content=pem)
    assert str(error.value) == f"drop-in a.conf: content: {advice}"


@pytest.mark.parametrize("name", ["public_ipv4", "private_ipv4", "public_ipv6", "private_ipv6"])
def test_fails_when_it_holds_what_would_be_replaced(name: str) -> None:
    with pytest.raises(ValueError, match="replaces") as error:
        File(path="/f", content=f"echo ${name}")
    assert str(error.value) == (
        f"file /f: content: must not hold ${name}, which coreos-cloudinit replaces; "
        f"write ${{{name}}} or another name"
    )
    File(path="/f", content=f"echo ${{{name}}}")


# Fields


@pytest.mark.parametrize("path", ["", "etc/x", "/etc/../x", "/etc//x", "/etc/", "/", "//x", "./x"])
def test_file_fails_when_the_path_is_not_absolute(path: str) -> None:
    with pytest.raises(ValueError, match="path") as error:
        File(path=path, content="")
    assert str(error.value) == f"file: path: must be absolute and plain, got {path!r}"


@pytest.mark.parametrize("permissions", ["", "644 ", "0o644", "0888", "rw-r--r--", "64", "000644"])
def test_file_fails_when_permissions_are_not_octal(permissions: str) -> None:
    with pytest.raises(ValueError, match="permissions") as error:
        File(path="/f", content="", permissions=permissions)
    assert str(error.value) == (
        f"file /f: permissions: must be octal digits such as 0644, got {permissions!r}"
    )


@pytest.mark.parametrize("owner", ["", "root:", ":root", "root; reboot", "Root", "a b"])
def test_file_fails_when_the_owner_is_no_user(owner: str) -> None:
    with pytest.raises(ValueError, match="owner") as error:
        File(path="/f", content="", owner=owner)
    assert str(error.value) == f"file /f: owner: must be user or user:group, got {owner!r}"


@pytest.mark.parametrize(
    "name", ["", "docker", "docker.conf", "a/b.service", "a b.service", "x.SERVICE"]
)
def test_unit_fails_when_the_name_is_no_units(name: str) -> None:
    with pytest.raises(ValueError, match="name") as error:
        Unit(name=name)
    assert str(error.value) == (
        f"unit: name: must be a unit's name with its suffix, such as docker.service, got {name!r}"
    )


def test_unit_accepts_the_names_of_instances() -> None:
    assert Unit(name="getty@tty1.service").name == "getty@tty1.service"
    assert Unit(name=r"dev-disk\x2duuid.mount").name == r"dev-disk\x2duuid.mount"


def test_unit_fails_when_the_command_is_unknown() -> None:
    with pytest.raises(ValueError, match="command") as error:
        Unit(name="a.service", command="enable")
    assert str(error.value) == (
        "unit a.service: command: must be one of start, stop, restart, reload, try-restart, "
        "reload-or-restart, reload-or-try-restart, got 'enable'"
    )


@pytest.mark.parametrize("content", ["", " \n"])
def test_unit_fails_when_content_is_empty(content: str) -> None:
    advice = f"must not be empty, got {content!r}; coreos-cloudinit skips it"
    with pytest.raises(ValueError, match="empty") as error:
        Unit(name="a.service", content=content)
    assert str(error.value) == f"unit a.service: content: {advice}"
    with pytest.raises(ValueError, match="empty") as error:
        DropIn(name="a.conf", content=content)
    assert str(error.value) == f"drop-in a.conf: content: {advice}"


def test_unit_fails_when_it_is_masked_and_enabled() -> None:
    message = "unit a.service: must not be masked and have content or be enabled, got both"
    with pytest.raises(ValueError, match="masked") as error:
        Unit(name="a.service", mask=True, enable=True)
    assert str(error.value) == message
    with pytest.raises(ValueError, match="masked") as error:
        Unit(name="a.service", mask=True, content="[Service]\n")
    assert str(error.value) == message


def test_unit_fails_when_a_network_unit_is_started() -> None:
    assert Unit(name="10-a.network", content="[Match]\n").command is None
    for unit in ({"enable": True}, {"command": "start"}):
        with pytest.raises(ValueError, match="network") as error:
            Unit(name="10-a.network", **unit)
        assert str(error.value) == (
            "unit 10-a.network: must have neither enable nor command, got one; "
            "coreos-cloudinit ignores them for network units"
        )


@pytest.mark.parametrize("name", ["", "a", "a.service", "a/b.conf", "../a.conf", "a b.conf"])
def test_drop_in_fails_when_the_name_is_not_a_conf_file(name: str) -> None:
    with pytest.raises(ValueError, match="name") as error:
        DropIn(name=name, content="[Service]\n")
    assert (
        str(error.value) == f"drop-in: name: must be a file name that ends in .conf, got {name!r}"
    )


def test_fails_when_a_name_comes_twice() -> None:
    config = CloudConfig()
    config.add_file("/f", "")
    with pytest.raises(ValueError, match="twice") as error:
        config.add_file("/f", "x")
    assert str(error.value) == "cloud-config: files: must have different names, got /f twice"
    config.add_unit("a.service", enable=True)
    with pytest.raises(ValueError, match="twice") as error:
        config.add_unit("a.service")
    assert str(error.value) == "cloud-config: units: must have different names, got a.service twice"
    twice = [DropIn(name="a.conf", content="[X]\n")] * 2
    with pytest.raises(ValueError, match="twice") as error:
        config.add_unit("b.service", drop_ins=twice)
    assert (
        str(error.value) == "unit b.service: drop_ins: must have different names, got a.conf twice"
    )
    # Nothing of what failed was added.
    assert len(config.files) == 1
    assert len(config.units) == 1


@pytest.mark.parametrize("hostname", ["", "-a", "a-", "A", "a.b", "a" * 64])
def test_fails_when_the_hostname_is_none(hostname: str) -> None:
    with pytest.raises(ValueError, match="hostname") as error:
        CloudConfig().set_hostname(hostname)
    assert str(error.value) == (
        "cloud-config: hostname: must be 1 to 63 lower-case letters, digits and hyphens, "
        f"got {hostname!r}"
    )


# Updates


@pytest.mark.parametrize("strategy", ["reboot", "etcd-lock", "off"])
def test_an_update_strategy_is_a_line_of_update_conf(strategy: str) -> None:
    config = CloudConfig()
    config.set_update(reboot_strategy=strategy)
    assert config.files == (
        File(path="/etc/flatcar/update.conf", content=f"REBOOT_STRATEGY={strategy}\n"),
    )


def test_a_window_is_quoted() -> None:
    config = CloudConfig()
    config.set_update(reboot_strategy="reboot", window_start="Sun 04:00", window_length="1h30m")
    assert config.files[0].content == (
        "REBOOT_STRATEGY=reboot\n"
        'LOCKSMITHD_REBOOT_WINDOW_START="Sun 04:00"\n'
        'LOCKSMITHD_REBOOT_WINDOW_LENGTH="1h30m"\n'
    )


def test_fails_when_the_strategy_is_unknown() -> None:
    with pytest.raises(ValueError, match="strategy") as error:
        CloudConfig().set_update(reboot_strategy="best-effort")
    assert str(error.value) == (
        "updates: reboot_strategy: must be one of reboot, etcd-lock, off, got 'best-effort'"
    )


@pytest.mark.parametrize("window", [("04:00", None), (None, "1h")])
def test_fails_when_the_window_is_half(window: tuple[str | None, str | None]) -> None:
    with pytest.raises(ValueError, match="window") as error:
        CloudConfig().set_update(
            reboot_strategy="reboot", window_start=window[0], window_length=window[1]
        )
    assert str(error.value) == (
        "updates: window_start and window_length: must be given together, got one"
    )


@pytest.mark.parametrize("start", ["", "24:00", "4:00", "Sunday 04:00", "sun 04:00", '04:00"\nX=1'])
def test_fails_when_the_window_start_is_no_time(start: str) -> None:
    with pytest.raises(ValueError, match="window_start") as error:
        CloudConfig().set_update(reboot_strategy="reboot", window_start=start, window_length="1h")
    assert str(error.value) == (
        f"updates: window_start: must be a time such as Sun 04:00 or 04:00, got {start!r}"
    )


@pytest.mark.parametrize("length", ["", "1", "h", "30s", "1m1h", "-1h"])
def test_fails_when_the_window_length_is_no_duration(length: str) -> None:
    with pytest.raises(ValueError, match="window_length") as error:
        CloudConfig().set_update(
            reboot_strategy="reboot", window_start="04:00", window_length=length
        )
    assert str(error.value) == (
        f"updates: window_length: must be hours and minutes such as 1h30m, got {length!r}"
    )
