"""A swarm of three managers and two workers, for real: deployed, broken, mended, destroyed.

The tests share one deployment and run in the order of the file. Each starts from a whole swarm and
leaves it whole.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from limited_user import limited_user
from trial_sandbox import client, left_of, make_sandbox

from constructs_lib.aws.permissions import policy, without_conditions
from constructs_lib.host import engine as machine_engine
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor import deployment_lock
from moor.deployment import deploying
from moor.outputs import Outputs
from moor.session import Session
from sandbox.engine.connect import connect
from sandbox.names import Owner, project_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient
    from docker.models.containers import Container

    from sandbox.lifecycle import Sandbox

ROOT = Path(__file__).resolve().parents[2]
NAME = "swarm-test"
TOKEN = "a-token-of-the-store-that-nobody-else-says"  # noqa: S105  (it is looked for everywhere)
UNCHANGED = "0 to add, 0 to change, 0 to destroy"
NODES = ["manager-1", "manager-2", "manager-3", "web-1", "web-2"]
BUILT_PORT = 8081
VOLUME = "moor.volume.moor-swarm.numbers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The swarm's environment, and the commands on it."""

    environment: Environment
    variables: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m moor WORDS`, and return what it printed."""
        return subprocess.run(
            [sys.executable, "-m", "moor", *words],
            cwd=ROOT,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )

    def must(self, *words: str) -> str:
        """Run a command that must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def sandbox(self) -> Sandbox:
        """Return the sandbox beneath."""
        settings = load_settings(self.environment.settings_file).sandbox
        assert settings is not None
        return make_sandbox(NAME, settings)

    @property
    def nodes(self) -> Any:  # noqa: ANN401  (what the outputs tell of each)
        """What the last deployment told of the nodes, by name."""
        return Outputs.load(self.environment).nodes

    def engine(self, name: str = "manager-3") -> DockerClient:
        """Return the engine of a node."""
        host = f"tcp://{self.nodes[name].public_ip}:2376"
        return machine_engine.connect(host, self.environment.certificates)

    def machine(self, name: str) -> Container:
        """Return the container that is a node's machine."""
        owner = Owner(environment=NAME, project=project_of(ROOT))
        engine = connect(self.sandbox().status().engine_url)
        return engine.containers.get(owner.name(self.nodes[name].instance_id))

    def members(self, asked: str = "manager-3") -> dict[str, str]:
        """Return the state of each node of the swarm, by the name that the settings give it."""
        nodes = self.engine(asked).api.nodes()
        return {n["Spec"]["Labels"]["moor.node"]: n["Status"]["State"] for n in nodes}

    def labels(self) -> dict[str, dict[str, str]]:
        """Return the labels of each node of the swarm, by its name."""
        nodes = self.engine().api.nodes()
        return {n["Spec"]["Labels"]["moor.node"]: n["Spec"]["Labels"] for n in nodes}

    def nodes_of_ec2(self) -> int:
        """Return how many machines EC2 runs."""
        found = client(self.sandbox(), "ec2").describe_instances()["Reservations"]
        states = [i["State"]["Name"] for page in found for i in page["Instances"]]
        return states.count("running")

    def pages(self, port: int = 80, path: str = "/cgi-bin/index.cgi") -> list[str]:
        """Return what each node says that answers on a port."""
        found = []
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for node in self.nodes.values():
            try:
                with opener.open(f"http://{node.public_ip}:{port}{path}", timeout=10) as answer:
                    found.append(answer.read().decode())
            except OSError:
                continue
        return found


def _destroy(environment: Environment) -> None:
    """Destroy both stacks as `moor down` does, and leave the emulated AWS as it is."""
    session = Session(environment=environment)
    screen = session.screen()
    with (
        deployment_lock.held(environment, screen.say) as lock,
        deploying(session, screen, lock) as deployment,
    ):
        deployment.down(approve=True)


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy the example, with a further service whose image is built here; destroy it after."""
    folder = tmp_path_factory.mktemp("swarm")
    document = yaml.safe_load((ROOT / "environments" / "swarm.yaml").read_text(encoding="utf-8"))
    built = folder / "built.yaml"
    built.write_text(
        yaml.safe_dump(
            {
                "services": {
                    "built": {
                        "build": {
                            "context": str(Path(__file__).with_name("built_page")),
                            "args": {"BASE_IMAGE": "${BASE_IMAGE}"},
                        },
                        "command": ["httpd", "-f", "-p", "8080", "-h", "/www"],
                        "init": True,
                        "ports": [f"{BUILT_PORT}:8080"],
                        "deploy": {"mode": "global"},
                    }
                }
            }
        ),
        encoding="utf-8",
    )
    document["services"] = [str(ROOT / "services" / "swarm" / "compose.yaml"), str(built)]
    document["variables"]["STORE_TOKEN"] = TOKEN
    document["aws"]["http"] = {"ports": [80, BUILT_PORT]}
    settings = folder / f"{NAME}.yaml"
    settings.write_text(yaml.safe_dump(document), encoding="utf-8")
    environment = Environment.from_variable(ROOT, {"ENVIRONMENT": str(settings)})
    found = Deployed(
        environment=environment, variables={**os.environ, "ENVIRONMENT": str(settings)}
    )
    try:
        found.must("up")
        yield found
    finally:
        down = found.run("down")
        assert down.returncode == 0, down.stdout
        assert left_of(found.sandbox()) == []


def test_the_services_run_on_all_nodes_and_speak_to_each_other(deployed: Deployed) -> None:
    assert deployed.members() == dict.fromkeys(NODES, "ready")
    until(
        lambda: any(
            len(line.split()) == len(NODES)
            for page in deployed.pages()
            for line in page.splitlines()
            if line.startswith("nodes=")
        ),
        60,
    )
    pages = deployed.pages()
    assert len(pages) == 3
    assert all(page.startswith("node=ip-") for page in pages)


def test_an_image_that_is_built_here_runs_on_every_node_by_its_digest(deployed: Deployed) -> None:
    until(lambda: deployed.pages(BUILT_PORT, "/") == ["built here\n"] * len(NODES), 60)
    api: Any = deployed.engine().api
    (service,) = (s for s in api.services() if s["Spec"]["Name"].endswith("_built"))
    image = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    assert re.fullmatch(r"moor-registry:5000/moor-swarm-built@sha256:[0-9a-f]{64}", image)


def test_a_second_deployment_changes_nothing(deployed: Deployed) -> None:
    assert deployed.must("up").count(UNCHANGED) == 2


def test_no_secret_and_no_join_token_is_in_state_configuration_or_logs(deployed: Deployed) -> None:
    environment = deployed.environment
    read = 0
    for folder in (environment.state, environment.output, environment.log, environment.swarm):
        for file in folder.rglob("*"):
            if file.is_file() and not file.is_symlink():
                content = file.read_bytes()
                read += 1
                assert TOKEN.encode() not in content, file
                assert b"SWMTKN" not in content, file
    assert read > 10


@pytest.mark.long
def test_a_node_that_is_drained_gives_its_tasks_to_others(deployed: Deployed) -> None:
    deployed.must("node", "drain", "web-2")
    assert "drain" in deployed.must("node", "ls")
    api: Any = deployed.engine().api
    (node,) = (n for n in api.nodes() if n["Spec"]["Labels"]["moor.node"] == "web-2")
    running = api.tasks(filters={"node": node["ID"], "desired-state": "running"})
    assert running == []
    # A deployment leaves it to whoever has drained it.
    assert deployed.must("up").count(UNCHANGED) == 2
    deployed.must("node", "activate", "web-2")
    until(lambda: deployed.pages(BUILT_PORT, "/") == ["built here\n"] * len(NODES), 60)


@pytest.mark.long
def test_a_manager_whose_machine_is_gone_is_made_anew_and_is_the_same_node(
    deployed: Deployed,
) -> None:
    before = deployed.nodes["manager-2"]
    deployed.machine("manager-2").remove(force=True, v=True)
    deployed.must("up")
    after = deployed.nodes["manager-2"]
    assert after.instance_id != before.instance_id
    assert (after.public_ip, after.private_ip) == (before.public_ip, before.private_ip)
    assert deployed.members() == dict.fromkeys(NODES, "ready")
    # It pulls from the registry as the one before did.
    until(lambda: deployed.pages(BUILT_PORT, "/") == ["built here\n"] * len(NODES), 60)


@pytest.mark.long
def test_two_workers_are_replaced_at_once(deployed: Deployed) -> None:
    before = deployed.nodes
    told = deployed.must("host", "replace", "web-1", "web-2", "--at-once", "2", "--lose-volumes")
    assert "replaced: web-1, web-2" in told
    after = deployed.nodes
    for name in NODES:
        is_new = name.startswith("web-")
        assert (after[name].instance_id != before[name].instance_id) == is_new, name
        assert after[name].public_ip == before[name].public_ip
    assert deployed.members() == dict.fromkeys(NODES, "ready")
    assert deployed.must("up").count(UNCHANGED) == 2


@pytest.mark.long
def test_machines_reboot_one_after_the_other(deployed: Deployed) -> None:
    before = {name: deployed.machine(name).attrs["State"]["StartedAt"] for name in NODES}
    assert "rebooted: web-1, manager-1" in deployed.must("host", "reboot", "web-1", "manager-1")
    after = {name: deployed.machine(name).attrs["State"]["StartedAt"] for name in NODES}
    assert {name for name in NODES if after[name] != before[name]} == {"web-1", "manager-1"}
    assert deployed.members() == dict.fromkeys(NODES, "ready")
    assert deployed.must("up").count(UNCHANGED) == 2


@pytest.mark.long
def test_a_quorum_that_was_given_up_is_recovered_with_services_and_secrets(
    deployed: Deployed,
) -> None:
    def kept() -> set[str]:
        api: Any = deployed.engine("manager-1").api
        return {i["ID"] for i in (*api.services(), *api.secrets(), *api.configs())}

    before = kept()
    deployed.machine("manager-3").remove(force=True, v=True)
    until(lambda: deployed.members("manager-1")["manager-3"] == "down", 60)
    replace = ("host", "replace", "manager-2")
    refused = deployed.run(*replace)
    assert refused.returncode == 1
    assert "node manager-2: must be done without for a while" in refused.stdout
    bold = deployed.run(*replace, "--even-without-quorum", "manager-2")
    assert bold.returncode == 1
    assert "node manager-2: is changed, as it was to be" in bold.stdout
    lost = deployed.run("up")
    assert lost.returncode == 1
    assert "moor swarm recover" in lost.stdout
    told = deployed.must("swarm", "recover", "--lost", "manager-3")
    assert "the swarm began anew with manager-1; joined again: manager-2; gone: manager-3" in told
    assert kept() == before
    deployed.must("up")
    assert deployed.members() == dict.fromkeys(NODES, "ready")
    assert kept() == before
    assert deployed.must("up").count(UNCHANGED) == 2


@pytest.mark.long
def test_a_service_is_removed_that_takes_all_its_time_to_end(
    deployed: Deployed, tmp_path: Path
) -> None:
    stubborn = {
        "image": "${BASE_IMAGE}",
        # As the first process of its container it heeds no signal.
        "command": ["sleep", "86400"],
        "stop_grace_period": "3s",
        "deploy": {"mode": "global"},
    }
    further = tmp_path / "stubborn.yaml"
    further.write_text(yaml.safe_dump({"services": {"stubborn": stubborn}}), encoding="utf-8")
    usual = deployed.environment.settings_file.read_text(encoding="utf-8")
    document = yaml.safe_load(usual)
    document["services"].append(str(further))
    deployed.environment.settings_file.write_text(yaml.safe_dump(document), encoding="utf-8")
    deployed.must("up")
    deployed.environment.settings_file.write_text(usual, encoding="utf-8")
    deployed.must("up")
    assert deployed.must("up").count(UNCHANGED) == 2


@pytest.mark.long
def test_workers_go_and_come_back_and_a_volume_holds_its_node(deployed: Deployed) -> None:
    (holder,) = (name for name, labels in deployed.labels().items() if VOLUME in labels)
    assert holder.startswith("web-")
    usual = deployed.environment.settings_file.read_text(encoding="utf-8")
    document = yaml.safe_load(usual)
    del document["aws"]["machines"]["workers"]
    deployed.environment.settings_file.write_text(yaml.safe_dump(document), encoding="utf-8")
    refused = deployed.run("up")
    assert refused.returncode == 1
    assert f"node {holder}: must stay, got a plan without it, and the volume " in refused.stdout
    assert set(deployed.members()) == set(NODES)

    deployed.must("node", "label", holder, f"{VOLUME}-")
    told = deployed.must("up")
    assert "volumes numbers: no node of the swarm has them any more" in told
    assert set(deployed.members()) == set(NODES[:3])
    (holder,) = (name for name, labels in deployed.labels().items() if VOLUME in labels)
    assert holder.startswith("manager-")
    assert deployed.must("up").count(UNCHANGED) == 2

    deployed.environment.settings_file.write_text(usual, encoding="utf-8")
    deployed.must("up")
    assert deployed.members() == dict.fromkeys(NODES, "ready")
    assert VOLUME in deployed.labels()[holder]
    assert deployed.must("up").count(UNCHANGED) == 2


@pytest.mark.long
def test_a_lost_state_of_a_swarms_services_is_had_back(deployed: Deployed) -> None:
    def tasks() -> set[str]:
        api: Any = deployed.engine().api
        return {task["ID"] for task in api.tasks(filters={"desired-state": "running"})}

    before = tasks()
    for name in ("docker.tfstate", "docker.tfstate.backup"):
        (deployed.environment.state / name).unlink(missing_ok=True)
    told = deployed.must("state", "adopt")
    assert "service moor-swarm_store" in told
    assert "service moor-swarm_store will be" not in told
    assert deployed.must("up").count(UNCHANGED) == 1
    assert deployed.must("up").count(UNCHANGED) == 2
    # What is built here is built again, and is the same.
    assert tasks() == before


@pytest.mark.long
def test_the_policy_is_all_that_a_swarm_with_a_load_balancer_needs(deployed: Deployed) -> None:
    environment = deployed.environment
    document = yaml.safe_load(environment.settings_file.read_text(encoding="utf-8"))
    document["aws"]["load_balancer"] = {"ports": [80]}
    environment.settings_file.write_text(yaml.safe_dump(document), encoding="utf-8")
    settings = load_settings(environment.settings_file)
    allowed = without_conditions(policy(settings, environment=environment.name))
    deployed.must("up")
    with limited_user(environment, deployed.sandbox(), allowed):
        _destroy(environment)
        assert deployed.nodes_of_ec2() == 0
        deployed.must("up")
        assert deployed.nodes_of_ec2() == len(NODES)
        assert deployed.must("up").count(UNCHANGED) == 2
        asked = set(deployed.sandbox().status().permissions)
        for statement in allowed["Statement"]:
            assert asked & set(statement["Action"]), statement["Sid"]
    balancers = client(deployed.sandbox(), "elbv2")
    (group,) = balancers.describe_target_groups()["TargetGroups"]
    health = balancers.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
    there = {node.instance_id for node in deployed.nodes.values()}
    assert {t["Target"]["Id"] for t in health["TargetHealthDescriptions"]} == there
