"""Snapshots of the nodes of a swarm, for real: made under writers, tried, restored.

The tests share one deployment of one manager and one worker, and run in the order of the file. The
manager is the only one: what it is in the swarm is on the volume that a restore exchanges.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from test_deploy import UNCHANGED
from trial_deployment import deployed_once
from trial_sandbox import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from test_deploy import Deployment

SETTINGS = """
project: backup
aws:
  region: eu-central-1
  machines: {managers: 1, workers: {web: {count: 1}}}
  ssh: {port: 2222, cidrs: [127.0.0.0/8]}
  docker_api: {cidrs: [127.0.0.0/8]}
  data_volume: {size_gib: 2}
services: compose.yaml
variables: {BUSYBOX: "172.30.66.1:5000/busybox:1.36", WORD: that-nobody-else-says}
sandbox: {api_port: 4666, addresses: 127.66.0.0/24, subnet: 172.30.66.0/24}
"""

SERVICES = """
services:
  writer:
    image: ${BUSYBOX}
    volumes: [rows:/data]
    secrets: [word]
    command:
      - sh
      - -c
      - |
        test -s /run/secrets/word && test ! -e /data/broken || exit 9
        trap 'exit 0' TERM
        n=$$(cat /data/rows 2>/dev/null | wc -l)
        while :; do
          n=$$((n + 1)); echo "$$n" >> /data/rows; sync; echo "$$n" > /data/told; sleep 0.1
        done
    healthcheck: {test: ["CMD", "test", "-f", "/data/told"], interval: 1s}
    deploy:
      placement: {constraints: ["node.role == worker"]}
      restart_policy: {delay: 1s}
  told:
    image: ${BUSYBOX}
    volumes: [log:/data]
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"]
    x-backup: {pre: "echo pre >> /data/log", post: "echo post >> /data/log"}
    deploy: {placement: {constraints: ["node.role == manager"]}}
  agent:
    image: ${BUSYBOX}
    volumes: [begun:/data]
    command:
      - sh
      - -c
      - trap "exit 0" TERM; echo $$HOSTNAME >> /data/begun; while :; do sleep 0.2; done
    deploy: {mode: global}
volumes: {rows: {}, log: {}, begun: {}}
secrets: {word: {environment: WORD}}
"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deploy once for all tests, and leave nothing behind."""
    folder = tmp_path_factory.mktemp("environments")
    with deployed_once(folder, "backup-swarm-test", settings=SETTINGS, services=SERVICES) as made:
        yield made


@pytest.fixture
def snapshots(deployed: Deployment) -> None:
    """Have a snapshot of each node, whichever tests were chosen."""
    if not all(listed(deployed).values()):
        said(deployed, "backup", "create")


def said(deployed: Deployment, *words: str, status: int = 0) -> str:
    """Run a command of `moor`, and return all that it said."""
    done = deployed.run(*words)
    text = done.stdout + done.stderr
    assert done.returncode == status, text
    return text


def within(deployed: Deployment, service: str, *words: str, node: str | None = None) -> str:
    """Run a command in a service's container, and return what it printed."""
    where = ("--node", node) if node else ()
    return said(deployed, "exec", *where, service, "--", *words)


def rows(deployed: Deployment) -> list[int]:
    """Return the rows, which are numbered without a gap."""
    found = [int(line) for line in within(deployed, "writer", "cat", "/data/rows").split()]
    assert found == list(range(1, len(found) + 1))
    return found


def acknowledged(deployed: Deployment) -> int:
    """Return how many rows the writer has said to be on the disk."""
    return int(within(deployed, "writer", "cat", "/data/told"))


def begun(deployed: Deployment, node: str) -> int:
    """Return how often the agent has begun on a node."""
    return len(within(deployed, "agent", "cat", "/data/begun", node=node).split())


def listed(deployed: Deployment) -> dict[str, list[dict[str, Any]]]:
    """Return the snapshots of each node, the newest first."""
    found: dict[str, list[dict[str, Any]]] = {"manager-1": [], "web-1": []}
    for one in json.loads(said(deployed, "backup", "ls", "--json"))["snapshots"]:
        found[one["node"]].append(one)
    return found


def members(deployed: Deployment) -> dict[str, str]:
    """Return the swarm's own id of each node that is ready and takes tasks, by its name."""
    text = said(
        deployed,
        "ssh",
        "manager-1",
        "--",
        "docker node ls --quiet | xargs docker node inspect --format "
        "'{{index .Spec.Labels \"moor.node\"}} {{.ID}} {{.Status.State}} {{.Spec.Availability}}'",
    )
    found = [line.split() for line in text.strip().splitlines()]
    return {name: identity for name, identity, *state in found if state == ["ready", "active"]}


def test_each_node_is_saved_in_its_turn_and_only_its_tasks_stop(deployed: Deployment) -> None:
    before, agents = acknowledged(deployed), begun(deployed, "manager-1")
    text = said(deployed, "backup", "create")
    for node in ("manager-1", "web-1"):
        assert re.search(rf"snapshot snap-[0-9a-f]+ of {node}, 2 GiB, .* UTC: complete\n", text)
    assert re.search(r"not stopped, since they have x-backup: backup_told\.1\.\w+\n", text)
    assert re.search(r"stopped for \d+\.\d s: backup_agent\n", text)
    assert re.search(r"stopped for \d+\.\d s: backup_agent, backup_writer\n", text)
    assert within(deployed, "told", "cat", "/data/log").split() == ["pre", "post"]
    # The turn of the other node leaves the manager's agent alone.
    assert begun(deployed, "manager-1") == agents + 1
    wait_for(lambda: acknowledged(deployed) > before, "the writer goes on")
    assert [len(found) for found in listed(deployed).values()] == [1, 1]
    assert UNCHANGED in said(deployed, "plan")


def test_the_newest_of_several_machines_must_be_named(deployed: Deployment) -> None:
    text = said(deployed, "backup", "restore", "newest", status=2)
    assert (
        "snapshot newest: must be of one machine, got manager-1, web-1; say which by --node, or "
        "say an id"
    ) in text
    text = said(deployed, "backup", "create", "web-7", status=2)
    assert "machine with a data volume: must be the name of one, got 'web-7'" in text
    (one,) = listed(deployed)["manager-1"]
    text = said(deployed, "backup", "restore", one["id"], "--node", "web-1", status=2)
    assert "must be of web-1, got another machine's" in text


def test_a_worker_has_yesterdays_data_and_is_todays_member(deployed: Deployment) -> None:
    (one,) = listed(deployed)["web-1"]
    before, there = acknowledged(deployed), members(deployed)
    within(deployed, "writer", "touch", "/data/since")
    text = said(deployed, "backup", "restore", "newest", "--node", "web-1")
    assert f"snapshot {one['id']} of web-1" in text
    assert "/data/since" not in within(deployed, "writer", "find", "/data")
    assert len(rows(deployed)) > 0
    assert before > 0
    assert members(deployed) == there
    assert UNCHANGED in deployed.up()


def test_a_node_of_a_snapshot_is_tried_with_its_services_alone(deployed: Deployment) -> None:
    text = said(deployed, "backup", "verify", "newest", "--node", "web-1", "--within", "300")
    assert re.search(r"backup_writer\.1\.\w+ +running \(healthy\)", text), text
    assert re.search(r"backup_agent\.1\.\w+ +running", text), text
    assert "backup_told" not in text
    assert len([i for i in deployed.sandbox().status().instances if i.state == "running"]) == 2
    assert "that-nobody-else-says" not in text


@pytest.mark.long
def test_a_backup_that_is_killed_leaves_services_to_the_next_command(deployed: Deployment) -> None:
    there, status, text = deployed.killed(
        ("backup", "create", "web-1"), "agent: stops for a moment", "moor"
    )
    assert there, text
    assert status == -9
    text = said(deployed, "backup", "create", "web-1")
    assert "backup_writer: started again, since a backup that was killed had stopped it" in text
    before = acknowledged(deployed)
    wait_for(lambda: acknowledged(deployed) > before, "the writer goes on")
    # Two writers at once would write a number twice.
    rows(deployed)
    assert UNCHANGED in said(deployed, "plan")


@pytest.mark.long
@pytest.mark.usefixtures("snapshots")
@pytest.mark.parametrize("phase", ["is put in", "Docker starts with it", "Terraform takes note"])
def test_the_only_manager_is_restored_though_the_command_is_killed(
    deployed: Deployment, phase: str
) -> None:
    there = members(deployed)
    within(deployed, "told", "touch", "/data/since")
    killed, _, text = deployed.killed(
        ("backup", "restore", "newest", "--node", "manager-1"), phase, "moor"
    )
    assert killed, text
    assert "was cut short: it goes on" in deployed.up()
    assert "/data/since" not in within(deployed, "told", "find", "/data")
    assert members(deployed) == there
    rows(deployed)
    assert UNCHANGED in deployed.up()


@pytest.mark.long
@pytest.mark.usefixtures("snapshots")
def test_a_restore_that_is_killed_can_go_back(deployed: Deployment) -> None:
    before, there = len(rows(deployed)), members(deployed)
    killed, _, text = deployed.killed(
        ("backup", "restore", "newest", "--node", "web-1"), "Docker starts with it", "moor"
    )
    assert killed, text
    assert "as before the restore" in said(deployed, "backup", "restore", "--back")
    assert len(rows(deployed)) >= before
    assert members(deployed) == there
    assert UNCHANGED in deployed.up()


@pytest.mark.long
def test_a_snapshot_whose_services_end_is_no_good_one(deployed: Deployment) -> None:
    within(deployed, "writer", "touch", "/data/broken")
    said(deployed, "backup", "create", "web-1", status=1)
    text = said(
        deployed, "backup", "verify", "newest", "--node", "web-1", "--within", "120", status=1
    )
    wrong = r"each service must be well, got otherwise from backup_writer\.1\.\w+\n"
    assert re.search(wrong, text), text
    assert len([i for i in deployed.sandbox().status().instances if i.state == "running"]) == 2
