"""The services of a Compose file in a swarm: deployed, changed, refused and looked at.

The swarm is one machine of the sandbox, without what several machines take to find each other. What
its services say to each other goes over an overlay network all the same.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from compose_machine import ROOT, ComposeMachine
from docker.errors import DockerException
from trial_sandbox import left_of, make_sandbox, wait_for

from constructs_lib.host import engine as machine_engine
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from constructs_lib.swarm.content_name import KINDS
from constructs_lib.swarm.contents import of_project
from constructs_lib.swarm.withdrawal import withdraw
from moor.outputs import Outputs
from moor.plan import read_plan
from moor.swarm.results import restore
from moor.swarm.upkeep import services_that_end
from moor.toolchain.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker import DockerClient

EXAMPLE = ROOT / "services" / "swarm" / "compose.yaml"
PROJECT = "shop"
TOKEN = "a-token-that-nobody-else-says"  # noqa: S105  (it is looked for everywhere)
OTHER_TOKEN = "another-token-that-nobody-says"  # noqa: S105
PORT = 18100


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmMachine(ComposeMachine):
    """A machine that is a swarm by itself.

    Attributes:
        address: Where its published ports answer.
    """

    address: str = field(default="")

    @property
    def identities(self) -> Path:
        """Where the steps write what the engine calls secrets and configs."""
        return self.folder / "contents"

    def synth(self, file: Path, project: str, *more: Path) -> Path:
        """Write the Terraform configuration of Compose files. Returns its folder."""
        out = self.folder / "out"
        files = os.pathsep.join(map(str, (file, *more)))
        words = [str(ROOT / "tests" / "sandbox" / "compose_app.py"), files, project, str(out)]
        self._run(
            [sys.executable, *words, str(self.folder / "vault"), str(self.identities)], cwd=ROOT
        )
        return out / "stacks" / "docker"

    def plan(self, file: Path, project: str, *more: Path) -> dict[str, list[str]]:
        """Return what would be done, and print it for who looks at a test that failed."""
        found = ComposeMachine.plan(self, file, project, *more)
        print(self.terraform("show", "-no-color", "plan"))  # noqa: T201
        return found

    def apply(self, file: Path, project: str, *more: Path) -> str:
        """Deploy Compose files as `moor up` does it.

        Terraform alone fails where it removes or replaces a service: see
        `constructs_lib.swarm.withdrawal`.
        """
        self.synth(file, project, *more)
        self.terraform("init", "-input=false", "-no-color")
        self.terraform("plan", "-input=false", "-no-color", "-out=plan")
        plan = read_plan("docker", json.loads(self.terraform("show", "-json", "plan")))
        withdraw(self.client, services_that_end(plan), seconds=60)
        return self.terraform("apply", "-input=false", "-no-color", "plan")

    def known(self, **variables: str) -> SwarmMachine:
        """Return the same machine for a file with other variables."""
        return replace(self, secrets={**self.secrets, **variables})

    def service(self, name: str) -> dict[str, Any]:
        """Return what the engine says of a service."""
        api: Any = self.client.api
        found: dict[str, Any] = api.inspect_service(f"{PROJECT}_{name}")
        return found

    def running(self, name: str) -> list[dict[str, Any]]:
        """Return the tasks of a service that run and are meant to."""
        filters = {"service": f"{PROJECT}_{name}", "desired-state": "running"}
        api: Any = self.client.api
        tasks: list[dict[str, Any]] = api.tasks(filters=filters)
        return [task for task in tasks if task["Status"]["State"] == "running"]

    def page(self) -> str:
        """Return what the page says."""
        url = f"http://{self.address}:{PORT}/cgi-bin/index.cgi"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found: str = answer.read().decode()
            return found

    def contents(self) -> dict[str, list[str]]:  # type: ignore[override]  # of the swarm, not of containers
        """Return the names of the project's secrets and configs, without their hashes."""
        return {
            kind: sorted(name.rpartition("_")[0] for name in of_project(self.client, kind, PROJECT))
            for kind in KINDS
        }


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmMachine]:
    """Deploy an environment of the tests' own, and make a swarm of its machine."""
    text = (ROOT / "environments" / "sandbox.yaml").read_text(encoding="utf-8")
    for ours, others in (
        ("api_port: 4599", "api_port: 4693"),
        ("127.18.0.0/24", "127.26.0.0/24"),
        ("172.30.18", "172.30.26"),
        ("service_ports: [9200]", f"service_ports: [{PORT}]"),
        ("# services: ../services/compose.yaml", "services: nothing.yaml"),
    ):
        assert ours in text
        text = text.replace(ours, others)
    folder = tmp_path_factory.mktemp("swarm")
    (folder / "nothing.yaml").write_text("services: {}\n")
    file = folder / "swarm-services.yaml"
    file.write_text(text, encoding="utf-8")
    environment = Environment(name=file.stem, settings_file=file, root=ROOT)
    variables = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    variables["ENVIRONMENT"] = str(file)
    _command(variables, "down")
    shutil.rmtree(environment.directory, ignore_errors=True)
    settings = load_settings(file).sandbox
    assert settings is not None
    sandbox = make_sandbox(environment.name, settings)
    _command(variables, "up")
    outputs = Outputs.load(environment)
    address = outputs.docker_host.removeprefix("tcp://").partition(":")[0]
    client = machine_engine.connect(outputs.docker_host, environment.certificates, timeout=60)
    try:
        _make_a_swarm(environment, address, client)
        yield SwarmMachine(
            environment=environment,
            docker_host=outputs.docker_host,
            registry=settings.registry,
            client=client,
            folder=folder,
            address=address,
            secrets={
                "STORE_TOKEN": TOKEN,
                "BASE_IMAGE": f"{settings.registry}/busybox:1.36",
                "WEB_PORT": str(PORT),
                "WEB_REPLICAS": "1",
            },
        )
    finally:
        client.close()
        _command(variables, "down")
        assert left_of(sandbox) == []
        shutil.rmtree(environment.directory)
        shutil.rmtree(environment.output)


def _make_a_swarm(environment: Environment, address: str, client: DockerClient) -> None:
    """Make a swarm of one machine, whose engine was started for a machine by itself."""
    # What a swarm refuses, and user data for one leaves out.
    script = (
        "sudo sed -i '/live-restore/s/true/false/' /etc/docker/daemon.json && "
        "sudo systemctl restart docker.service"
    )
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
    words = [word for option in options for word in ("-o", option)]
    key = environment.ssh / "id_ed25519"
    done = subprocess.run(
        ["ssh", "-i", str(key), "-p", "2222", *words, f"core@{address}", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wait_for(lambda: _answers(client), "the engine")
    client.swarm.init(advertise_addr="eth0", listen_addr="0.0.0.0:2377")


def _answers(client: DockerClient) -> bool:
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False


def _command(variables: dict[str, str], name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "moor", name],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_example_is_deployed_and_its_services_talk_to_each_other(
    machine: SwarmMachine,
) -> None:
    machine.apply(EXAMPLE, PROJECT)
    wait_for(lambda: "todo=0" not in machine.page() and "todo=" in machine.page(), "jobs")
    host = machine.client.info()["Name"]
    said = machine.page()
    assert said.startswith(f"node={host} task=")
    assert "hello from a swarm" in said
    assert f"nodes={host} " in said
    names = ["agent", "api", "scheduler", "store", "web", "worker"]
    assert [len(machine.running(name)) for name in names] == [1, 2, 1, 1, 1, 1]
    labels = machine.client.api.nodes()[0]["Spec"]["Labels"]
    assert labels[f"moor.volume.{PROJECT}.numbers"] == "yes"
    ports = machine.service("web")["Endpoint"]["Ports"]
    assert [(p["PublishMode"], p["PublishedPort"]) for p in ports] == [("host", PORT)]
    begin = time.monotonic()
    assert machine.plan(EXAMPLE, PROJECT) == {}
    assert time.monotonic() - begin < 30


def test_a_secret_is_nowhere_but_in_the_swarm(machine: SwarmMachine) -> None:
    # The folder that only its owner can read is what the content passes through.
    vault = machine.folder / "vault"
    found = [
        file
        for file in machine.folder.rglob("*")
        if file.is_file() and vault not in file.parents and TOKEN.encode() in file.read_bytes()
    ]
    assert found == []
    assert machine.contents() == {
        "secret": ["shop_token"],
        "config": ["shop_greeting", "shop_index-cgi", "shop_numbers", "shop_store"],
    }


def test_what_changes_is_what_the_plan_says(machine: SwarmMachine) -> None:
    tasks = {name: [t["ID"] for t in machine.running(name)] for name in ("agent", "web", "store")}
    other = machine.known(STORE_TOKEN=OTHER_TOKEN)
    plan = other.plan(EXAMPLE, PROJECT)
    assert {a: w for a, w in plan.items() if a.startswith("docker_")} == {
        address: ["update"]
        for address in plan
        if address.startswith("docker_service") and "web" not in address
    }
    assert len([a for a in plan if a.startswith("docker_service")]) == 5
    other.apply(EXAMPLE, PROJECT)
    wait_for(lambda: "todo=" in machine.page(), "the store to know the new secret")
    # The old secret is gone, and the page, which knows none, has the task that it had.
    assert machine.contents()["secret"] == ["shop_token"]
    assert [t["ID"] for t in machine.running("web")] == tasks["web"]
    assert [t["ID"] for t in machine.running("store")] != tasks["store"]
    assert other.plan(EXAMPLE, PROJECT) == {}


def test_a_changed_network_replaces_its_service_and_the_name_is_free(
    machine: SwarmMachine, tmp_path: Path
) -> None:
    # The provider removes a service and waits for its containers no longer than its
    # stop_grace_period, to the moment; the swarm takes longer on a busy machine. And it removes the
    # network at once, which the swarm refuses while a task that it has not yet told to end is on
    # it. So the services have no tasks any more when the plan is applied: `apply` does as
    # `moor up`.
    machine = machine.known(STORE_TOKEN=OTHER_TOKEN)
    override = tmp_path / "override.yaml"
    override.write_text(
        "services:\n"
        "  worker: {networks: [back, front], deploy: {replicas: 2}}\n"
        "  scheduler: {deploy: {mode: global}}\n"
        "  agent: {extra_hosts: ['somebody:192.0.2.1']}\n"
        "networks: {front: {labels: {another: network}}}\n"
    )
    plan = machine.plan(EXAMPLE, PROJECT, override)
    # Those three, and the two that are on the network which is another one.
    replaced = [w for a, w in plan.items() if a.startswith("docker_service")]
    assert replaced == [["delete", "create"]] * 5
    machine.apply(EXAMPLE, PROJECT, override)
    assert len(machine.running("worker")) == 2
    assert "Global" in machine.service("scheduler")["Spec"]["Mode"]
    assert machine.plan(EXAMPLE, PROJECT, override) == {}


def test_an_option_that_is_taken_out_of_the_file_goes(
    machine: SwarmMachine, tmp_path: Path
) -> None:
    machine = machine.known(STORE_TOKEN=OTHER_TOKEN)
    override = tmp_path / "override.yaml"
    override.write_text(
        "services:\n"
        "  worker:\n"
        "    healthcheck: {test: [CMD, 'true'], interval: 1s, timeout: 90s}\n"
        "    dns: [192.0.2.1]\n"
        "    dns_opt: ['ndots:1']\n"
        "    cap_drop: [NET_RAW]\n"
        "    user: '1000:1000'\n"
        "    hostname: worker\n"
        "    stop_signal: SIGINT\n"
        "    tmpfs: ['/scratch:size=1m,mode=1777']\n"
        "    logging: {driver: json-file, options: {max-size: 1m}}\n"
        "    volumes: [/proc/loadavg:/load:ro, {type: tmpfs, target: /memory}]\n"
        "    deploy:\n"
        "      placement:\n"
        "        constraints: [node.role==manager]\n"
        "        preferences: [{spread: node.labels.zone}]\n"
        "        max_replicas_per_node: 2\n"
        "      resources:\n"
        "        limits: {cpus: '0.5', memory: 64m}\n"
        "        reservations: {cpus: '0.1', memory: 16m}\n"
        "      restart_policy: {condition: on-failure, delay: 1500ms, max_attempts: 3, window: "
        "2m}\n"
        "      update_config: {parallelism: 0, delay: 1s, max_failure_ratio: 0.5, monitor: 2s}\n"
        "      rollback_config: {order: start-first}\n"
    )
    machine.apply(EXAMPLE, PROJECT, override)
    spec = machine.service("worker")["Spec"]["TaskTemplate"]
    assert spec["Placement"]["Constraints"] == ["node.role==manager"]
    assert spec["RestartPolicy"]["Delay"] == 15 * 10**8
    assert machine.plan(EXAMPLE, PROJECT, override) == {}
    machine.apply(EXAMPLE, PROJECT)
    spec = machine.service("worker")["Spec"]
    container = spec["TaskTemplate"]["ContainerSpec"]
    assert not spec["TaskTemplate"]["Placement"].get("Constraints")
    assert not spec["TaskTemplate"]["Resources"].get("Limits", {}).get("MemoryBytes")
    assert not container["Healthcheck"].get("Test")
    assert not container["DNSConfig"].get("Nameservers")
    assert "User" not in container
    assert "UpdateConfig" not in spec
    assert machine.plan(EXAMPLE, PROJECT) == {}


def test_deploying_fails_with_what_the_tasks_say(machine: SwarmMachine, tmp_path: Path) -> None:
    machine = machine.known(STORE_TOKEN=OTHER_TOKEN)
    override = tmp_path / "override.yaml"
    override.write_text("services: {worker: {command: [/no/such/program]}}\n")
    machine.synth(EXAMPLE, PROJECT, override)
    said = machine.terraform("apply", "-auto-approve", "-input=false", "-no-color", expect=1)
    assert "shop_worker: must be" in said
    assert "/no/such/program" in said
    # The step has failed and is taken again; the service is as the file says.
    assert [a for a in machine.plan(EXAMPLE, PROJECT, override) if "docker_service" in a] == []
    machine.apply(EXAMPLE, PROJECT)
    assert len(machine.running("worker")) == 1
    assert machine.plan(EXAMPLE, PROJECT) == {}


def test_what_the_engine_calls_a_secret_is_found_again(machine: SwarmMachine) -> None:
    machine = machine.known(STORE_TOKEN=OTHER_TOKEN)
    before = {f.name: f.read_bytes() for f in machine.identities.iterdir()}
    for file in machine.identities.iterdir():
        file.write_bytes(file.read_bytes().replace(b'"serial": 1', b'"serial": 2'))
    assert len(before) == 5
    (lost,) = machine.identities.glob("secret-shop_token_*")
    lost.unlink()
    stack = Stack(name="docker", folder=machine.folder / "out" / "stacks" / "docker")
    assert restore(machine.client, stack, machine.identities) == []
    after = {f.name: json.loads(f.read_bytes())["outputs"] for f in machine.identities.iterdir()}
    assert after == {name: json.loads(data)["outputs"] for name, data in before.items()}
    assert machine.plan(EXAMPLE, PROJECT) == {}
