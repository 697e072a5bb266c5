"""A machine's configuration: what a file, a unit and a drop-in may be, in whatever format."""

from __future__ import annotations

import pytest

from constructs_lib.host.machine_config import DropIn, File, MachineConfig, Unit


def test_the_collections_are_copies() -> None:
    config = MachineConfig()
    config.add_file("/a", "x")
    config.add_unit("a.service", enable=True)
    assert config.files == (File(path="/a", content="x"),)
    assert config.units == (Unit(name="a.service", enable=True),)


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


def test_unit_fails_when_it_is_masked_and_enabled() -> None:
    message = "unit a.service: must not be masked and have content or be enabled, got both"
    with pytest.raises(ValueError, match="masked") as error:
        Unit(name="a.service", mask=True, enable=True)
    assert str(error.value) == message
    with pytest.raises(ValueError, match="masked") as error:
        Unit(name="a.service", mask=True, content="[Service]\n")
    assert str(error.value) == message


@pytest.mark.parametrize("name", ["", "a", "a.service", "a/b.conf", "../a.conf", "a b.conf"])
def test_drop_in_fails_when_the_name_is_not_a_conf_file(name: str) -> None:
    with pytest.raises(ValueError, match="name") as error:
        DropIn(name=name, content="[Service]\n")
    assert (
        str(error.value) == f"drop-in: name: must be a file name that ends in .conf, got {name!r}"
    )


def test_fails_when_a_name_comes_twice() -> None:
    config = MachineConfig()
    config.add_file("/f", "")
    with pytest.raises(ValueError, match="twice") as error:
        config.add_file("/f", "x")
    assert str(error.value) == "machine: files: must have different names, got /f twice"
    config.add_unit("a.service", enable=True)
    with pytest.raises(ValueError, match="twice") as error:
        config.add_unit("a.service")
    assert str(error.value) == "machine: units: must have different names, got a.service twice"
    twice = [DropIn(name="a.conf", content="[X]\n")] * 2
    with pytest.raises(ValueError, match="twice") as error:
        config.add_unit("b.service", drop_ins=twice)
    assert (
        str(error.value) == "unit b.service: drop_ins: must have different names, got a.conf twice"
    )
    # Nothing of what failed was added.
    assert len(config.files) == 1
    assert len(config.units) == 1


# Updates


@pytest.mark.parametrize("strategy", ["reboot", "etcd-lock", "off"])
def test_an_update_strategy_is_a_line_of_update_conf(strategy: str) -> None:
    config = MachineConfig()
    config.set_update(reboot_strategy=strategy)
    assert config.files == (
        File(path="/etc/flatcar/update.conf", content=f"REBOOT_STRATEGY={strategy}\n"),
    )


def test_a_window_is_quoted() -> None:
    config = MachineConfig()
    config.set_update(reboot_strategy="reboot", window_start="Sun 04:00", window_length="1h30m")
    assert config.files[0].content == (
        "REBOOT_STRATEGY=reboot\n"
        'LOCKSMITHD_REBOOT_WINDOW_START="Sun 04:00"\n'
        'LOCKSMITHD_REBOOT_WINDOW_LENGTH="1h30m"\n'
    )


def test_fails_when_the_strategy_is_unknown() -> None:
    with pytest.raises(ValueError, match="strategy") as error:
        MachineConfig().set_update(reboot_strategy="best-effort")
    assert str(error.value) == (
        "updates: reboot_strategy: must be one of reboot, etcd-lock, off, got 'best-effort'"
    )


@pytest.mark.parametrize("window", [("04:00", None), (None, "1h")])
def test_fails_when_the_window_is_half(window: tuple[str | None, str | None]) -> None:
    with pytest.raises(ValueError, match="window") as error:
        MachineConfig().set_update(
            reboot_strategy="reboot", window_start=window[0], window_length=window[1]
        )
    assert str(error.value) == (
        "updates: window_start and window_length: must be given together, got one"
    )


@pytest.mark.parametrize("start", ["", "24:00", "4:00", "Sunday 04:00", "sun 04:00", '04:00"\nX=1'])
def test_fails_when_the_window_start_is_no_time(start: str) -> None:
    with pytest.raises(ValueError, match="window_start") as error:
        MachineConfig().set_update(reboot_strategy="reboot", window_start=start, window_length="1h")
    assert str(error.value) == (
        f"updates: window_start: must be a time such as Sun 04:00 or 04:00, got {start!r}"
    )


@pytest.mark.parametrize("length", ["", "1", "h", "30s", "1m1h", "-1h"])
def test_fails_when_the_window_length_is_no_duration(length: str) -> None:
    with pytest.raises(ValueError, match="window_length") as error:
        MachineConfig().set_update(
            reboot_strategy="reboot", window_start="04:00", window_length=length
        )
    assert str(error.value) == (
        f"updates: window_length: must be hours and minutes such as 1h30m, got {length!r}"
    )
