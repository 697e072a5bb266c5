"""What an operator does with what is deployed, for real: one deployment, and each command on it.

The tests share the deployment and run in the order of the file. Each leaves it as it should be,
but for what the one after it says.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from trial_sandbox import client, is_open, left_of, make_sandbox

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.lifecycle import Sandbox

ROOT = Path(__file__).resolve().parents[2]
NAME = "operator-test"
NUMBERS = (
    ("api_port: 4599", "api_port: 4691"),
    ("127.18.0.0/24", "127.31.0.0/24"),
    ("172.30.18", "172.30.31"),
)
SERVICES = """
services:
  web:
    image: ${BASE_IMAGE}
    command: [httpd, -f, -v, -p, "8080", -h, /etc]
    init: true
    environment: {GREETING: hello}
    ports: ["80:8080"]
    restart: unless-stopped
    volumes: [data:/data]
  hidden:
    image: ${BASE_IMAGE}
    # Deaf to the signal that ends it: a machine waits for it as long as is said here.
    command:
      - sh
      - -c
      - trap '' TERM; httpd -p 9000 -h /etc; echo begun; while sleep 0.5; do echo tick; done
    stop_grace_period: 2s
    init: true
volumes:
  data:
"""
UPDATES = """#!/bin/sh
# As much of Flatcar's update_engine_client as is asked of it here: there is an update at once.
case $1 in
  -check_for_update) test "$(id -u)" = 0 && touch /var/tmp/update ;;
  -status)
    if test -e /var/tmp/update
    then printf 'LAST_CHECKED_TIME=2\\nCURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT\\n'
    else printf 'LAST_CHECKED_TIME=1\\nCURRENT_OP=UPDATE_STATUS_IDLE\\n'
    fi
    echo NEW_VERSION=4593.2.0 ;;
esac
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The environment, and the commands on it."""

    environment: Environment
    variables: dict[str, str]

    def run(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run `python -m moor WORDS`, and return what it printed."""
        return subprocess.run(
            [sys.executable, "-m", "moor", *words],
            cwd=ROOT,
            env=self.variables,
            input=typed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def must(self, *words: str) -> str:
        """Run a command that must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def started(self, *words: str) -> subprocess.Popen[str]:
        """Start a command, whose output is read while it runs."""
        return subprocess.Popen(
            [sys.executable, "-m", "moor", *words],
            cwd=ROOT,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def at_a_terminal(self, *words: str) -> int:
        """Run a command at a terminal, and return its exit status."""
        ours, theirs = os.openpty()
        try:
            return subprocess.call(
                [sys.executable, "-m", "moor", *words],
                cwd=ROOT,
                env=self.variables,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                timeout=300,
            )
        finally:
            os.close(ours)
            os.close(theirs)

    def sandbox(self) -> Sandbox:
        """Return the sandbox beneath."""
        settings = load_settings(self.environment.settings_file).sandbox
        assert settings is not None
        return make_sandbox(NAME, settings)

    @property
    def address(self) -> str:
        """The machine's address."""
        return Outputs.load(self.environment).public_ip

    def containers(self) -> dict[str, str]:
        """Return the state of each container, those of `run` among them, by its name."""
        found = json.loads(self.must("ps", "--all", "--json"))
        return {one["container"]: one["state"] for one in found}


def got(url: str) -> int:
    """Return the status of an answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """Read a command's output up to a line that has a text."""
    assert process.stdout is not None
    read = []
    for line in process.stdout:
        read.append(line)
        if text in line:
            return line
    raise AssertionError(f"no {text!r} in {''.join(read)!r}")


def ended(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> int:
    """End a command as a person does, and return its exit status."""
    process.send_signal(number)
    process.communicate(timeout=60)
    return process.returncode


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy once for all tests, and leave nothing behind."""
    folder = tmp_path_factory.mktemp("operator")
    text = (ROOT / "environments" / "sandbox.yaml").read_text(encoding="utf-8")
    for ours, others in NUMBERS:
        assert ours in text
        text = text.replace(ours, others)
    (folder / "compose.yaml").write_text(SERVICES, encoding="utf-8")
    file = folder / f"{NAME}.yaml"
    file.write_text(f"{text}services: {folder / 'compose.yaml'}\n", encoding="utf-8")
    environment = Environment(name=NAME, settings_file=file, root=ROOT)
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DOCKER_"))}
    found = Deployed(
        environment=environment,
        variables={
            **variables,
            "ENVIRONMENT": str(file),
            "DOCKER_CONFIG": str(folder / "docker"),
            "SHELL": "/bin/sh",
        },
    )
    try:
        found.must("up")
        yield found
    finally:
        down = found.run("down")
        assert down.returncode == 0, down.stdout + down.stderr
        assert left_of(found.sandbox()) == []
        shutil.rmtree(environment.directory)
        shutil.rmtree(environment.output)


def test_all_that_only_looks(deployed: Deployed) -> None:
    commands = {
        "ps": ("ps", "--json"),
        "top": ("top", "--json"),
        "env": ("env",),
        "doctor": ("doctor",),
        "os": ("os", "status", "--json"),
        "lock": ("lock", "status"),
        "ssh": ("ssh", "echo", "two words", "$HOME"),
    }
    with ThreadPoolExecutor(3) as pool:
        told = dict(
            zip(commands, pool.map(lambda w: deployed.must(*w), commands.values()), strict=True)
        )
    there = {one["service"]: one["state"] for one in json.loads(told["ps"])}
    assert there == {"web": "running", "hidden": "running"}
    used = {one["name"]: one["usage"] for one in json.loads(told["top"])}
    assert set(used) == {"machine", "web-1", "hidden-1"}
    assert all(usage["memory"] > 0 for usage in used.values())
    assert used["machine"]["disk_size"] > 0
    host = f"tcp://{deployed.address}:2376"
    shell = f'{told["env"]}\necho "$DOCKER_HOST $DOCKER_TLS_VERIFY $DOCKER_CERT_PATH"'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout == f"{host} 1 {deployed.environment.certificates}\n"
    assert told["doctor"].endswith("nothing is wrong\n"), told["doctor"]
    assert "Debian" in json.loads(told["os"])[0]["system"]
    assert told["lock"] == f"environment {NAME}: nobody works on it\n"
    assert told["ssh"] == "two words $HOME\n"


def test_docker_reaches_the_machine_by_a_context_of_its_own(deployed: Deployed) -> None:
    told = deployed.must("context")
    assert told.startswith(f"Docker context moor-{NAME}: made\n")
    docker = shutil.which("docker")
    if docker is not None:
        words = [docker, "--context", f"moor-{NAME}", "ps", "--format", "{{.Names}}"]
        there = subprocess.run(
            words, env=deployed.variables, capture_output=True, text=True, check=True
        )
        assert sorted(there.stdout.split()) == ["moor-hidden-1", "moor-web-1"]


def test_files_travel_both_ways(deployed: Deployed, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("and back", encoding="utf-8")
    deployed.must("scp", str(tmp_path / "there"), ":/tmp/there")
    deployed.must("scp", ":/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text(encoding="utf-8") == "and back"


def test_output_is_in_the_order_of_time_and_followed_beyond_a_restart(deployed: Deployed) -> None:
    assert got(f"http://{deployed.address}/passwd") == 200
    lines = deployed.must("logs", "--timestamps", "--since", "10m").splitlines()
    times = [line.split()[2] for line in lines]
    assert times == sorted(times)
    assert {line.split()[0] for line in lines} == {"web-1", "hidden-1"}
    follows = deployed.started("logs", "--follow", "--tail", "0", "hidden")
    assert line_with(follows, "tick").startswith("hidden-1 | tick")
    assert deployed.must("restart", "hidden") == "moor-hidden-1: restarted\n"
    assert line_with(follows, "begun") == "hidden-1 | begun\n"
    assert ended(follows) == 0


def test_a_program_in_a_container(deployed: Deployed) -> None:
    text = 'cat; echo "$GREETING $MORE"; echo wrong >&2; exit 7'
    done = deployed.run("exec", "--env", "MORE=more", "web", "sh", "-c", text, typed="piped\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "piped\nhello more\n", "wrong\n")
    done = deployed.run("exec", "wbe", "true")
    assert done.returncode == 2
    assert done.stderr == (
        "error: service: must be the name of one, got 'wbe'; did you mean web?\n"
    )
    # A program that is over before its terminal has a size ends as it would elsewhere.
    assert deployed.at_a_terminal("exec", "web", "sh", "-c", "exit 7") == 7


def test_one_more_container_has_the_services_configuration_and_is_gone_after(
    deployed: Deployed,
) -> None:
    # The port of the service is taken by its own container, and this one asks for none.
    text = 'cat; echo "$GREETING" > /data/said; wget -q -O- http://web:8080/hostname; exit 5'
    done = deployed.run("run", "web", "sh", "-c", text, typed="piped\n")
    assert done.returncode == 5, done.stderr
    assert done.stdout.startswith("piped\n")
    assert deployed.must("exec", "web", "cat", "/data/said") == "hello\n"
    trap = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    waits = deployed.started("run", "web", "sh", "-c", trap)
    line_with(waits, "ready")
    waits.send_signal(signal.SIGTERM)
    line_with(waits, "caught")
    waits.communicate(timeout=60)
    assert waits.returncode == 9
    assert deployed.containers() == {"moor-web-1": "running", "moor-hidden-1": "running"}


def test_a_port_that_nobody_opens_is_reached_and_a_restart_is_followed(deployed: Deployed) -> None:
    forward = deployed.started("port-forward", "hidden", "0:9000")
    line = line_with(forward, "leads to port 9000 of hidden-1")
    local = line.split()[0]
    assert got(f"http://{local}/passwd") == 200
    deployed.must("restart", "hidden")
    deadline = time.monotonic() + 60
    while True:
        try:
            status = got(f"http://{local}/passwd")
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert status == 200
    # Whatever ends it, nothing of it is left.
    assert ended(forward, signal.SIGKILL) == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while is_open("127.0.0.1", int(local.rpartition(":")[2])):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_is_wrong_is_found_and_the_next_deployment_mends_it(deployed: Deployed) -> None:
    ec2 = client(deployed.sandbox(), "ec2")
    (group,) = (
        g
        for g in ec2.describe_security_groups()["SecurityGroups"]
        if g["GroupName"].endswith("allow-all-http-https")
    )
    permissions = [p for p in group["IpPermissions"] if p["FromPort"] == 80]
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=permissions)
    key = deployed.environment.ssh / "id_ed25519"
    key.chmod(0o644)
    told = deployed.must("stop", "hidden")
    assert told.startswith("moor-hidden-1: stopped\nnext: ")
    assert "or the next deployment, starts what is stopped" in told
    doctor, status = deployed.run("doctor", "--fix"), deployed.run("status")
    assert status.returncode == 1
    assert "moor-hidden-1: must run, got exited" in status.stderr
    assert doctor.returncode == 1
    assert f"{key}: chmod 600 {key}" in doctor.stdout
    assert key.stat().st_mode & 0o777 == 0o600
    assert "aws.http.ports: 80: must be open to 0.0.0.0/0, got no such rule" in doctor.stdout
    up = deployed.started("up")
    line_with(up, "sandbox")
    # Whoever comes second is told who is first.
    second = deployed.run("restart", "web")
    assert second.returncode == 1
    assert second.stderr == (
        f"error: environment {NAME}: must have one command at a time, got another at work "
        f"(process {up.pid}); wait until it has ended; `moor lock status` tells what it does\n"
    )
    (lock,) = json.loads(deployed.must("lock", "status", "--json"))
    assert lock["what"] == f"environment {NAME}"
    assert up.pid in lock["processes"]
    assert "moor up" in lock["doing"]
    refused = deployed.run("lock", "release")
    assert refused.returncode == 1
    assert "must be held by nobody who is at work" in refused.stderr
    out, _ = up.communicate(timeout=300)
    assert up.returncode == 0, out
    assert deployed.containers() == {"moor-web-1": "running", "moor-hidden-1": "running"}
    assert deployed.must("doctor").endswith("nothing is wrong\n")


def test_an_update_of_the_system_is_taken_by_a_reboot_that_waits_for_all_services(
    deployed: Deployed, tmp_path: Path
) -> None:
    # The machine is no Flatcar: it gets as much of its update engine as is asked of it.
    (tmp_path / "update").write_text(UPDATES, encoding="utf-8")
    deployed.must("scp", str(tmp_path / "update"), ":update")
    install = "sudo install -D -m 755 update /opt/bin/update_engine_client"
    deployed.must("ssh", install)
    told = deployed.must("os", "update")
    assert "machine: an update waits for a reboot: 4593.2.0" in told
    begin = time.monotonic()
    told = deployed.must("os", "reboot", "--if-needed")
    assert told.splitlines()[-1].startswith("rebooted in ")
    # By itself the system waits 90 s for what is deaf.
    assert time.monotonic() - begin < 80
    assert deployed.containers() == {"moor-web-1": "running", "moor-hidden-1": "running"}
    assert got(f"http://{deployed.address}/passwd") == 200
