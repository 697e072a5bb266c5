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
from trial_sandbox import left_of, make_sandbox

from constructs_lib.host import engine as machine_engine
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor.outputs import Outputs
from sandbox.engine.connect import connect
from sandbox.names import Owner, project_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

    from sandbox.lifecycle import Sandbox

ROOT = Path(__file__).resolve().parents[2]
NAME = "swarm-test"
TOKEN = "a-token-of-the-store-that-nobody-else-says"  # noqa: S105  (it is looked for everywhere)
UNCHANGED = "0 to add, 0 to change, 0 to destroy"
NODES = ["manager-1", "manager-2", "manager-3", "web-1", "web-2"]
BUILT_PORT = 8081


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

    def members(self) -> dict[str, str]:
        """Return the state of each node of the swarm, by the name that the settings give it."""
        nodes = self.engine().api.nodes()
        return {n["Spec"]["Labels"]["moor.node"]: n["Status"]["State"] for n in nodes}

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
    owner = Owner(environment=NAME, project=project_of(ROOT))
    engine = connect(deployed.sandbox().status().engine_url)
    engine.api.remove_container(owner.name(before.instance_id), force=True, v=True)
    deployed.must("up")
    after = deployed.nodes["manager-2"]
    assert after.instance_id != before.instance_id
    assert (after.public_ip, after.private_ip) == (before.public_ip, before.private_ip)
    assert deployed.members() == dict.fromkeys(NODES, "ready")
    # It pulls from the registry as the one before did.
    until(lambda: deployed.pages(BUILT_PORT, "/") == ["built here\n"] * len(NODES), 60)
