"""A machine that is replaced under a writer: what was acknowledged before is there after.

The tests share one deployment and run in the order of the file: a later one may rely on what an
earlier one left.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from botocore.exceptions import ClientError
from trial_sandbox import client, make_sandbox

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
NAME = "data-volume-test"
REGISTRY = "172.30.44.1:5044"
PATIENCE_SECONDS = 900
UNCHANGED = "0 to add, 0 to change, 0 to destroy"

SETTINGS = {
    "project": "kept",
    "aws": {
        "region": "eu-central-1",
        "ssh": {"port": 2222, "cidrs": ["127.0.0.0/8"]},
        "docker_api": {"cidrs": ["127.0.0.0/8"]},
        "data_volume": {"size_gib": 2},
    },
    "variables": {"BASE_IMAGE": f"{REGISTRY}/busybox:1.36"},
    "sandbox": {
        "api_port": 4644,
        "addresses": "127.44.0.0/24",
        "subnet": "172.30.44.0/24",
        "registry_port": 5044,
    },
}

# A row is acknowledged when it is on the disk, and no sooner.
WRITE = """\
#!/bin/sh
echo 'Content-Type: text/plain'
echo
case "${QUERY_STRING}" in
  all) cat /data/rows ;;
  *) echo "${QUERY_STRING}" >> /data/rows && sync && echo "written ${QUERY_STRING}" ;;
esac
"""

COMPOSE = """\
services:
  store:
    image: ${BASE_IMAGE}
    command: [httpd, -f, -p, "8080", -h, /www]
    init: true
    restart: unless-stopped
    volumes:
      - rows:/data
      - ./write:/www/cgi-bin/write:ro
      - ./kept:/kept
    ports: ["80:8080"]
  # What nobody starts again by itself.
  once:
    image: ${BASE_IMAGE}
    command: [sleep, "1000000"]
    init: true
volumes:
  rows:
"""


@dataclass(kw_only=True)
class Trial:
    """An environment of the tests' own, and the commands on it."""

    environment: Environment
    settings: dict[str, Any]
    variables: dict[str, str] = field(default_factory=dict)

    def write(self, **volume: Any) -> None:  # noqa: ANN401  (any setting)
        """Write the settings, with another data volume where one is given."""
        aws = {**self.settings["aws"], **({"data_volume": volume} if volume else {})}
        text = yaml.safe_dump({**self.settings, "aws": aws})
        self.environment.settings_file.write_text(text, encoding="utf-8")

    def run(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """Run `python -m moor WORDS`."""
        return subprocess.run(
            [sys.executable, "-m", "moor", *words],
            cwd=ROOT,
            env=self.variables,
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def done(self, *words: str, said: str = "") -> str:
        """Run a command, which must succeed, and return what it printed."""
        done = self.run(*words, said=said)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def refused(self, *words: str, said: str = "") -> str:
        """Run a command, which must fail, and return what it printed."""
        done = self.run(*words, said=said)
        assert done.returncode == 1, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())

    @property
    def outputs(self) -> Outputs:
        """What the last deployment told."""
        return Outputs.load(self.environment)

    @property
    def ec2(self) -> Any:  # noqa: ANN401  (boto3 has no types)
        """A client of the emulated EC2."""
        settings = load_settings(self.environment.settings_file).sandbox
        assert settings is not None
        return client(make_sandbox(NAME, settings), "ec2")

    @property
    def machine(self) -> str:
        """The id of the one machine that runs."""
        filters = [{"Name": "instance-state-name", "Values": ["running"]}]
        (page,) = self.ec2.describe_instances(Filters=filters)["Reservations"]
        found: str = page["Instances"][0]["InstanceId"]
        return found

    @property
    def volume(self) -> str:
        """The id of the data volume."""
        file = self.environment.directory / "outputs.json"
        volumes = json.loads(file.read_text())["aws"]["data_volumes"]
        (found,) = volumes.values()
        return str(found)

    def on_machine(self, command: str) -> str:
        """Run a command as root on the machine, and return what it printed."""
        done = subprocess.run(
            [*shlex.split(self.outputs.ssh), f"sudo bash -c {shlex.quote(command)}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, question: str) -> str:
        """Ask the store, once."""
        url = f"http://{self.outputs.public_ip}/cgi-bin/write?{question}"
        with urllib.request.urlopen(url, timeout=2) as answer:
            text: str = answer.read().decode()
        return text

    def rows(self) -> list[str]:
        """Return what the store has, when it answers."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.ask("all").split()
            except OSError:
                assert time.monotonic() < deadline, "the store must answer"
                time.sleep(0.2)


@dataclass(kw_only=True)
class Writer:
    """Writes one row after the other, and notes which were acknowledged.

    Attributes:
        acknowledged: When each was, by the row.
    """

    acknowledged: dict[str, float] = field(default_factory=dict)

    @property
    def downtime_seconds(self) -> float:
        """The longest time without an acknowledgement."""
        times = [*self.acknowledged.values()]
        return max(after - before for before, after in pairwise(times))


@contextmanager
def writing(trial: Trial) -> Iterator[Writer]:
    """Write while something else is done, until a row is acknowledged after that."""
    writer, ended, first = Writer(), threading.Event(), int(time.time() * 1000)

    def work() -> None:
        number = first
        while not ended.is_set():
            number += 1
            with contextlib.suppress(OSError):
                if trial.ask(str(number)) == f"written {number}\n":
                    writer.acknowledged[str(number)] = time.monotonic()
            time.sleep(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        until(lambda: bool(writer.acknowledged), "a row must be acknowledged")
        yield writer
        done = time.monotonic()
        until(
            lambda: max(writer.acknowledged.values()) > done,
            "a row must be acknowledged afterwards",
        )
    finally:
        ended.set()
        thread.join()


def until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("volume")
    file = folder / f"{NAME}.yaml"
    (folder / "compose.yaml").write_text(COMPOSE, encoding="utf-8")
    (folder / "write").write_text(WRITE, encoding="utf-8")
    (folder / "write").chmod(0o755)
    (folder / "kept").mkdir()
    (folder / "kept" / "page").write_text("from here", encoding="utf-8")
    environment = Environment(name=NAME, settings_file=file, root=ROOT)
    settings = {**SETTINGS, "services": str(folder / "compose.yaml")}
    variables = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    made = Trial(
        environment=environment,
        settings=settings,
        variables=variables | {"ENVIRONMENT": str(file)},
    )
    made.write()
    made.run("down")
    try:
        made.done("up")
        yield made
    finally:
        made.run("down")
        made.run("data", "give-up", said=f"{NAME}\n")
        shutil.rmtree(environment.directory, ignore_errors=True)


def test_dockers_data_and_the_folders_are_on_the_volume(trial: Trial) -> None:
    device = trial.on_machine("findmnt -n -o SOURCE /mnt/moor").strip()
    link = f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{trial.volume.replace('-', '')}"
    assert trial.on_machine(f"readlink -f {link}").strip() == device
    for folder in ("docker", "moor"):
        found = trial.on_machine(f"findmnt -n -o SOURCE --mountpoint /var/lib/{folder} | tail -n1")
        assert found.strip() == f"{device}[/{folder}]"
    (volume,) = trial.ec2.describe_volumes(VolumeIds=[trial.volume])["Volumes"]
    assert (volume["Encrypted"], volume["VolumeType"], volume["Size"]) == (True, "gp3", 2)
    assert trial.done("plan").count(UNCHANGED) == 2


def test_nothing_is_lost_when_the_machine_is_replaced_under_a_writer(
    trial: Trial, record_property: Callable[[str, object], None]
) -> None:
    before, address = trial.machine, trial.outputs.public_ip
    key = trial.on_machine("cat /etc/ssh/ssh_host_ed25519_key.pub")
    with writing(trial) as writer:
        said = trial.done("host", "replace")
    assert f"will be replaced: data is kept, on the data volume {trial.volume}" in said
    assert trial.machine != before
    assert trial.outputs.public_ip == address
    # Its own, and learned anew: else nothing could be asked.
    assert trial.on_machine("cat /etc/ssh/ssh_host_ed25519_key.pub") != key
    rows = trial.rows()
    assert set(writer.acknowledged) <= set(rows)
    assert len(writer.acknowledged) > 1
    record_property("downtime_seconds", round(writer.downtime_seconds, 1))
    record_property("rows", len(rows))
    running = trial.on_machine("docker ps --format '{{.Names}}'").split()
    assert sorted(running) == ["kept-once-1", "kept-store-1"]
    assert trial.on_machine("docker exec kept-store-1 cat /kept/page") == "from here"
    assert trial.done("plan").count(UNCHANGED) == 2


def test_docker_waits_for_a_volume_that_is_late_and_takes_no_other(trial: Trial) -> None:
    rows, machine, volume, ec2 = trial.rows(), trial.machine, trial.volume, trial.ec2
    file = trial.environment.sandbox / "volumes" / f"{volume}.img"
    aside = file.with_suffix(".aside")
    ec2.stop_instances(InstanceIds=[machine])
    ec2.detach_volume(VolumeId=volume)
    ec2.start_instances(InstanceIds=[machine])
    state = "systemctl show -p ActiveState --value"
    assert trial.on_machine(f"{state} moor-data-volume.service").strip() == "activating"
    # Whoever asks for Docker waits, too, and starts none on the machine's own disk.
    trial.on_machine("timeout 3 docker ps; true")
    assert trial.on_machine(f"{state} docker.service").strip() in ("inactive", "activating")
    assert trial.on_machine("pgrep -x dockerd; true") == ""
    since = "find /var/lib/docker -newermt @$(stat -c %Y /proc/1)"
    assert trial.on_machine(since) == ""
    file.rename(aside)
    with file.open("wb") as foreign:
        foreign.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-L", "mine", str(file)], check=True)
    # One that somebody has used.
    subprocess.run(["debugfs", "-w", "-R", "ssv mtime 1", str(file)], check=True)
    ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    told = (
        f"volume {volume}: must hold a file system of Moor's, whose label is moor-data, got ext4 "
        "with the label 'mine'; nothing of it was changed: take what is on it, and another volume"
    )
    journal = "journalctl -b --no-pager -o cat -u moor-data-volume.service"
    until(lambda: told in trial.on_machine(journal), f"it must be told: {told}")
    assert trial.on_machine(f"{state} docker.service").strip() == "inactive"
    ec2.detach_volume(VolumeId=volume)
    aside.rename(file)
    ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    # What tried the other one may still be about to fail.
    again = "until systemctl start docker.service; do sleep 1; done"
    trial.on_machine(f"timeout 50 bash -c '{again}'")
    assert trial.rows() == rows


def test_a_replacement_that_ended_in_the_middle_is_finished_by_up(trial: Trial) -> None:
    rows, machine, volume, ec2 = trial.rows(), trial.machine, trial.volume, trial.ec2
    # As a kill leaves it that comes after the volume was detached.
    ec2.stop_instances(InstanceIds=[machine])
    ec2.detach_volume(VolumeId=volume)
    said = " ".join(trial.done("up").split())
    assert f"was detached; attached to {machine} again" in said
    assert f"machine {machine}: was stopped; started" in said
    assert trial.machine == machine
    assert trial.rows() == rows
    # And one that comes after the machine was ended.
    ec2.terminate_instances(InstanceIds=[machine])
    trial.done("up")
    assert trial.machine != machine
    assert trial.volume == volume
    assert trial.rows() == rows


def test_where_aws_has_forgotten_everything_one_deployment_has_the_data_again(
    trial: Trial,
) -> None:
    rows, volume = trial.rows(), trial.volume
    record = json.loads((trial.environment.sandbox / "process.json").read_text(encoding="utf-8"))
    # Machines, addresses and the state go with the emulator; the volume, and Docker's containers
    # and networks on it, do not.
    os.kill(int(record["pid"]), signal.SIGKILL)
    said = " ".join(trial.done("up").split())
    assert "its data is here again" in said
    assert "removed network" in said
    assert (trial.volume, trial.rows()) == (volume, rows)
    assert trial.done("plan").count(UNCHANGED) == 2


def test_it_grows_and_never_shrinks(trial: Trial) -> None:
    rows, machine = trial.rows(), trial.machine
    size = "df --output=size --block-size=1M /mnt/moor | tail -n 1"
    assert int(trial.on_machine(size)) < 2048
    trial.write(size_gib=3)
    trial.done("up")
    # The kernel lets only who may do everything let a mounted file system grow: here the next
    # boot does it.
    if int(trial.on_machine(size)) < 2048:
        trial.done("up", "--reboot")
    until(lambda: 2048 < int(trial.on_machine(size)) < 3072, "the file system must have grown")
    assert (trial.machine, trial.rows()) == (machine, rows)
    trial.write(size_gib=2)
    assert (
        f"aws.data_volume.size_gib: must be at least 3, the size of {trial.volume}, got 2; a "
        "volume never shrinks"
    ) in trial.refused("up")
    trial.write(size_gib=3)


def test_it_is_detached_from_no_machine_that_uses_it(trial: Trial) -> None:
    with pytest.raises(ClientError) as caught:
        trial.ec2.detach_volume(VolumeId=trial.volume)
    assert caught.value.response["Error"]["Code"] == "IncorrectState"
    assert trial.rows() != []
    assert "must be attached to no machine" in trial.refused("data", "give-up", said=f"{NAME}\n")


def test_down_keeps_it_and_up_has_it_again_and_only_who_types_the_name_loses_it(
    trial: Trial,
) -> None:
    rows, volume = trial.rows(), trial.volume
    file = trial.environment.sandbox / "volumes" / f"{volume}.img"
    said = " ".join(trial.done("down").split())
    assert f"data volume {volume} of manager-1, 3 GiB" in said
    assert "moor data give-up` loses it" in said
    # The computer has its device back.
    assert str(file) not in subprocess.check_output(["losetup", "--all"], text=True)
    said = " ".join(trial.done("up").split())
    assert f"data volume {volume} of manager-1, 3 GiB" in said
    assert (trial.volume, trial.rows()) == (volume, rows)
    assert trial.done("plan").count(UNCHANGED) == 2
    trial.done("down")
    assert "nothing was deleted" in trial.refused("data", "give-up", said="sandbox\n")
    assert file.exists()
    trial.done("data", "give-up", said=f"{NAME}\n")
    assert not file.exists()
