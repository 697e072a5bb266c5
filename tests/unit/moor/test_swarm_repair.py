"""What is not in the swarm as the settings say: told apart, and in one line each."""

from __future__ import annotations

import pytest
from fake_cluster import manager, three_and_two, worker

from moor.swarm import repair
from moor.swarm.cluster import Member, by_name
from moor.swarm.repair import Finding
from moor.swarm.roll import RESTING

WANTED = {"manager-1": True, "manager-2": True, "manager-3": True, "web-1": False, "web-2": False}
DEPLOYED = {name: f"i-{name}" for name in WANTED}


def found(
    members: list[Member],
    states: dict[str, str] | None = None,
    deployed: dict[str, str] | None = None,
) -> list[Finding]:
    """Compare; a state of EC2's that a test does not name is never asked for."""
    known = {} if states is None else states
    return repair.find(
        WANTED,
        members,
        deployed=DEPLOYED if deployed is None else deployed,
        state_of=lambda machine: known[machine],
    )


def test_a_whole_swarm_has_nothing_to_repair_and_ec2_is_not_asked() -> None:
    assert found(three_and_two()) == []


def test_what_the_settings_do_not_name_is_left_alone() -> None:
    assert found([*three_and_two(), worker("stray"), worker("gone", state="down")]) == []


def test_a_new_node_joins_by_the_plan_as_it_is() -> None:
    members = [m for m in three_and_two() if m.name != "web-2"]
    deployed = {name: machine for name, machine in DEPLOYED.items() if name != "web-2"}
    assert found(members, deployed=deployed) == []


def test_a_machine_that_runs_outside_of_the_swarm_joins_again() -> None:
    members = [m for m in three_and_two() if m.name != "web-2"]
    assert found(members, {"i-web-2": "running"}) == [
        Finding(
            node="web-2",
            text="node web-2: not in the swarm, and its machine i-web-2 runs: it joins again",
            joins_again=True,
        )
    ]


@pytest.mark.parametrize(
    ("state", "text", "joins"),
    [
        ("running", "runs: it joins again", True),
        ("", "is gone: another one is made", False),
        ("terminated", "is gone: another one is made", False),
        ("shutting-down", "is gone: another one is made", False),
        (
            "stopped",
            "is stopped: start it, or replace it with `moor host replace web-2`",
            False,
        ),
    ],
)
def test_a_machine_that_is_gone_is_told_from_one_that_the_swarm_lost(
    state: str, text: str, *, joins: bool
) -> None:
    members = [*three_and_two()[:-1], worker("web-2", state="down")]
    assert found(members, {"i-web-2": state}) == [
        Finding(
            node="web-2",
            text=f"node web-2: down in the swarm, and its machine i-web-2 {text}",
            joins_again=joins,
        )
    ]


def test_a_node_of_another_role_gets_its_own_again() -> None:
    members = [*three_and_two()[:2], worker("manager-3"), manager("web-1"), worker("web-2")]
    assert [finding.text for finding in found(members)] == [
        "node manager-3: is a worker, and becomes the manager that the settings say",
        "node web-1: is a manager, and becomes the worker that the settings say",
    ]
    assert all(finding.joins_again for finding in found(members))


def test_an_old_entry_beside_the_present_one_does_not_count() -> None:
    for pair in (
        [worker("web-2", state="down"), worker("web-2")],
        [worker("web-2"), worker("web-2", state="down")],
    ):
        assert found([*three_and_two()[:-1], *pair]) == []
        assert by_name(pair)["web-2"].state == "ready"


def test_what_a_killed_command_has_drained_works_again_unless_the_plan_drains_it() -> None:
    marked = {RESTING: "yes"}
    members = [
        worker("web-1", availability="drain", labels=marked),
        worker("web-2", availability="drain", labels=marked),
        worker("db-1", availability="drain"),
        worker("db-2", labels=marked),
    ]
    assert repair.unfinished(members, ["web-2"]) == ["web-1"]
