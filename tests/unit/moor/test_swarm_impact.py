"""What a plan does to nodes, read from its changes; and a plan that would change the shape."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from fake_cluster import three_and_two, worker

from constructs_lib.settings.environment import Environment
from moor.failure import CommandError
from moor.outputs import Node
from moor.plan import AttributeChange, Change, StackPlan
from moor.swarm import impact, shape
from moor.swarm.cluster import by_name
from moor.swarm.impact import Impact
from moor.toolchain.stack import CONFIGURATION, Stack

if TYPE_CHECKING:
    from pathlib import Path

    from moor.plan import Action
    from moor.session import Session

NAMES = ("manager-1", "manager-2", "manager-3", "web-1", "web-2")
NODES = {name: Node(public_ip="", private_ip="", instance_id=f"i-{name}", ssh="") for name in NAMES}
MEMBERS = by_name(three_and_two())


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """Return the first stack of a swarm, as it is synthesized."""
    kinds = ("aws_instance", "aws_network_interface", "terraform_data")
    resources: dict[str, dict[str, object]] = {kind: {} for kind in kinds}

    def add(kind: str, name: str, path: str) -> None:
        resources[kind][name] = {"//": {"metadata": {"path": f"aws/{path}"}}}

    for name in NAMES:
        add("aws_instance", f"Nodes_{name}_Machine_01234567", f"Nodes/{name}/Machine/Resource")
        add("terraform_data", f"Nodes_{name}_DockerApi_0123", f"Nodes/{name}/DockerApi/Resource")
        add("terraform_data", f"Swarm_Nodes_{name}_0123", f"Swarm/Nodes/{name}")
    add("terraform_data", "Certificates_0123", "Certificates")
    place = "Nodes/manager-1/Interface/Resource"
    add("aws_network_interface", "Nodes_manager-1_Interface_0123", place)
    (tmp_path / CONFIGURATION).write_text(json.dumps({"resource": resources}), encoding="utf-8")
    return Stack(name="aws", folder=tmp_path)


def machine(name: str, action: Action, *attributes: str) -> Change:
    """Return a change of a node's machine, whatever its address is."""
    return Change(
        address="aws_instance.X",
        action=action,
        noun="machine",
        name="x",
        identity=f"i-{name}",
        attributes=tuple(AttributeChange(name=a, before="1", after="2") for a in attributes),
    )


def steps(name: str, action: Action = "replace") -> Change:
    return Change(
        address=f"terraform_data.Nodes_{name}_DockerApi_0123",
        action=action,
        noun="steps",
        name="x",
    )


def of(stack: Stack, *changes: Change) -> Impact:
    plan = StackPlan(stack="aws", changes=changes)
    return impact.impact(plan, stack=stack, nodes=NODES, members=MEMBERS)


def test_what_a_plan_does_to_each_node(stack: Stack) -> None:
    found = of(
        stack,
        machine("web-1", "destroy"),
        machine("web-2", "replace", "ami"),
        machine("manager-3", "update", "instance_type"),
        machine("manager-2", "update", "tags.x", "tags_all.x", "volume_tags.x"),
        steps("web-2"),
        steps("manager-1"),
    )
    assert found == Impact(
        leaving=("web-1",), renewed=("web-2",), restarted=("manager-1", "manager-3")
    )
    assert found.rolled == ("web-2", "manager-1", "manager-3")


def test_what_does_not_touch_a_node_at_work_is_no_impact(stack: Stack) -> None:
    others = [
        Change(address=f"terraform_data.{name}", action="replace", noun="steps", name="x")
        for name in ("Certificates_0123", "Swarm_Nodes_web-1_0123", "Other")
    ]
    assert of(stack, machine("web-9", "replace", "ami"), steps("web-9"), *others) == Impact()
    assert of(stack, steps("web-1", "destroy")) == Impact()


def test_a_node_that_is_down_or_no_member_has_nothing_to_lose(stack: Stack) -> None:
    members = by_name([*three_and_two()[:3], worker("web-1", state="down")])
    plan = StackPlan(stack="aws", changes=(machine("web-1", "replace"), steps("web-2")))
    assert impact.impact(plan, stack=stack, nodes=NODES, members=members) == Impact()


def test_a_node_whose_machine_is_gone_has_no_tasks_that_could_move(stack: Stack) -> None:
    """The swarm notices that only after a while."""
    created = Change(
        address="aws_instance.Nodes_manager-2_Machine_01234567",
        action="create",
        noun="machine",
        name="x",
    )
    assert of(stack, created, steps("manager-2")) == Impact()
    assert of(stack, created, steps("manager-1")) == Impact(restarted=("manager-1",))


def test_a_data_volume_goes_to_the_new_machine_and_the_swarm_with_it(stack: Stack) -> None:
    def replaced(name: str, kept: str) -> Change:
        address = f"aws_instance.Nodes_{name}_Machine_01234567"
        return replace(machine(name, "replace", "ami"), address=address, kept=kept)

    found = of(stack, replaced("manager-1", "data is kept"), replaced("web-1", ""))
    assert found == Impact(renewed=("manager-1", "web-1"), kept=("manager-1",))
    # With another address it is not the machine that the others know.
    interface = "aws_network_interface.Nodes_manager-1_Interface_0123"
    moved = Change(address=interface, action="replace", noun="network interface", name="x")
    assert of(stack, replaced("manager-1", "data is kept"), moved).kept == ()


def test_addresses_of_a_node(stack: Stack) -> None:
    assert impact.own(stack, "web-1") == [
        "aws_instance.Nodes_web-1_Machine_01234567",
        "terraform_data.Nodes_web-1_DockerApi_0123",
    ]
    assert impact.machine(stack, "web-1") == ["aws_instance.Nodes_web-1_Machine_01234567"]
    assert impact.join_steps(stack, ["web-1", "manager-1"]) == [
        "terraform_data.Swarm_Nodes_manager-1_0123",
        "terraform_data.Swarm_Nodes_web-1_0123",
    ]
    assert impact.own(stack, "web-") == impact.machine(stack, "x") == []


# The shape


def gone(address: str, action: Action = "destroy") -> StackPlan:
    change = Change(address=address, action=action, noun="machine", name="x")
    return StackPlan(stack="aws", changes=(change,))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    environment = Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})
    return cast("Session", SimpleNamespace(environment=environment))


PLAIN, OF_A_SWARM = "aws_instance.Machine_01234567", "aws_instance.Nodes_web-1_Machine_01234567"


@pytest.mark.parametrize(
    ("plan", "is_swarm"),
    [
        (StackPlan(stack="aws"), True),
        (StackPlan(stack="aws"), False),
        (gone(OF_A_SWARM), True),
        (gone(PLAIN), False),
        (gone(PLAIN, "replace"), False),
        (gone(PLAIN, "create"), True),
        (gone("aws_eip.Address_01234567"), True),
    ],
)
def test_what_keeps_the_shape_is_fine(session: Session, plan: StackPlan, *, is_swarm: bool) -> None:
    shape.check(session, plan, is_swarm=is_swarm)


@pytest.mark.parametrize(
    ("address", "is_swarm", "words", "way"),
    [
        (
            PLAIN,
            True,
            (
                "aws.machines: must keep the shape that is deployed, got a swarm where one "
                "machine alone is"
            ),
            "Take the",
        ),
        (
            OF_A_SWARM,
            False,
            "swarm: must keep the shape that is deployed, got one machine alone where a swarm is",
            "Say `swarm: true`, and it stays one, with a single node. Or take the",
        ),
    ],
)
def test_it_fails_when_the_shape_would_change(
    session: Session, address: str, words: str, way: str, *, is_swarm: bool
) -> None:
    with pytest.raises(CommandError) as caught:
        shape.check(session, gone(address), is_swarm=is_swarm)
    assert str(caught.value) == (
        f"{session.environment.settings_file}: {words}: what is there would be destroyed, and all "
        f"volumes with it. {way} change back. Then either copy this settings file under another "
        "name, make the change there, deploy that beside this one, take the data over, and end "
        "this one with `ENVIRONMENT=production make down`; or, where the data may go, run "
        "`ENVIRONMENT=production make down` first, and make the change after it"
    )
