"""What a machine does with its user data, in another root and with a recorder for systemd."""

from __future__ import annotations

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

from sandbox.machines.machine_image.apply_user_data import Machine, main
from sandbox.machines.machine_image.cloud_config import (
    CloudConfig,
    Unit,
    UserDataError,
    read_cloud_config,
)

IMAGE: Final = Path(__file__).resolve().parents[3] / "sandbox" / "machines" / "machine_image"
LIBRARY: Final = "/usr/lib/moor/"


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


def installed(folder: Path) -> Path:
    """Put the files where the image's Dockerfile puts them, below a folder."""
    copies = re.findall(
        rf"^COPY (.+) {LIBRARY}(\S*)$", (IMAGE / "Dockerfile").read_text(), re.MULTILINE
    )
    assert copies
    for names, subfolder in copies:
        target = folder / subfolder
        target.mkdir(parents=True, exist_ok=True)
        for name in names.split():
            shutil.copy(IMAGE / name, target)
    return folder


def start_as_the_unit_does(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what the unit runs, with nothing but Python and PyYAML beside it.

    Args:
        folder: Stands for the machine's library. Beside it are `var`, which the sandbox has
            filled, and `root`, which is applied to.
    """
    unit = (IMAGE / "units" / "moor-user-data.service").read_text()
    setting = re.search(r"^Environment=(.+)$", unit, re.MULTILINE)
    command = re.search(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    assert setting is not None
    assert command is not None
    variables = dict(word.split("=", 1) for word in shlex.split(setting[1]))
    assert variables.pop("PYTHONHOME") == "/usr"  # where the machine's Python has its library
    assert variables["PYTHONPATH"] + "/" == LIBRARY
    python, *words = shlex.split(command[1])
    assert python == f"{LIBRARY}python3"
    packages = folder.parent / "packages"
    packages.mkdir()
    (packages / "yaml").symlink_to(Path(yaml.__file__).parent)
    variables["PYTHONPATH"] = os.pathsep.join(map(str, (folder, packages)))
    # -S: without this environment's packages.
    return subprocess.run(
        [sys.executable, "-S", *words, "var", "root"],
        cwd=folder.parent,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with the image's files, and with user data that writes a file."""
    (tmp_path / "var").mkdir()
    text = "#cloud-config\nwrite_files: [{path: /etc/a, content: here $private_ipv4}]\n"
    (tmp_path / "var" / "user-data").write_text(text)
    (tmp_path / "var" / "addresses").write_text("private_ipv4=192.0.2.7\n")
    installed(tmp_path / "lib")
    return tmp_path


def test_it_runs_on_a_machine_with_python_and_pyyaml_only(machine: Path) -> None:
    done = start_as_the_unit_does(machine / "lib")
    assert (done.returncode, done.stderr) == (0, "user-data: wrote file /etc/a\n")
    assert (machine / "root" / "etc" / "a").read_text() == "here 192.0.2.7"


def test_a_file_in_the_current_folder_stands_in_for_no_module(machine: Path) -> None:
    (machine / "gzip.py").write_text("raise RuntimeError('the wrong one')\n")
    done = start_as_the_unit_does(machine / "lib")
    assert done.returncode == 0, done.stderr


def test_user_data_that_cannot_be_applied_fails_the_unit(machine: Path) -> None:
    (machine / "var" / "user-data").write_text("{}")
    done = start_as_the_unit_does(machine / "lib")
    assert done.returncode == 1
    assert done.stderr == "user-data: user data: first line must be #cloud-config, got '{}'\n"
