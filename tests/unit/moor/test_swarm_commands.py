"""`moor node`, `host`, `swarm`, `env` and `status`: what they ask of a swarm, say and refuse."""

from __future__ import annotations

import json
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fake_cluster import FakeCluster, three_and_two
from typer.testing import CliRunner

from constructs_lib.settings.environment import Environment
from constructs_lib.swarm.managers import NodeEndpoint
from constructs_lib.swarm.recover import Recovery
from moor import session
from moor.overview import machines
from moor.overview.api import Api
from moor.overview.host import Disk, Host
from moor.overview.machines import Machine
from moor.program import make_app
from moor.swarm import access, recovering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = """\
aws:
  region: eu-central-1
  machines: {managers: 3, workers: {web: {count: 2}}}
  ssh: {cidrs: [127.0.0.0/8]}
  docker_api: {cidrs: [127.0.0.0/8]}
sandbox: {}
services: compose.yaml
"""
NAMES = ("manager-1", "manager-2", "manager-3", "web-1", "web-2")


class Swarm(FakeCluster):
    """A swarm as the commands find it."""

    def answering(self) -> SimpleNamespace:
        """Return the manager that answers: not the first one."""
        endpoint = NodeEndpoint(
            name="manager-2", address="192.0.2.8", private_address="10.0.0.8", port=2376
        )
        return SimpleNamespace(endpoint=endpoint, certificates="/env/certificates")

    def for_terraform(self) -> str:
        """Return its name."""
        return "manager-2"

    @contextmanager
    def engine(self) -> Iterator[SimpleNamespace]:
        """Yield the engine of the manager that answers."""
        task = {"ServiceID": "s1", "DesiredState": "running", "Status": {"State": "running"}}
        spec = {"Name": "moor_web", "Mode": {"Replicated": {"Replicas": 1}}}
        api = SimpleNamespace(
            services=lambda filters: [{"ID": "s1", "Spec": spec}] if filters else [],
            tasks=lambda: [task],
            nodes=list,
        )
        yield SimpleNamespace(api=api)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Swarm:
    """Return the swarm of an environment that was deployed once."""
    monkeypatch.setattr(session, "ROOT", tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "")
    (tmp_path / "environments").mkdir()
    file = tmp_path / "environments" / "sandbox.yaml"
    file.write_text(SETTINGS, encoding="utf-8")
    services = "services: {web: {image: 'busybox:1'}}\n"
    (tmp_path / "environments" / "compose.yaml").write_text(services, encoding="utf-8")
    write_outputs(tmp_path, NAMES)
    there = Swarm(there=three_and_two())
    monkeypatch.setattr(access, "live_cluster", lambda *_: there)
    return there


def write_outputs(root: Path, names: tuple[str, ...]) -> None:
    environment = Environment(
        name="sandbox", settings_file=root / "environments" / "sandbox.yaml", root=root
    )
    environment.directory.mkdir(parents=True, exist_ok=True)
    nodes = {
        name: {"public_ip": "192.0.2.7", "private_ip": "10.0.0.7", "instance_id": "i", "ssh": "s"}
        for name in names
    }
    aws = {"public_ip": "192.0.2.7", "docker_host": "tcp://192.0.2.7:2376", "ssh": "ssh"}
    document = {"aws": {**aws, **({"nodes": nodes} if nodes else {})}}
    (environment.directory / "outputs.json").write_text(json.dumps(document), encoding="utf-8")


def run(*words: str) -> str:
    result = CliRunner().invoke(make_app(), words, env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    return result.stdout


def failed(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(make_app(), words)
    return result.exit_code, result.stderr


def test_nodes_are_listed(cluster: Swarm) -> None:
    assert [line.split()[0] for line in run("node", "ls").splitlines()] == ["node", *NAMES]
    assert [row["name"] for row in json.loads(run("node", "ls", "--json"))] == list(NAMES)
    assert cluster.done == []


@pytest.mark.parametrize(
    ("words", "done", "told"),
    [
        (
            ["drain", "web-1"],
            "drain web-1",
            [
                "node web-1 is drained",
                "next: .venv/bin/moor node activate web-1 gives it tasks again",
            ],
        ),
        (
            ["activate", "web-1"],
            "activate web-1",
            ["node web-1 takes tasks", "next: .venv/bin/moor node ls shows all nodes"],
        ),
        (
            ["promote", "web-1"],
            "promote web-1",
            [
                "node web-1 is a manager",
                "next: .venv/bin/moor up makes it again what the settings say",
            ],
        ),
        (
            ["demote", "manager-3"],
            "demote manager-3",
            [
                "node manager-3 is a worker",
                "next: .venv/bin/moor up makes it again what the settings say",
            ],
        ),
        (
            ["label", "web-1", "disk=ssd", "zone-", "note="],
            "label web-1 {'disk': 'ssd', 'zone': None, 'note': ''}",
            ["node web-1 has its labels", "next: .venv/bin/moor node ls shows all nodes"],
        ),
        (
            ["rm", "web-1", "--force"],
            "remove web-1",
            [
                "node web-1 is out of the swarm",
                "next: .venv/bin/moor up has it join again if it should",
            ],
        ),
    ],
)
def test_a_node_is_changed_and_what_comes_next_is_told(
    cluster: Swarm, words: list[str], done: str, told: list[str]
) -> None:
    assert run("node", *words).splitlines() == told
    assert cluster.done == [done]


def test_a_manager_goes_even_without_a_majority_where_that_is_said(cluster: Swarm) -> None:
    cluster.there = three_and_two()[:2]
    run("node", "drain", "manager-2", "--even-without-quorum")
    assert cluster.done == ["drain manager-2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["node", "drain", "web-3"],
            "node: must be the name of one, got 'web-3'; did you mean web-2 or web-1?",
        ),
        (
            ["node", "label", "web-1", "disk"],
            "label: must be NAME=VALUE, or NAME- to take one away, got 'disk'",
        ),
        (
            ["node", "label", "web-1", "-"],
            "label: must be NAME=VALUE, or NAME- to take one away, got '-'",
        ),
        (["host", "reboot"], "host reboot: must be told the nodes, or --all, got both or neither"),
        (
            ["host", "reboot", "web-1", "--all"],
            "host reboot: must be told the nodes, or --all, got both or neither",
        ),
    ],
)
def test_what_cannot_be_meant_is_wrong_use(cluster: Swarm, words: list[str], message: str) -> None:
    assert failed(*words) == (2, f"error: {message}\n")
    assert cluster.done == []


@pytest.mark.usefixtures("cluster")
def test_all_machines_reboot(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "moor.swarm.host_work.reboot", lambda _s, _upkeep, _outputs, names: asked.extend(names)
    )
    out = run("host", "reboot", "--all")
    assert asked == list(NAMES)
    assert out.splitlines()[-1] == "next: make status"


def test_a_lost_majority_is_recovered(cluster: Swarm, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def recover(_cluster: object, *, survivor: str | None, lost: list[str]) -> Recovery:
        asked.append((survivor, lost))
        return Recovery(survivor="manager-1", joined=("manager-3",), lost=("manager-2",), nodes=())

    monkeypatch.setattr(recovering, "recover", recover)
    words = ("swarm", "recover", "--survivor", "manager-1", "--lost", "manager-2")
    lines = run(*words).splitlines()
    assert asked == [("manager-1", ["manager-2"])]
    told = "the swarm began anew with manager-1; joined again: manager-3; gone: manager-2"
    assert told in lines
    assert lines[-1] == "next: make up, which makes manager-2 anew"
    assert cluster.done == []


@pytest.mark.usefixtures("cluster")
def test_docker_is_pointed_to_a_manager_that_answers() -> None:
    assert json.loads(run("env", "--json")) == {
        "DOCKER_HOST": "tcp://192.0.2.8:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": "/env/certificates",
    }


@pytest.mark.usefixtures("cluster")
def test_the_status_shows_nodes_and_services(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [
        Machine(
            name=name,
            address="192.0.2.7",
            identity="i",
            api=Api(system="Flatcar", version="28.0.4"),
            host=Host(disks=(Disk(path="/", used=1, size=4),)),
        )
        for name in NAMES
    ]
    monkeypatch.setattr(machines, "ask", lambda _session, _outputs, **_: there)
    out = run("status")
    assert "manager-1  manager, leads  ready  192.0.2.7  Flatcar  28.0.4  / 25% of 0 GiB" in out
    assert "moor_web  running 1 of 1" in out
    document = json.loads(run("status", "--json"))
    assert [row["name"] for row in document["nodes"]] == list(NAMES)
    assert [(s["service"], s["state"]) for s in document["services"]] == [("web", "running 1 of 1")]


@pytest.mark.parametrize(
    "words", [["node", "ls"], ["node", "drain", "web-1"], ["swarm", "recover"]]
)
def test_it_fails_where_there_is_one_machine_alone(
    cluster: Swarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    assert cluster.there
    monkeypatch.undo()
    monkeypatch.setattr(session, "ROOT", tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "")
    write_outputs(tmp_path, ())
    assert failed(*words) == (
        2,
        "error: environment sandbox: must be a swarm for this command, got one machine alone\n",
    )
