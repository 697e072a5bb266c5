"""Machines replaced and rebooted on request, with a deployment and a swarm that are none."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from io import StringIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from fake_cluster import FakeCluster, manager, three_and_two, worker
from rich.console import Console

from constructs_lib.settings.environment import Environment
from moor.failure import CommandError, WrongUseError
from moor.outputs import Node, Outputs, outputs_file
from moor.plan import StackPlan
from moor.screen import Screen
from moor.swarm import host_work, machines
from moor.swarm.upkeep import Upkeep
from moor.toolchain.stack import CONFIGURATION, Stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from moor.deployment import Deployment
    from moor.session import Session

NAMES = ("manager-1", "manager-2", "manager-3", "web-1", "web-2")
NODES = {
    name: {"public_ip": name, "private_ip": name, "instance_id": f"i-{name}", "ssh": name}
    for name in NAMES
}


@dataclass
class FakeDeployment:
    """The part of a deployment that is used.

    Attributes:
        upkeep: The nodes; None where there is one machine alone.
        stacks: The first stack.
        session: The command.
        screen: Where progress is told.
        cluster: The swarm, which learns what is done.
        others: Whether other changes are pending.
    """

    upkeep: Upkeep | None
    stacks: list[Stack]
    session: Session
    screen: Screen
    cluster: FakeCluster
    others: bool = False
    finished: list[str] = field(default_factory=list)

    def planned(
        self, _stack: Stack, targets: Sequence[str], *, replaced: Sequence[str]
    ) -> StackPlan:
        """Plan."""
        self.cluster.done.append(f"plan {len(targets)} targets, {len(replaced)} replaced")
        return StackPlan(stack="aws")

    def change_only(
        self,
        _stack: Stack,
        targets: Sequence[str],
        *,
        approved: StackPlan,
        approve: bool,
        replaced: Sequence[str],
    ) -> None:
        """Apply."""
        assert approved == StackPlan(stack="aws")
        assert approve is False
        assert set(replaced) < set(targets)
        self.cluster.done.append(f"apply {' '.join(replaced)}")

    def finish(self, _stack: Stack, steps: Sequence[str]) -> bool:
        """Have Terraform take note."""
        self.finished += steps
        return not self.others


@pytest.fixture
def made(tmp_path: Path) -> FakeDeployment:
    environment = Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})
    environment.directory.mkdir(parents=True)
    aws = {"public_ip": "", "docker_host": "", "ssh": "", "nodes": NODES}
    outputs_file(environment).write_text(json.dumps({"aws": aws}), encoding="utf-8")
    settings = SimpleNamespace(sandbox=SimpleNamespace())
    session = cast("Session", SimpleNamespace(environment=environment, settings=settings))
    resources: dict[str, Any] = {"aws_instance": {}, "terraform_data": {}}
    for name in NAMES:
        for kind, path in (
            ("aws_instance", f"Nodes/{name}/Machine/Resource"),
            ("terraform_data", f"Nodes/{name}/DockerApi/Resource"),
            ("terraform_data", f"Swarm/Nodes/{name}"),
        ):
            key = path.removesuffix("/Resource").replace("/", "_")
            resources[kind][key] = {"//": {"metadata": {"path": f"aws/{path}"}}}
    (tmp_path / CONFIGURATION).write_text(json.dumps({"resource": resources}), encoding="utf-8")
    cluster = FakeCluster()
    screen = Screen(Console(file=StringIO(), width=200, highlight=False))
    upkeep = Upkeep(
        session=session,
        screen=screen,
        wanted={name: name.startswith("manager-") for name in NAMES},
        open_cluster=lambda _nodes: (cluster, "manager-1"),
        state_of=lambda _machine: "running",
        closed=list,
    )
    stack = Stack(name="aws", folder=tmp_path)
    return FakeDeployment(
        upkeep=upkeep, stacks=[stack], session=session, screen=screen, cluster=cluster
    )


def replaced(made: FakeDeployment, *names: str, **how: Any) -> list[str]:  # noqa: ANN401
    host_work.replace(cast("Deployment", made), names, approve=False, **how)
    return made.cluster.done


def printed(made: FakeDeployment) -> str:
    return cast("StringIO", made.screen.console.file).getvalue()


def test_machines_are_replaced_one_after_the_other(made: FakeDeployment) -> None:
    assert replaced(made, "manager-1", "web-1") == [
        "plan 4 targets, 2 replaced",
        "drain web-1",
        "remove web-1",
        "apply aws_instance.Nodes_web-1_Machine",
        "join web-1",
        "settle web-1",
        "demote manager-1",
        "drain manager-1",
        "remove manager-1",
        "apply aws_instance.Nodes_manager-1_Machine",
        "join manager-1",
        "settle manager-1",
    ]
    assert made.finished == [
        "terraform_data.Swarm_Nodes_manager-1",
        "terraform_data.Swarm_Nodes_web-1",
    ]
    assert "other changes" not in printed(made)


def test_workers_are_replaced_together_where_asked_for(made: FakeDeployment) -> None:
    done = replaced(made, "web-1", "web-2", at_once=2)
    assert "apply aws_instance.Nodes_web-1_Machine aws_instance.Nodes_web-2_Machine" in done


def test_a_machine_that_is_lost_is_replaced_without_moving_anything(made: FakeDeployment) -> None:
    made.cluster.there = [*three_and_two()[:2], manager("manager-3", lost=True)]
    assert replaced(made, "manager-3", "web-1") == [
        "plan 4 targets, 2 replaced",
        "apply aws_instance.Nodes_web-1_Machine",
        "join web-1",
        "settle web-1",
        "demote manager-3",
        "remove manager-3",
        "apply aws_instance.Nodes_manager-3_Machine",
        "join manager-3",
        "settle manager-3",
    ]


def test_other_changes_that_are_pending_are_told(made: FakeDeployment) -> None:
    made.others = True
    replaced(made, "web-1")
    assert (
        "aws: other changes are pending; `ENVIRONMENT=production make up` applies them"
        in printed(made)
    )


def test_volumes_are_not_lost_unasked(made: FakeDeployment) -> None:
    labels = {"moor.volume.shop.data": "yes", "moor.volume.shop.more": "yes"}
    made.cluster.there = [*three_and_two()[:-1], worker("web-2", labels=labels)]
    with pytest.raises(CommandError) as caught:
        replaced(made, "web-1", "web-2")
    assert str(caught.value) == (
        "node web-2: must have no volumes, got shop.data, shop.more, which would be lost with its "
        "machine; save what is in them, and say --lose-volumes"
    )
    assert made.cluster.done == []
    # On a data volume they outlive the machine.
    assert replaced(made, "web-2", kept=["web-2"])[0] == "plan 2 targets, 1 replaced"
    replaced(made, "web-2", lose_volumes=True)
    (member,) = [m for m in made.cluster.members() if m.name == "web-2"]
    assert member.labels == labels


def test_a_majority_is_not_lost_unasked(made: FakeDeployment) -> None:
    made.cluster.there = [*three_and_two()[:2], manager("manager-3", lost=True)]
    with pytest.raises(CommandError, match=r"replace what is lost first: `moor host replace man"):
        replaced(made, "manager-2")
    assert made.cluster.done == ["plan 2 targets, 1 replaced"]
    with pytest.raises(CommandError, match="next: `moor swarm recover`"):
        replaced(made, "manager-2", even_without_quorum=["manager-2"])
    assert made.cluster.done[-1] == "apply aws_instance.Nodes_manager-2_Machine"


@pytest.mark.parametrize(
    ("names", "how", "message"),
    [
        (["web-3"], {}, "node: must be the name of one, got 'web-3'; did you mean web-2 or web-1?"),
        (
            ["web-1"],
            {"even_without_quorum": ["manager-1"]},
            "node: must be the name of one, got 'manager-1'; there are web-1",
        ),
    ],
)
def test_it_fails_when_there_is_no_such_node(
    made: FakeDeployment, names: list[str], how: dict[str, Any], message: str
) -> None:
    with pytest.raises(WrongUseError) as caught:
        replaced(made, *names, **how)
    assert str(caught.value) == message


def test_it_fails_when_there_is_one_machine_alone(made: FakeDeployment) -> None:
    made.upkeep = None
    with pytest.raises(WrongUseError) as caught:
        replaced(made, "web-1")
    assert str(caught.value) == ("environment production: must be a swarm, got one machine")


# Rebooting


def rebooted(
    made: FakeDeployment, monkeypatch: pytest.MonkeyPatch, *names: str, fails: str = ""
) -> list[str]:
    done = made.cluster.done
    monkeypatch.setattr(
        machines, "reboot", lambda _session, machine: done.append(f"reboot {machine}")
    )

    def wait(_node: Node, before: str, *, name: str) -> None:
        assert before == f"boot of {name}"
        if name == fails:
            raise CommandError(f"node {name}: must have rebooted")
        done.append(f"wait {name}")

    assert made.upkeep is not None
    host_work.reboot(
        made.session,
        made.upkeep,
        Outputs.load(made.session.environment),
        names,
        wait=wait,
        mark_of=lambda node: f"boot of {node.public_ip}",
    )
    return done


def test_machines_reboot_one_after_the_other(
    made: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rebooted(made, monkeypatch, "manager-1", "web-2") == [
        "drain web-2",
        "reboot i-web-2",
        "wait web-2",
        "activate web-2",
        "settle web-2",
        "drain manager-1",
        "reboot i-manager-1",
        "wait manager-1",
        "activate manager-1",
        "settle manager-1",
    ]


def test_a_machine_that_does_not_come_back_stops_the_others(
    made: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="web-1: must have rebooted"):
        rebooted(made, monkeypatch, "web-1", "web-2", fails="web-1")
    assert made.cluster.done == ["drain web-1", "reboot i-web-1"]


def test_it_fails_when_there_is_no_such_machine(
    made: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WrongUseError, match="got 'web-9'"):
        rebooted(made, monkeypatch, "web-9")
