"""The cloud-config: the text as a whole, and what comes back when it is loaded."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.aws.limits import USER_DATA_LIMIT
from constructs_lib.host.cloud_config import UserDataTooLargeError, render
from constructs_lib.host.machine_config import DropIn, MachineConfig


def with_file(content: str, path: str = "/f") -> MachineConfig:
    config = MachineConfig()
    config.add_file(path, content)
    return config


def loaded(config: MachineConfig) -> dict[str, Any]:
    text = render(config)
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    assert isinstance(data, dict)
    return data


def test_the_text_of_everything() -> None:
    config = MachineConfig()
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
        render(config)
        == """\
#cloud-config
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
    assert render(MachineConfig()) == "#cloud-config\n{}\n"
    assert loaded(MachineConfig()) == {}


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
    config = MachineConfig()
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
    config = MachineConfig()
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
            render(with_file(value))
    else:
        config = MachineConfig()
        config.add_file("/f", value)
        assert loaded(config)["write_files"][0]["content"] == value


@pytest.mark.parametrize(
    "character", ["\0", "\a", "\x1b", "\x7f", "\x85", "\ufeff", "\uffff", "\ud800"]
)
def test_fails_when_there_is_a_control_character(character: str) -> None:
    with pytest.raises(ValueError, match="control") as error:
        render(with_file(f"ab{character}"))
    assert str(error.value) == (
        "file /f: content: must have no control characters, "
        f"got U+{ord(character):04X} at position 2"
    )


def test_keys_are_the_ones_that_flatcar_reads() -> None:
    config = MachineConfig()
    config.add_unit(
        "a.service",
        content="[Service]\n",
        enable=True,
        runtime=True,
        command="start",
        drop_ins=[DropIn(name="b.conf", content="[Service]\n")],
    )
    config.add_file("/f", "x")
    text = render(config)
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
    config = MachineConfig()
    config.add_file("/f", "")
    room = USER_DATA_LIMIT - len(render(config))
    config = MachineConfig()
    config.add_file("/f", "x" * room)
    assert len(render(config)) == USER_DATA_LIMIT


@pytest.mark.parametrize("character", ["x", "é"])
def test_fails_when_it_is_too_large(character: str) -> None:
    config = MachineConfig()
    config.add_file("/f", "")
    overhead = len(render(config))
    config = MachineConfig()
    config.add_file("/f", character * USER_DATA_LIMIT)
    size = overhead + len(character.encode()) * USER_DATA_LIMIT
    with pytest.raises(UserDataTooLargeError) as error:
        render(config)
    assert error.value.size == size
    assert str(error.value) == (
        f"user data: size: must be at most 16384 bytes, got {size}; "
        "move files out of user data and upload them after the boot"
    )


# What does not belong in it


@pytest.mark.parametrize("name", ["public_ipv4", "private_ipv4", "public_ipv6", "private_ipv6"])
def test_fails_when_it_holds_what_would_be_replaced(name: str) -> None:
    with pytest.raises(ValueError, match="replaces") as error:
        render(with_file(f"echo ${name}"))
    assert str(error.value) == (
        f"file /f: content: must not hold ${name}, which coreos-cloudinit replaces; "
        f"write ${{{name}}} or another name"
    )
    assert f"echo ${{{name}}}" in render(with_file(f"echo ${{{name}}}"))


def test_fails_when_a_path_would_be_replaced() -> None:
    with pytest.raises(ValueError, match="replaces") as error:
        render(with_file("x", path="/etc/$private_ipv4"))
    assert str(error.value).startswith("file /etc/$private_ipv4: path: must not hold $private_ipv4")


# What coreos-cloudinit would skip


def with_unit(name: str, **fields: Any) -> MachineConfig:  # noqa: ANN401 - a unit's fields
    config = MachineConfig()
    config.add_unit(name, **fields)
    return config


@pytest.mark.parametrize("content", ["", " \n"])
def test_unit_fails_when_content_is_empty(content: str) -> None:
    advice = f"must not be empty, got {content!r}; coreos-cloudinit skips it"
    with pytest.raises(ValueError, match="empty") as error:
        render(with_unit("a.service", content=content))
    assert str(error.value) == f"unit a.service: content: {advice}"
    with pytest.raises(ValueError, match="empty") as error:
        render(with_unit("a.service", drop_ins=[DropIn(name="a.conf", content=content)]))
    assert str(error.value) == f"drop-in a.conf: content: {advice}"


def test_unit_fails_when_a_network_unit_is_started() -> None:
    assert "10-a.network" in render(with_unit("10-a.network", content="[Match]\n"))
    for unit in ({"enable": True}, {"command": "start"}):
        with pytest.raises(ValueError, match="network") as error:
            render(with_unit("10-a.network", **unit))
        assert str(error.value) == (
            "unit 10-a.network: must have neither enable nor command, got one; "
            "coreos-cloudinit ignores them for network units"
        )
