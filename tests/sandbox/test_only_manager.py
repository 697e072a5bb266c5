"""The only manager of a swarm gets another machine, and is the same manager on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from trial_sandbox import left_of, make_sandbox

from constructs_lib.host.engine import connect
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
NAME = "only-manager-test"
UNCHANGED = "0 to add, 0 to change, 0 to destroy"
SETTINGS = """\
project: only
aws:
  region: eu-central-1
  ssh: {port: 2222, cidrs: [127.0.0.0/8]}
  docker_api: {cidrs: [127.0.0.0/8]}
  data_volume: {size_gib: 2}
  machines:
    managers: 1
    workers: {web: {count: 1, labels: {tier: web}}}
variables: {BASE_IMAGE: "172.30.56.1:5056/busybox:1.36", WORD: said-to-nobody}
sandbox:
  api_port: 4656
  addresses: 127.56.0.0/24
  subnet: 172.30.56.0/24
  registry_port: 5056
"""
SERVICES = """\
services:
  rows:
    image: ${BASE_IMAGE}
    command: [sh, -c, "echo row >> /data/rows; exec sleep 1000000"]
    init: true
    secrets: [word]
    volumes: [rows:/data]
    deploy: {placement: {constraints: [node.role == manager]}}
  page:
    image: ${BASE_IMAGE}
    command: [sleep, "1000000"]
    init: true
    deploy: {placement: {constraints: [node.labels.tier == web]}}
secrets:
  word: {environment: WORD}
volumes:
  rows:
"""

pytestmark = pytest.mark.long


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The swarm's environment, and the commands on it."""

    environment: Environment

    def run(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """Run `python -m moor WORDS`, and return what it printed."""
        return subprocess.run(
            [sys.executable, "-m", "moor", *words],
            cwd=ROOT,
            env={**os.environ, "ENVIRONMENT": str(self.environment.settings_file)},
            input=said,
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

    def swarm(self) -> dict[str, Any]:
        """Return what the manager knows, and what must be the same on another machine."""
        host = Outputs.load(self.environment).docker_host
        engine = connect(host, self.environment.certificates)
        try:
            api: Any = engine.api
            return {
                "swarm": api.inspect_swarm()["ID"],
                "nodes": sorted(node["ID"] for node in api.nodes()),
                "services": sorted(service["ID"] for service in api.services()),
                "secrets": sorted(secret["ID"] for secret in api.secrets()),
                "page": [
                    task["ID"]
                    for task in api.tasks(filters={"service": "only_page"})
                    if task["DesiredState"] == "running"
                ],
            }
        finally:
            engine.close()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy a manager and a worker, and leave nothing behind."""
    folder = tmp_path_factory.mktemp("only")
    (folder / "compose.yaml").write_text(SERVICES, encoding="utf-8")
    file = folder / f"{NAME}.yaml"
    file.write_text(f"{SETTINGS}services: {folder / 'compose.yaml'}\n", encoding="utf-8")
    environment = Environment(name=NAME, settings_file=file, root=ROOT)
    found = Deployed(environment=environment)
    settings = load_settings(file).sandbox
    assert settings is not None
    try:
        found.must("up")
        yield found
    finally:
        down = found.run("down")
        assert down.returncode == 0, down.stdout
        assert left_of(make_sandbox(NAME, settings)) == []
        gone = found.run("data", "give-up", said=f"{NAME}\n")
        assert gone.returncode == 0, gone.stdout
        shutil.rmtree(environment.directory)
        shutil.rmtree(environment.output)


def test_the_only_manager_is_replaced_and_knows_all_that_it_knew(deployed: Deployed) -> None:
    before, nodes = deployed.swarm(), Outputs.load(deployed.environment).nodes
    told = deployed.must("host", "replace", "manager-1")
    assert "data is kept, on the data volume " in told
    after = Outputs.load(deployed.environment).nodes
    assert after["manager-1"].instance_id != nodes["manager-1"].instance_id
    assert after["manager-1"].private_ip == nodes["manager-1"].private_ip
    # The task on the worker is the same one, too: nothing of it was started anew.
    assert deployed.swarm() == before
    rows = deployed.must("exec", "rows", "cat", "/data/rows")
    assert rows.split() == ["row", "row"]
    assert deployed.must("plan").count(UNCHANGED) == 2
