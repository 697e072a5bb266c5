"""One node after the other: drained, changed, back; managers last, and never without a majority."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_cluster import FakeCluster, manager, three_and_two, worker

from moor.failure import CommandError
from moor.swarm import departure, quorum, roll
from moor.swarm.cluster import LostQuorumError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.swarm.cluster import Member

EVERY = ["manager-1", "manager-2", "manager-3", "web-1", "web-2"]


def rolled(cluster: FakeCluster, **how: object) -> list[str]:
    """Roll, and return what was done, with the changes."""
    told: list[str] = []
    arguments: dict[str, object] = {"renewed": (), "restarted": (), **how}
    roll.roll(
        cluster,
        change=lambda names: cluster.done.append(f"change {' '.join(names)}"),
        tell=lambda name, text: told.append(f"{name}: {text}"),
        **arguments,  # type: ignore[arg-type]  # what a test says
    )
    return cluster.done


# Quorum


@pytest.mark.parametrize(
    ("members", "name", "for_good", "problem"),
    [
        (three_and_two(), "web-1", True, ""),
        (three_and_two(), "nobody", True, ""),
        (three_and_two(), "manager-1", True, ""),
        (three_and_two(), "manager-1", False, ""),
        ([manager("manager-1"), worker("web-1")], "manager-1", False, ""),
        (
            [manager("manager-1"), worker("web-1")],
            "manager-1",
            True,
            "it is the only manager, and the swarm is in it",
        ),
        (
            [manager("manager-1"), manager("manager-2"), manager("manager-3", lost=True)],
            "manager-1",
            False,
            (
                "of 3 managers 2 have to be there, and without it 1 would be; manager-3 cannot "
                "be reached"
            ),
        ),
        (
            [manager("manager-1"), manager("manager-2"), manager("manager-3", lost=True)],
            "manager-1",
            True,
            (
                "of 2 managers 2 have to be there, and without it 1 would be; manager-3 cannot "
                "be reached"
            ),
        ),
        (
            [manager("manager-1"), manager("manager-2"), manager("manager-3", lost=True)],
            "manager-3",
            True,
            "",
        ),
        (
            [manager("manager-1"), manager("manager-2")],
            "manager-1",
            False,
            "of 2 managers 2 have to be there, and without it 1 would be",
        ),
    ],
)
def test_what_the_managers_can_do_without(
    members: Sequence[Member], name: str, *, for_good: bool, problem: str
) -> None:
    assert quorum.without(members, name, for_good=for_good) == problem


# Rolling


def test_workers_come_first_and_the_leader_last() -> None:
    assert roll.batches(three_and_two(), EVERY, at_once=1) == [
        ["web-1"],
        ["web-2"],
        ["manager-2"],
        ["manager-3"],
        ["manager-1"],
    ]


def test_some_workers_at_once_and_managers_alone() -> None:
    assert roll.batches(three_and_two(), EVERY, at_once=9) == [
        ["web-1", "web-2"],
        ["manager-2"],
        ["manager-3"],
        ["manager-1"],
    ]


def test_a_node_that_starts_anew_is_drained_and_comes_back() -> None:
    assert rolled(FakeCluster(), restarted=["web-1", "manager-1"]) == [
        "drain web-1",
        "change web-1",
        "activate web-1",
        "settle web-1",
        "drain manager-1",
        "change manager-1",
        "activate manager-1",
        "settle manager-1",
    ]


def test_a_machine_that_is_replaced_leaves_the_swarm_and_joins_again() -> None:
    cluster = FakeCluster()
    assert rolled(cluster, renewed=["manager-2", "web-2"]) == [
        "drain web-2",
        "remove web-2",
        "change web-2",
        "join web-2",
        "settle web-2",
        "demote manager-2",
        "drain manager-2",
        "remove manager-2",
        "change manager-2",
        "join manager-2",
        "settle manager-2",
    ]
    assert sorted(m.name for m in cluster.members()) == EVERY


def test_the_only_manager_stays_in_the_swarm_where_that_goes_to_the_new_machine() -> None:
    members = [manager("manager-1", leads=True), worker("web-1")]
    both = ["manager-1", "web-1"]
    assert rolled(FakeCluster(there=members), renewed=both, kept=both) == [
        "drain web-1",
        "remove web-1",
        "change web-1",
        "join web-1",
        "settle web-1",
        "drain manager-1",
        "change manager-1",
        "activate manager-1",
        "settle manager-1",
    ]
    # Of several each leaves and joins, and what is a worker's does not count.
    assert "demote manager-2" in rolled(FakeCluster(), renewed=["manager-2"], kept=EVERY)
    with pytest.raises(CommandError, match="it is the only manager, and the swarm is in it"):
        rolled(FakeCluster(there=members), renewed=["manager-1"], kept=["web-1"])


def test_all_managers_are_replaced_and_the_quorum_stays() -> None:
    # The fake refuses a demotion that would lose it.
    done = rolled(FakeCluster(), renewed=["manager-1", "manager-2", "manager-3"])
    assert [step for step in done if step.startswith(("demote", "join"))] == [
        "demote manager-2",
        "join manager-2",
        "demote manager-3",
        "join manager-3",
        "demote manager-1",
        "join manager-1",
    ]


def test_where_nobody_else_takes_tasks_none_are_moved() -> None:
    for others in ([], [worker("web-1", availability="drain")], [worker("web-1", state="down")]):
        cluster = FakeCluster(there=[manager("manager-1", leads=True), *others])
        assert rolled(cluster, restarted=["manager-1"]) == ["change manager-1", "settle manager-1"]


def test_what_somebody_has_drained_stays_drained() -> None:
    cluster = FakeCluster(there=[*three_and_two(), worker("db-1", availability="drain")])
    assert rolled(cluster, restarted=["db-1"]) == ["change db-1", "settle db-1"]


def test_what_a_killed_command_has_drained_works_again() -> None:
    cluster = FakeCluster(fails_at="activate web-1")
    with pytest.raises(CommandError, match="a fake's failure"):
        rolled(cluster, restarted=["web-1"])
    assert roll.unfinished(cluster.members()) == ["web-1"]
    cluster.fails_at = ""
    cluster.done.clear()
    assert rolled(cluster, restarted=["web-1"])[-2:] == ["activate web-1", "settle web-1"]
    assert roll.unfinished(cluster.members()) == []


def test_after_a_failure_the_next_node_is_left_alone() -> None:
    cluster = FakeCluster(fails_at="settle web-1")
    with pytest.raises(CommandError, match="settle web-1"):
        rolled(cluster, restarted=["web-1", "web-2"])
    assert cluster.done == ["drain web-1", "change web-1", "activate web-1"]


@pytest.mark.parametrize(
    ("members", "how", "message"),
    [
        (
            [manager("manager-1"), manager("manager-2"), manager("manager-3", lost=True)],
            {"restarted": ["web-1", "manager-2"]},
            (
                "node manager-2: must be done without for a while, got: of 3 managers 2 have to "
                "be there, and without it 1 would be; manager-3 cannot be reached; replace what is "
                "lost first: `moor host replace manager-3`"
            ),
        ),
        (
            [manager("manager-1"), worker("web-1")],
            {"renewed": ["manager-1"]},
            (
                "node manager-1: must be done without for a while, got: it is the only manager, "
                "and the swarm is in it; let there be three managers first: aws.machines.managers: "
                "3; or have the swarm on a data volume: aws.data_volume, and deploy that first"
            ),
        ),
        (
            [manager("manager-1"), manager("manager-2")],
            {"restarted": ["manager-1"]},
            (
                "node manager-1: must be done without for a while, got: of 2 managers 2 have to be "
                "there, and without it 1 would be; or lose the quorum knowingly: `moor host "
                "replace manager-1 --even-without-quorum manager-1`, then `moor swarm recover`"
            ),
        ),
    ],
)
def test_it_fails_when_the_quorum_would_be_lost(
    members: list[Member], how: dict[str, list[str]], message: str
) -> None:
    arguments: dict[str, list[str]] = {"renewed": [], "restarted": [], **how}
    with pytest.raises(CommandError) as caught:
        roll.check(members, **arguments)
    assert str(caught.value) == message


def test_a_manager_that_is_named_goes_even_without_a_quorum() -> None:
    members = [manager("manager-1", leads=True), manager("manager-2"), worker("web-1")]
    with pytest.raises(CommandError, match="must be done without"):
        rolled(FakeCluster(there=members), restarted=["manager-1"])
    for how in ("restarted", "renewed"):
        cluster = FakeCluster(there=[*members, manager("manager-3", lost=True)])
        with pytest.raises(LostQuorumError) as caught:
            rolled(cluster, even_without_quorum=["manager-1"], **{how: ["web-1", "manager-1"]})
        assert str(caught.value) == (
            "node manager-1: is changed, as it was to be, and the managers that are left are no "
            "majority; next: `moor swarm recover`"
        )
        assert cluster.done[-2:] == ["drain manager-1", "change manager-1"]
        assert "settle web-1" in cluster.done


def test_a_service_finds_the_node_of_its_volume_again() -> None:
    labels = {"moor.volume.shop.data": "yes", "moor.node": "web-1", "tier": "web"}
    cluster = FakeCluster(there=[*three_and_two()[:3], worker("web-1", labels=labels)])
    rolled(cluster, renewed=["web-1"])
    (member,) = [m for m in cluster.members() if m.name == "web-1"]
    assert member.labels == {"moor.volume.shop.data": "yes"}


# Leaving


def test_nodes_leave_workers_first() -> None:
    cluster = FakeCluster()
    told: list[str] = []
    departure.dismiss(
        cluster,
        ["manager-3", "web-2"],
        tell=lambda name, text: told.append(f"{name}: {text}"),
    )
    # Who is next gets no tasks of the one before, which would have to move a second time.
    assert cluster.done == [
        "hold manager-3",
        "drain web-2",
        "remove web-2",
        "demote manager-3",
        "drain manager-3",
        "remove manager-3",
    ]
    assert told == [
        "web-2: its tasks move away",
        "web-2: leaves the swarm",
        "manager-3: becomes a worker",
        "manager-3: its tasks move away",
        "manager-3: leaves the swarm",
    ]


def test_what_a_killed_command_has_held_works_again() -> None:
    held = worker("web-1", availability="pause", labels={roll.RESTING: "yes"})
    by_hand = worker("web-2", availability="pause")
    assert roll.unfinished([held, by_hand, worker("web-3", labels={roll.RESTING: "yes"})]) == [
        "web-1"
    ]
    cluster = FakeCluster(there=[*three_and_two()[:3], held, by_hand])
    departure.dismiss(cluster, ["web-1", "web-2"], tell=lambda *_: None)
    assert cluster.done == ["drain web-1", "remove web-1", "drain web-2", "remove web-2"]


def test_it_fails_when_a_volume_would_go_with_its_node() -> None:
    label = "moor.volume.shop.data"
    members = [*three_and_two()[:4], worker("web-2", labels={label: "yes", "tier": "web"})]
    departure.check_volumes(members, ["web-1", "nobody"])
    with pytest.raises(CommandError) as caught:
        departure.check_volumes(members, ["web-1", "web-2"])
    assert str(caught.value) == (
        "node web-2: must stay, got a plan without it, and the volume shop.data is on it: its data "
        "would be lost with the machine. Copy it to another node, and move the label there, by "
        f"which its services find it: `moor node label NODE {label}=yes`, then `moor node label "
        f"web-2 {label}-`. Where the data may go, the latter alone will do, and an empty volume is "
        "made on another node"
    )
    departure.check_volumes([worker("web-2", labels={label: "no"})], ["web-2"])


def test_who_is_down_has_no_tasks_to_move() -> None:
    cluster = FakeCluster(there=[*three_and_two(), worker("db-1", state="down")])
    departure.dismiss(cluster, ["db-1", "nobody"], tell=lambda *_: None)
    assert cluster.done == ["remove db-1"]


def test_a_lost_manager_goes_before_one_that_is_there() -> None:
    members = [
        manager("manager-1", leads=True),
        manager("manager-2"),
        manager("manager-3", lost=True),
    ]
    assert departure.in_order(members, ["manager-2", "manager-3"]) == ["manager-3", "manager-2"]
    departure.check(members, ["manager-2", "manager-3"])
    departure.dismiss(
        cluster := FakeCluster(there=members), ["manager-2", "manager-3"], tell=lambda *_: None
    )
    assert [m.name for m in cluster.members()] == ["manager-1"]


@pytest.mark.parametrize(
    ("members", "names", "message"),
    [
        (
            [manager("manager-1"), manager("manager-2"), manager("manager-3", lost=True)],
            ["manager-2"],
            (
                "node manager-2: must stay, got a plan without it: of 2 managers 2 have to be "
                "there, and without it 1 would be; manager-3 cannot be reached; bring back first "
                "what is lost: `moor host replace manager-3`"
            ),
        ),
        (
            [manager("manager-1"), worker("web-1")],
            ["web-1", "manager-1"],
            (
                "node manager-1: must stay, got a plan without it: it is the only manager, and the "
                "swarm is in it; keep as many managers as make a majority, or end all of it with "
                "`moor down`"
            ),
        ),
    ],
)
def test_it_fails_when_a_manager_has_to_stay(
    members: list[Member], names: list[str], message: str
) -> None:
    with pytest.raises(CommandError) as caught:
        departure.check(members, names)
    assert str(caught.value) == message
    cluster = FakeCluster(there=members)
    with pytest.raises(CommandError) as caught:
        departure.dismiss(cluster, names, tell=lambda *_: None)
    assert str(caught.value) == message
    assert "demote" not in " ".join(cluster.done)
