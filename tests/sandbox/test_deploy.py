"""The whole chain, for real: deploy, look from outside, deploy again, break things, destroy.

The tests share one deployment and run in the order of the file: a later one may rely on
what an earlier one left. Each starts from a deployed environment and leaves it deployed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from trial_sandbox import Shell, client, footprint, make_sandbox

from constructs_lib.host import engine as machine_engine
from constructs_lib.host.docker_api_probe import DockerApiProbe, ProbeError
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import load_settings
from moor.outputs import Outputs
from sandbox.engine.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

    from sandbox.lifecycle import Sandbox
    from sandbox.status import InstanceStatus

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 600

UNCHANGED = "0 to add, 0 to change, 0 to destroy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """An environment of the tests' own, and the commands on it."""

    environment: Environment
    variables: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m moor WORDS`, and give what it printed."""
        return self._run([sys.executable, "-m", "moor", *words])

    def cdktf(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `cdktf WORDS` as one types it inside the environment."""
        return self._run([str(ROOT / ".venv" / "bin" / "cdktf"), *words])

    def up(self) -> str:
        """Deploy, which must succeed."""
        done = self.run("up")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def outputs(self) -> Outputs:
        """What the last deployment told."""
        return Outputs.load(self.environment)

    def sandbox(self) -> Sandbox:
        """Give the sandbox beneath."""
        settings = load_settings(self.environment.settings_file).sandbox
        assert settings is not None
        return make_sandbox(self.environment.name, settings)

    def machine(self) -> InstanceStatus:
        """Give the one machine that runs."""
        (found,) = [i for i in self.sandbox().status().instances if i.state == "running"]
        return found

    def ec2(self) -> Any:  # noqa: ANN401  # boto3 has no types
        """Give a client of the emulated EC2."""
        return client(self.sandbox(), "ec2")

    def container(self, service: str) -> Container:
        """Give the container of a service, as the engine on the machine sees it."""
        certificates = self.environment.certificates
        engine = machine_engine.connect(self.outputs.docker_host, certificates)
        try:
            (found,) = [c for c in engine.containers.list(all=True) if service in str(c.name)]
        finally:
            engine.close()
        return found

    def probe(self) -> DockerApiProbe:
        """Give the proof from outside."""
        return DockerApiProbe(
            host=self.outputs.public_ip,
            port=2376,
            certificates=self.environment.certificates,
            timeout_seconds=20,
        )

    def shell(self, command: str) -> str:
        """Run a command on the machine, over SSH."""
        key = self.environment.ssh / "id_ed25519"
        return Shell(key=key, port=2222).output(self.outputs.public_ip, command)

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deploy once for all tests, and leave nothing behind."""
    text = (ROOT / "environments" / "sandbox.yaml").read_text(encoding="utf-8")
    for ours, others in (
        ("api_port: 4599", "api_port: 4697"),
        ("127.18.0.0/24", "127.21.0.0/24"),
        ("172.30.18", "172.30.21"),
    ):
        assert ours in text
        text = text.replace(ours, others)
    file = tmp_path_factory.mktemp("environments") / "deploy-test.yaml"
    file.write_text(text, encoding="utf-8")
    environment = Environment(name=file.stem, settings_file=file, root=ROOT)
    variables = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    made = Deployment(environment=environment, variables={**variables, "ENVIRONMENT": str(file)})
    made.run("down")
    shutil.rmtree(environment.directory, ignore_errors=True)
    assert left_of(made) == []
    made.up()
    assert left_of(made) != []
    yield made
    done = made.run("down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert left_of(made) == []
    shutil.rmtree(environment.directory)
    shutil.rmtree(environment.output)


def left_of(made: Deployment) -> list[str]:
    """List what is there of the deployment; what others do meanwhile is not looked at."""
    mark = f"moor-{made.environment.name}"
    found = footprint(made.sandbox())
    lines = [line for kind in found.values() for line in kind]
    engine_url = made.sandbox().status().engine_url
    if engine_url:
        engine = connect(engine_url)
        lines += [str(c.name) for c in engine.containers.list(all=True)]
        engine.close()
    folder = str(made.environment.directory)
    return [line for line in lines if mark in line or folder in line or "172.30.21." in line]


def get(url: str) -> tuple[int, bytes]:
    # No proxy: the address is on this computer.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        return answer.status, answer.read()


def test_the_services_answer(deployment: Deployment) -> None:
    services = deployment.outputs.services
    status, body = get(services["elastic"])
    assert status == 200
    assert json.loads(body)["name"] == "elastic"
    status, body = get(services["web"])
    assert status == 200
    assert body == (ROOT / "services" / "web" / "index.html").read_bytes()


def test_the_container_is_the_recipes(deployment: Deployment) -> None:
    elastic = deployment.container("elastic")
    config, host = elastic.attrs["Config"], elastic.attrs["HostConfig"]
    assert elastic.status == "running"
    assert config["Hostname"] == "elastic"
    assert {"SERVICE=elastic", "PROJECT=moor", "ENVIRONMENT=deploy-test"} <= set(config["Env"])
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["PortBindings"]["9200/tcp"][0]["HostPort"] == "9200"
    (mount,) = elastic.attrs["Mounts"]
    assert mount["Type"] == "volume"
    assert mount["Destination"] == "/usr/share/elasticsearch/data"
    assert "bridge" not in elastic.attrs["NetworkSettings"]["Networks"]


def test_strangers_are_refused(deployment: Deployment) -> None:
    passed: list[str] = []
    deployment.probe().run(passed.append)
    assert len(passed) == 4


def test_a_second_deployment_changes_nothing(deployment: Deployment) -> None:
    before = deployment.container("elastic").id
    out = deployment.up()
    assert out.count(UNCHANGED) == 2
    assert deployment.container("elastic").id == before


def test_cdktf_by_hand_does_the_same(deployment: Deployment) -> None:
    done = deployment.cdktf("deploy", "*", "--auto-approve")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("0 added, 0 changed, 0 destroyed") == 2


def test_two_deployments_at_once_are_refused(deployment: Deployment) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "moor", "up"],
        cwd=ROOT,
        env=deployment.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as first:
        assert first.stdout is not None
        # Its first line comes from cdktf, so that it has the lock by then.
        assert first.stdout.readline()
        second = deployment.run("up")
        by_hand = deployment.cdktf("destroy", "*", "--auto-approve")
        first.communicate(timeout=PATIENCE_SECONDS)
    assert first.returncode == 0
    text = (
        "environment deploy-test: must have one command at a time, "
        f"got another at work (process {first.pid}); wait until it has ended"
    )
    assert second.returncode == 1
    assert second.stderr.strip() == f"error: {text}"
    assert by_hand.returncode == 1
    assert by_hand.stderr.strip() == text


def test_no_private_key_leaves_its_file(deployment: Deployment) -> None:
    environment = deployment.environment
    folders = (environment.output, environment.state, environment.log)
    files = [f for folder in folders for f in folder.rglob("*") if f.is_file()]
    assert len(files) > 5
    assert [f for f in files if b"PRIVATE KEY" in f.read_bytes()] == []
    machine = deployment.machine().id
    answer = deployment.ec2().describe_instance_attribute(InstanceId=machine, Attribute="userData")
    assert "PRIVATE KEY" not in json.dumps(answer["UserData"])
    for file in (environment.pki, environment.certificates, environment.ssh):
        assert file.stat().st_mode & 0o777 == 0o700
    keys = [*environment.directory.rglob("*key.pem"), environment.ssh / "id_ed25519"]
    assert len(keys) == 4
    assert [f.stat().st_mode & 0o777 for f in keys] == [0o600] * 4


def test_only_the_ports_of_the_groups_are_open(deployment: Deployment) -> None:
    assert deployment.machine().ports == (80, 443, 2222, 2376, 9200)


def test_the_docker_api_survives_a_reboot_behind_tls(deployment: Deployment) -> None:
    machine = deployment.machine().id
    elastic = deployment.container("elastic").attrs["State"]["StartedAt"]
    deployment.ec2().reboot_instances(InstanceIds=[machine])
    assert deployment.container("elastic").attrs["State"]["StartedAt"] == elastic
    deployment.probe().run(lambda _: None)


def test_a_stopped_container_is_started_again(deployment: Deployment) -> None:
    # After the reboot `elastic`, which restarts by itself never, is down.
    assert deployment.container("elastic").status == "exited"
    deployment.up()
    assert deployment.container("elastic").status == "running"


def test_a_due_certificate_runs_the_provisioning_again_and_nothing_else(
    deployment: Deployment,
) -> None:
    # Time makes it due, which the tests of the PKI show; here its request is gone, and the
    # next one has another lifetime.
    environment = deployment.environment
    old = (environment.pki / "server.pem").read_bytes()
    for name in ("server-request.json", "server.pem"):
        (environment.pki / name).unlink()
    out = deployment.up()
    assert "1 to add, 0 to change, 1 to destroy" in out
    assert (environment.pki / "server.pem").read_bytes() != old
    deployment.probe().run(lambda _: None)


def test_a_failed_proof_is_repeated_and_never_taints_the_machine(deployment: Deployment) -> None:
    machine = deployment.machine().id
    state = deployment.environment.state / "aws.tfstate"
    # A machine that trusts another authority would lock us out, or let others in.
    deployment.shell("sudo cp /etc/docker/server.pem /etc/docker/ca.pem")
    for name in ("server-request.json", "server.pem"):
        (deployment.environment.pki / name).unlink()
    failed = deployment.run("up")
    assert failed.returncode == 1
    assert "must be a valid server certificate of /etc/docker/ca.pem" in failed.stdout
    tainted = [
        r["type"]
        for r in json.loads(state.read_text())["resources"]
        for i in r["instances"]
        if i.get("status") == "tainted"
    ]
    assert tainted == ["terraform_data"]
    with pytest.raises(ProbeError):
        deployment.probe().check_our_certificate()
    # User data is applied at every boot, and brings the CA back.
    deployment.ec2().reboot_instances(InstanceIds=[machine])
    deployment.up()
    deployment.probe().run(lambda _: None)
    assert deployment.machine().id == machine


def test_a_killed_emulator_starts_from_nothing_and_says_so(deployment: Deployment) -> None:
    file = deployment.environment.sandbox / "process.json"
    os.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)
    out = deployment.up()
    assert "the emulated AWS that the Terraform state speaks of is gone" in out
    deployment.probe().run(lambda _: None)
    assert get(deployment.outputs.services["web"])[0] == 200
