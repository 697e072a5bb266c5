"""Who may begin a swarm, who may join one, and who is left alone."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker.errors import TLSParameterError

from constructs_lib.swarm import membership as under_test
from constructs_lib.swarm.errors import SwarmError
from constructs_lib.swarm.managers import (
    Answer,
    Membership,
    NodeEndpoint,
    NoManagerError,
    Problem,
)
from constructs_lib.swarm.membership import Joining
from constructs_lib.swarm.node import SwarmNode
from constructs_lib.swarm.recover import choose_survivor

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path("/env/certificates")
MANAGERS = [
    NodeEndpoint(
        name=f"manager-{n}", address=f"198.51.100.{n}", private_address=f"10.0.0.{n}", port=2376
    )
    for n in (1, 2, 3)
]
FIRST, SECOND, THIRD = MANAGERS


def answer(
    endpoint: NodeEndpoint,
    *,
    state: str = "active",
    is_manager: bool = True,
    cluster: str = "swarm1",
    problem: Problem | None = None,
    remote: Sequence[str] = ("10.0.0.1", "10.0.0.2"),
    ahead: timedelta = timedelta(0),
) -> Answer:
    return Answer(
        endpoint=endpoint,
        membership=Membership(
            state=state,
            node_id=f"id-{endpoint.name}",
            is_manager=is_manager,
            cluster_id=cluster,
            error="",
            managers=3,
            remote_managers=frozenset(remote),
            ahead=ahead,
        ),
        certificates=FOLDER,
        problem=problem,
        words=problem.value if problem else "",
    )


def free(endpoint: NodeEndpoint, ahead: timedelta = timedelta(0)) -> Answer:
    return answer(
        endpoint,
        state="inactive",
        is_manager=False,
        cluster="",
        problem=Problem.NO_SWARM,
        remote=(),
        ahead=ahead,
    )


def silent(endpoint: NodeEndpoint) -> Answer:
    return Answer(endpoint=endpoint, problem=Problem.SILENT, words="no answer in time")


def ensure(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    here: NodeEndpoint,
    *answers: Answer,
) -> None:
    monkeypatch.setattr(under_test, "settled", lambda *_: answers)
    joining = Joining(
        managers=MANAGERS, certificates=[FOLDER], lock=folder / "join.lock", report=print
    )
    joining.ensure(SwarmNode(name=here.name, is_manager=here in MANAGERS), here)


def test_the_first_manager_begins_nothing_while_another_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(NoManagerError) as caught:
        ensure(monkeypatch, tmp_path, FIRST, free(FIRST), free(SECOND), silent(THIRD))
    assert str(caught.value) == (
        "swarm: managers: one of them must answer and have a majority, got none\n"
        "  manager-2 (198.51.100.2:2376): no swarm\n"
        "  manager-3 (198.51.100.3:2376): no answer in time"
    )


def test_another_manager_begins_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(NoManagerError, match="no machine is in a swarm yet"):
        ensure(monkeypatch, tmp_path, SECOND, free(SECOND), free(FIRST), free(THIRD))


def test_nobody_begins_beside_a_swarm_that_has_lost_its_majority(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lost = answer(SECOND, problem=Problem.NO_QUORUM)
    with pytest.raises(NoManagerError, match="run: moor swarm recover"):
        ensure(monkeypatch, tmp_path, FIRST, free(FIRST), lost, free(THIRD))


def test_a_machine_that_does_not_answer_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    message = re.escape("manager-1 (198.51.100.1:2376): must answer, got: no answer in time")
    with pytest.raises(SwarmError, match=message):
        ensure(monkeypatch, tmp_path, FIRST, silent(FIRST), answer(SECOND), answer(THIRD))


@pytest.mark.parametrize(
    ("ahead", "got"),
    [(timedelta(days=1), "24.0 h ahead of"), (timedelta(days=-1), "24.0 h behind")],
)
def test_a_clock_that_is_a_day_off_is_told_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ahead: timedelta, got: str
) -> None:
    with pytest.raises(SwarmError) as caught:
        ensure(monkeypatch, tmp_path, THIRD, free(THIRD, ahead), answer(FIRST), answer(SECOND))
    assert str(caught.value) == (
        "manager-3 (198.51.100.3:2376): clock: must be within 30 min of manager-1's, got "
        f"{got} it; set the clock that is wrong (timedatectl), and deploy again"
    )


def test_our_own_clock_does_not_matter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    day = timedelta(days=1)
    # Past the clocks: the next thing is to ask the manager, which is not there.
    with pytest.raises(TLSParameterError):
        ensure(
            monkeypatch, tmp_path, THIRD, free(THIRD, day), answer(FIRST, ahead=day), answer(SECOND)
        )


def test_a_manager_of_another_swarm_is_an_error_that_names_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SwarmError, match=r"manager-2 .* of swarm swarm1.* of swarm swarm2;"):
        ensure(
            monkeypatch,
            tmp_path,
            FIRST,
            answer(FIRST, cluster="swarm2"),
            answer(SECOND),
            answer(THIRD),
        )


LOST = answer(FIRST, problem=Problem.NO_QUORUM)


def test_the_first_manager_that_is_left_begins_anew() -> None:
    left = answer(SECOND, problem=Problem.NO_QUORUM)
    answers = [silent(THIRD), LOST, left]
    assert choose_survivor(answers, survivor=None, lost=["manager-3"]) is LOST
    assert choose_survivor(answers, survivor="manager-2", lost=["manager-3"]) is left


@pytest.mark.parametrize(
    ("answers", "survivor", "lost", "message"),
    [
        ([LOST, answer(SECOND)], None, [], "there is nothing to recover"),
        (
            [LOST, silent(SECOND), silent(THIRD)],
            None,
            ["manager-3"],
            "must answer or be named as lost, got none of both of manager-2;",
        ),
        (
            [LOST],
            "manager-9",
            [],
            "survivor: must be a manager that is left, got manager-9",
        ),
        ([free(FIRST), silent(SECOND)], None, ["manager-2"], "a manager must be left"),
    ],
)
def test_a_recovery_that_could_do_harm_is_refused(
    answers: list[Answer], survivor: str | None, lost: list[str], message: str
) -> None:
    with pytest.raises(SwarmError, match=message):
        choose_survivor(answers, survivor=survivor, lost=lost)
