"""What a machine does with its user data, in another root and with a recorder for systemd."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml
from user_data_sample import EVERYTHING

from sandbox.machines.machine_image import apply_user_data
from sandbox.machines.machine_image.apply_user_data import Machine, boot
from sandbox.machines.machine_image.cloud_config import (
    CloudConfig,
    DropIn,
    Part,
    Unit,
    User,
    UserDataError,
    WrittenFile,
    read_cloud_config,
)
from sandbox.machines.machine_image.datasource import DatasourceError, Metadata

IMAGE: Final = Path(__file__).resolve().parents[3] / "sandbox" / "machines" / "machine_image"
LIBRARY: Final = "/usr/lib/moor/"
NOBODY: Final = Metadata(keys=(), hostname="", addresses={})


class Recorder:
    """Takes commands instead of running them.

    Args:
        failing: Words that make a command fail.
        status: What it returns then.
    """

    def __init__(self, *failing: str, status: int = 1) -> None:
        self.commands: list[str] = []
        self.given: list[str] = []
        self.lines: list[str] = []
        self._failing = failing
        self._status = status

    def run(self, command: list[str], given: str) -> int:
        """Note a command."""
        self.commands.append(" ".join(command))
        self.given.append(given)
        return self._status if any(word in command for word in self._failing) else 0

    def machine(self, root: Path) -> Machine:
        """Return a machine that runs nothing."""
        return Machine(root=root, run=self.run, log=self.lines.append)

    def boot(self, root: Path, data: bytes, metadata: Metadata = NOBODY) -> int:
        """Boot with user data."""
        return boot(self.machine(root), metadata, data, self.lines.append)

    @property
    def systemctl(self) -> list[str]:
        """What systemctl was called with."""
        calls = (command.partition(" ") for command in self.commands)
        return [words for program, _, words in calls if program == "systemctl"]


def with_update_conf(root: Path, text: str = "") -> Path:
    file = root / "usr/share/coreos/update.conf"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return root


def test_files_and_units_are_placed_and_systemd_is_told(tmp_path: Path) -> None:
    recorder = Recorder()
    with_update_conf(tmp_path, "GROUP=stable\n")
    metadata = Metadata(keys=("ssh-ed25519 CCCC pair",), hostname="", addresses={})
    assert recorder.boot(tmp_path, EVERYTHING.encode(), metadata) == 0
    assert (tmp_path / "etc/a").read_bytes() == b"hello\n"
    assert (tmp_path / "etc/a").stat().st_mode & 0o7777 == 0o640
    drop_in = tmp_path / "etc/systemd/system/docker.service.d/10-tls.conf"
    assert drop_in.read_text() == "[Service]\n"
    assert (tmp_path / "run/systemd/system/job.service").exists()
    keys = tmp_path / "home/core/.ssh/authorized_keys"
    assert keys.read_text() == "ssh-ed25519 AAAA one\nssh-ed25519 CCCC pair\n"
    assert keys.stat().st_mode & 0o7777 == 0o600
    update = tmp_path / "etc/coreos/update.conf"
    assert update.read_text() == "GROUP=beta\nREBOOT_STRATEGY=off\n"
    masked = tmp_path / "run/systemd/system/locksmithd.service"
    assert str(masked.readlink()) == "/dev/null"
    assert recorder.systemctl == [
        "--force --no-reload enable docker.service",
        "daemon-reload",
        "start job.service",
        "stop locksmithd.service",
        "restart update-engine.service",
    ]


def test_applying_twice_gives_the_same(tmp_path: Path) -> None:
    with_update_conf(tmp_path)

    def apply() -> dict[str, bytes]:
        assert Recorder().boot(tmp_path, EVERYTHING.encode()) == 0
        return {
            str(file.relative_to(tmp_path)): file.read_bytes()
            for file in sorted(tmp_path.rglob("*"))
            if file.is_file() and not file.is_symlink()
        }

    assert apply() == apply()


def test_update_conf_keeps_its_lines_and_their_places(tmp_path: Path) -> None:
    with_update_conf(tmp_path, "GROUP=stable\nSERVER=https://example.test\n")
    config = CloudConfig(update=(("REBOOT_STRATEGY", "reboot"), ("GROUP", "beta")))
    Recorder().machine(tmp_path).apply(config)
    written = tmp_path / "etc/coreos/update.conf"
    assert written.read_text() == (
        "GROUP=beta\nSERVER=https://example.test\nREBOOT_STRATEGY=reboot\n"
    )


def test_a_reboot_strategy_that_does_not_exist_ends_all_before_any_file(tmp_path: Path) -> None:
    with_update_conf(tmp_path)
    config = CloudConfig(
        update=(("REBOOT_STRATEGY", "best-effort"),),
        files=(WrittenFile(path="/etc/a", content=b""),),
    )
    with pytest.raises(UserDataError) as caught:
        Recorder().machine(tmp_path).apply(config)
    assert str(caught.value) == (
        "user data: coreos.update.reboot_strategy: must be one of etcd-lock, off, reboot, "
        "got 'best-effort'"
    )
    assert not (tmp_path / "etc/a").exists()


def test_an_update_needs_an_update_conf_to_begin_with(tmp_path: Path) -> None:
    with pytest.raises(UserDataError, match=r"must have an update\.conf to begin with, got none$"):
        Recorder().machine(tmp_path).apply(CloudConfig(update=(("GROUP", "beta"),)))


@pytest.mark.parametrize(
    ("before", "addresses", "after"),
    [
        ("", {"private_ipv4": "10.0.0.1"}, "COREOS_PRIVATE_IPV4=10.0.0.1\n"),
        (
            "# mine\nCOREOS_PUBLIC_IPV4=1.1.1.1\nA=b",
            {"private_ipv4": "10.0.0.1", "public_ipv4": "9.9.9.9"},
            "# mine\nCOREOS_PUBLIC_IPV4=9.9.9.9\nA=b\nCOREOS_PRIVATE_IPV4=10.0.0.1\n",
        ),
        ("A=b\n", {}, "A=b\n"),
    ],
)
def test_the_addresses_stand_in_the_environment(
    tmp_path: Path, before: str, addresses: dict[str, str], after: str
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/environment").write_text(before)
    Recorder().machine(tmp_path).apply(CloudConfig(), addresses)
    assert (tmp_path / "etc/environment").read_text() == after


def test_an_environment_of_the_user_datas_own_is_left_alone(tmp_path: Path) -> None:
    config = CloudConfig(files=(WrittenFile(path="/etc//environment", content=b"X=1\n"),))
    Recorder().machine(tmp_path).apply(config, {"private_ipv4": "10.0.0.1"})
    assert (tmp_path / "etc/environment").read_text() == "X=1\n"


def test_a_failing_command_of_a_unit_is_only_logged(tmp_path: Path) -> None:
    recorder = Recorder("restart")
    config = CloudConfig(units=(Unit(name="a.service", command="restart"),))
    recorder.machine(tmp_path).apply(config)
    assert recorder.lines == ["restart a.service: failed (1)"]


def test_a_command_on_a_unit_that_does_not_exist_ends_all(tmp_path: Path) -> None:
    recorder = Recorder("a.service", status=5)
    units = (Unit(name="a.service", command="start"), Unit(name="b.service", command="start"))
    with pytest.raises(UserDataError) as caught:
        recorder.machine(tmp_path).apply(CloudConfig(units=units))
    assert str(caught.value) == (
        "user data: a.service: must be there to start it, got no such unit"
    )
    assert recorder.systemctl == ["start a.service"]


def test_a_command_that_does_not_exist_ends_all_after_the_units_are_written(
    tmp_path: Path,
) -> None:
    recorder = Recorder()
    units = (Unit(name="a.service", command="explode", content="[Service]\n"),)
    with pytest.raises(UserDataError, match=r"a\.service: command: .* got 'explode'$"):
        recorder.machine(tmp_path).apply(CloudConfig(units=units))
    assert (tmp_path / "etc/systemd/system/a.service").exists()
    assert recorder.systemctl == ["daemon-reload"]


def test_masking_alone_reloads_nothing(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.machine(tmp_path).apply(CloudConfig(units=(Unit(name="a.service", mask=True),)))
    assert (tmp_path / "etc/systemd/system/a.service").is_symlink()
    assert recorder.systemctl == []


def test_an_empty_runtime_unit_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "run/systemd/system"
    folder.mkdir(parents=True)
    (folder / "a.service").write_text("")
    (folder / "b.service").symlink_to("/dev/null")
    (folder / "c.service").write_text("[Service]\n")
    units = tuple(Unit(name=f"{letter}.service", runtime=True) for letter in "abc")
    Recorder().machine(tmp_path).apply(CloudConfig(units=units))
    assert [file.name for file in folder.iterdir()] == ["c.service"]


def test_variables_of_locksmith_are_a_drop_in(tmp_path: Path) -> None:
    recorder = Recorder()
    config = read_cloud_config("coreos: {locksmith: {endpoint: http://e, group: a b}}")
    recorder.machine(tmp_path).apply(config)
    drop_in = tmp_path / "run/systemd/system/locksmithd.service.d/20-cloudinit.conf"
    assert drop_in.read_text() == (
        '[Service]\nEnvironment="LOCKSMITHD_ENDPOINT=http://e"\n'
        'Environment="LOCKSMITHD_GROUP=a b"\n'
    )
    assert recorder.systemctl == ["daemon-reload"]


def test_every_field_of_a_new_user_is_applied(tmp_path: Path) -> None:
    recorder = Recorder("id")
    user = User(  # noqa: S604  # a user's shell, not a call's
        name="bob",
        password_hash="$6$x",
        gecos="Bob B.",
        home="/srv/bob",
        primary_group="staff",
        groups=("docker", "sudo"),
        no_user_group=True,
        system=True,
        no_log_init=True,
        shell="/bin/sh",
    )
    recorder.machine(tmp_path).apply(CloudConfig(users=(user, User(name=""), User(name="eve"))))
    assert [c for c in recorder.commands if c.startswith("useradd")] == [
        (
            'useradd --password $6$x --comment "Bob B." --home-dir /srv/bob --gid staff '
            "--groups docker,sudo --shell /bin/sh --create-home --no-user-group --system "
            "--no-log-init bob"
        ),
        "useradd --password * --create-home eve",
    ]


def test_of_a_user_that_exists_the_password_is_set(tmp_path: Path) -> None:
    recorder = Recorder()
    users = (User(name="core", password_hash="$6$x", gecos="ignored"),)
    recorder.machine(tmp_path).apply(CloudConfig(users=users))
    assert recorder.commands == ["id --user core", "chpasswd -e"]
    assert recorder.given == ["", "core:$6$x"]


def test_applying_fails_when_a_unit_cannot_be_enabled(tmp_path: Path) -> None:
    config = CloudConfig(units=(Unit(name="a.service", enable=True),))
    with pytest.raises(UserDataError) as caught:
        Recorder("enable").machine(tmp_path).apply(config)
    assert str(caught.value) == "user data: cannot enable a.service: systemctl returned 1"


def test_what_is_ignored_is_logged(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.machine(tmp_path).apply(CloudConfig(ignored=("packages",)))
    assert recorder.lines == ["ignoring unknown key packages"]


def test_a_drop_in_without_content_is_skipped(tmp_path: Path) -> None:
    units = (Unit(name="a.service", drop_ins=(DropIn(name="x.conf", content=""),)),)
    recorder = Recorder()
    recorder.machine(tmp_path).apply(CloudConfig(units=units))
    assert recorder.commands == []


# A boot


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"just some text",
        b"\xef\xbb\xbf#cloud-config\nwrite_files: [{path: /etc/a}]\n",
        b'{"ignition": {"version": "3.3.0"}}',
    ],
)
def test_what_is_not_for_the_reader_ends_well(tmp_path: Path, data: bytes) -> None:
    assert Recorder().boot(tmp_path, data) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_script_is_started_as_a_unit_and_not_waited_for(tmp_path: Path) -> None:
    recorder = Recorder()
    assert recorder.boot(tmp_path, b"#!/bin/sh\nexit 7\n") == 0
    (script,) = (tmp_path / "var/lib/coreos-cloudinit/scripts").iterdir()
    assert script.read_text() == "#!/bin/sh\nexit 7\n"
    assert script.stat().st_mode & 0o7777 == 0o744
    assert recorder.commands == [
        (
            f"systemd-run --quiet --no-block --unit=coreos-cloudinit-{script.name}.service "
            f"/bin/bash {script}"
        )
    ]


@pytest.mark.parametrize(
    "data", [b"#cloud-config\na: [\n", gzip.compress(b"x" * 999, mtime=0)[:-9]]
)
def test_data_that_cannot_be_read_leaves_the_keys_and_fails(tmp_path: Path, data: bytes) -> None:
    recorder = Recorder()
    metadata = Metadata(keys=("ssh-ed25519 CCCC pair",), hostname="box.example", addresses={})
    assert recorder.boot(tmp_path, data, metadata) == 1
    keys = tmp_path / "home/core/.ssh/authorized_keys"
    assert keys.read_text() == "ssh-ed25519 CCCC pair\n"
    assert recorder.commands == ["hostnamectl set-hostname box"]
    assert recorder.lines[0].startswith("Failed to parse user-data: user data: must be ")


def test_a_part_that_fails_keeps_no_other_from_running(tmp_path: Path) -> None:
    recorder = Recorder()
    machine = recorder.machine(tmp_path)
    bad = CloudConfig(files=(WrittenFile(path="/etc/a", content=b"", permissions="x"),))
    with pytest.raises(UserDataError, match=r"permissions: must be octal"):
        machine.run_part(Part(name="a", kind="cloud-config", config=bad), {})
    data = (
        b"Content-Type: multipart/mixed; boundary=b\n\n"
        b"--b\nContent-Type: text/cloud-config\n\nwrite_files: [{path: /a, permissions: x}]\n"
        b"--b\nContent-Type: text/cloud-config\n\nwrite_files: [{path: /b}]\n--b--\n"
    )
    assert recorder.boot(tmp_path, data) == 1
    assert (tmp_path / "b").exists()


def test_another_name_is_set_up_to_its_first_dot(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.boot(tmp_path, b"#cloud-config\nhostname: mine.example.test\n")
    assert recorder.commands == ["hostnamectl set-hostname mine"]


# As the unit starts it


def installed(folder: Path) -> Path:
    """Put the files where the image's Dockerfile puts them, below a folder."""
    text = (IMAGE / "Dockerfile").read_text().replace("\\\n", "")
    copies = re.findall(rf"^COPY (.+?)\s+{LIBRARY}(\S*)$", text, re.MULTILINE)
    assert copies
    for names, subfolder in copies:
        target = folder / subfolder
        target.mkdir(parents=True, exist_ok=True)
        for name in names.split():
            if (IMAGE / name).is_file():
                shutil.copy(IMAGE / name, target)
    return folder


def start_as_the_unit_does(
    unit: str, folder: Path, program: str
) -> subprocess.CompletedProcess[str]:
    """Run a program with what a unit sets, and with nothing but Python and PyYAML beside it.

    Args:
        unit: The unit's name.
        folder: Stands for the machine's library.
        program: What is run in place of the unit's module, which would reach for the network.
    """
    text = (IMAGE / "units" / unit).read_text()
    setting = re.search(r"^Environment=(.+)$", text, re.MULTILINE)
    command = re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)
    assert setting is not None
    assert command is not None
    variables = dict(word.split("=", 1) for word in shlex.split(setting[1]))
    assert variables.pop("PYTHONHOME") == "/usr"  # where the machine's Python has its library
    assert variables["PYTHONPATH"] + "/" == LIBRARY
    python, isolated, option, module, *_ = shlex.split(command[1])
    assert (python, isolated, option) == (f"{LIBRARY}python3", "-P", "-m")
    packages = folder.parent / "packages"
    packages.mkdir()
    (packages / "yaml").symlink_to(Path(yaml.__file__).parent)
    variables["PYTHONPATH"] = os.pathsep.join(map(str, (folder, packages)))
    # -S: without this environment's packages.
    return subprocess.run(
        [sys.executable, "-S", isolated, "-c", f"import {module} as it\n{program}"],
        cwd=folder.parent,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("unit", ["oem-cloudinit.service", "coreos-metadata-sshkeys@.service"])
def test_it_runs_on_a_machine_with_python_and_pyyaml_only(tmp_path: Path, unit: str) -> None:
    done = start_as_the_unit_does(unit, installed(tmp_path / "lib"), "print(callable(it.main))")
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_file_in_the_current_folder_stands_in_for_no_module(tmp_path: Path) -> None:
    (tmp_path / "zlib.py").write_text("raise RuntimeError('the wrong one')\n")
    (tmp_path / "email.py").write_text("raise RuntimeError('the wrong one')\n")
    done = start_as_the_unit_does("oem-cloudinit.service", installed(tmp_path / "lib"), "")
    assert done.returncode == 0, done.stderr


def test_the_unit_is_as_frail_as_flatcars() -> None:
    text = (IMAGE / "units" / "oem-cloudinit.service").read_text()
    settings = [line for line in text.splitlines() if not line.startswith("#")]
    assert "Type=oneshot" in settings
    assert "SyslogIdentifier=bash" in settings
    assert "WantedBy=multi-user.target" in settings
    names = {line.partition("=")[0] for line in settings}
    assert not names & {"After", "Wants", "Requires", "Restart", "RemainAfterExit"}


def test_a_service_that_is_never_available_fails_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Never:
        """Has no token, and waits for nobody."""

        def __init__(self, log: object) -> None:
            assert callable(log)

        def wait(self) -> None:
            """Give up."""
            msg = "No datasources available in time"
            raise DatasourceError(msg)

    monkeypatch.setattr(apply_user_data, "Datasource", Never)
    assert apply_user_data.main() == 1
    assert capsys.readouterr().err == "user-data: No datasources available in time\n"
