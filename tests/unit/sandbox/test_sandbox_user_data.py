"""The machines' reader of user data."""

from __future__ import annotations

import base64
import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.machines.machine_image.user_data import (
    CloudConfig,
    DropIn,
    Machine,
    Unit,
    User,
    UserDataError,
    WrittenFile,
    decode,
    main,
    read_cloud_config,
    substitute_addresses,
)

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = """\
#cloud-config
hostname: box
ssh_authorized_keys:
  - ssh-ed25519 AAAA one
write_files:
  - path: /etc/a
    permissions: 0640
    owner: core:core
    content: |
      hello
  - path: /etc/b
    encoding: gzip+base64
    content: {packed}
coreos:
  update:
    reboot_strategy: "off"
    group: beta
  units:
    - name: docker.service
      enable: true
      drop_ins:
        - name: 10-tls.conf
          content: |
            [Service]
    - name: job.service
      runtime: yes
      command: start
      content: |
        [Service]
        ExecStart=/bin/true
users:
  - name: alice
    groups: [docker]
    ssh_authorized_keys: [ssh-ed25519 BBBB two]
""".format(packed=base64.b64encode(gzip.compress(b"packed")).decode())


class Recorder:
    """Takes commands instead of running them.

    Args:
        failing: Words that make a command fail.
    """

    def __init__(self, *failing: str) -> None:
        self.commands: list[str] = []
        self.lines: list[str] = []
        self._failing = failing

    def run(self, command: list[str]) -> int:
        """Note a command."""
        self.commands.append(" ".join(command))
        return int(any(word in command for word in self._failing))

    def machine(self, root: Path) -> Machine:
        """Return a machine that runs nothing."""
        return Machine(root=root, run=self.run, log=self.lines.append)


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


def test_files_and_units_are_placed_and_systemd_is_told(tmp_path: Path) -> None:
    recorder = Recorder()
    config = read_cloud_config(EVERYTHING)
    recorder.machine(tmp_path).apply(config, keys=("ssh-ed25519 CCCC pair",))
    assert (tmp_path / "etc/a").read_bytes() == b"hello\n"
    assert (tmp_path / "etc/a").stat().st_mode & 0o7777 == 0o640
    drop_in = tmp_path / "etc/systemd/system/docker.service.d/10-tls.conf"
    assert drop_in.read_text() == "[Service]\n"
    assert (tmp_path / "run/systemd/system/job.service").exists()
    keys = tmp_path / "home/core/.ssh/authorized_keys"
    assert keys.read_text() == "ssh-ed25519 CCCC pair\nssh-ed25519 AAAA one\n"
    assert keys.stat().st_mode & 0o7777 == 0o600
    update = tmp_path / "etc/flatcar/update.conf"
    assert update.read_text() == "REBOOT_STRATEGY=off\nGROUP=beta\n"
    masked = tmp_path / "run/systemd/system/locksmithd.service"
    assert str(masked.readlink()) == "/dev/null"
    systemctl = [command for command in recorder.commands if command.startswith("systemctl")]
    assert systemctl == [
        "systemctl --force --no-reload enable docker.service",
        "systemctl daemon-reload",
        "systemctl start job.service",
        "systemctl stop locksmithd.service",
        "systemctl restart update-engine.service",
    ]


def test_applying_twice_gives_the_same(tmp_path: Path) -> None:
    config = read_cloud_config(EVERYTHING)

    def apply() -> dict[str, bytes]:
        Recorder().machine(tmp_path).apply(config)
        return {
            str(file.relative_to(tmp_path)): file.read_bytes()
            for file in sorted(tmp_path.rglob("*"))
            if file.is_file() and not file.is_symlink()
        }

    assert apply() == apply()


def test_update_conf_keeps_its_other_lines(tmp_path: Path) -> None:
    file = tmp_path / "usr/share/flatcar/update.conf"
    file.parent.mkdir(parents=True)
    file.write_text("GROUP=stable\nSERVER=https://example.test\n")
    config = CloudConfig(update=(("GROUP", "beta"),))
    Recorder().machine(tmp_path).apply(config)
    written = tmp_path / "etc/flatcar/update.conf"
    assert written.read_text() == "SERVER=https://example.test\nGROUP=beta\n"


def test_a_failing_command_of_a_unit_is_only_logged(tmp_path: Path) -> None:
    recorder = Recorder("restart")
    config = CloudConfig(units=(Unit(name="a.service", command="restart"),))
    recorder.machine(tmp_path).apply(config)
    assert recorder.lines == ["restart a.service: failed (1)"]


def test_applying_fails_when_a_unit_cannot_be_enabled(tmp_path: Path) -> None:
    config = CloudConfig(units=(Unit(name="a.service", enable=True),))
    with pytest.raises(UserDataError) as caught:
        Recorder("enable").machine(tmp_path).apply(config)
    assert str(caught.value) == "user data: cannot enable a.service: systemctl returned 1"


def test_what_is_ignored_is_logged(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.machine(tmp_path).apply(CloudConfig(ignored=("packages",)))
    assert recorder.lines == ["ignoring unknown key packages"]


def test_the_program_reports_bad_user_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "user-data").write_text("{}")
    assert main(tmp_path, tmp_path / "root") == 1
    assert capsys.readouterr().err == (
        "user-data: user data: first line must be #cloud-config, got '{}'\n"
    )


def test_the_program_does_nothing_without_user_data(tmp_path: Path) -> None:
    assert main(tmp_path, tmp_path / "root") == 0
    assert not (tmp_path / "root").exists()
