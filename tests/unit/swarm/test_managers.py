"""The choice of a manager, and what each machine's answer means."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.errors import APIError
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.swarm.errors import SwarmError
from constructs_lib.swarm.managers import (
    Answer,
    Membership,
    NodeEndpoint,
    NoManagerError,
    Problem,
    _problem,
    ask,
    choose,
    classify,
)

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
FOLDER = Path("/env/certificates")
INFO: dict[str, Any] = {
    "SystemTime": "2026-11-28T12:00:05.123456789Z",
    "Swarm": {
        "NodeID": "node1",
        "LocalNodeState": "active",
        "ControlAvailable": True,
        "Error": "",
        "RemoteManagers": [
            {"NodeID": "node1", "Addr": "10.0.0.1:2377"},
            {"NodeID": "node2", "Addr": "[fd00::2]:2377"},
        ],
        "Managers": 3,
        "Cluster": {"ID": "swarm1"},
    },
}


def endpoint(number: int) -> NodeEndpoint:
    return NodeEndpoint(
        name=f"manager-{number}",
        address=f"198.51.100.{number}",
        private_address=f"10.0.0.{number}",
        port=2376,
    )


def usable(number: int, cluster: str = "swarm1") -> Answer:
    swarm = {**INFO["Swarm"], "NodeID": f"node{number}", "Cluster": {"ID": cluster}}
    return Answer(
        endpoint=endpoint(number),
        membership=Membership.of({**INFO, "Swarm": swarm}, NOW),
        certificates=FOLDER,
    )


def unusable(number: int, problem: Problem = Problem.REFUSED, words: str = "why") -> Answer:
    return Answer(endpoint=endpoint(number), problem=problem, words=words)


def test_a_membership_is_read_from_what_an_engine_tells() -> None:
    assert Membership.of(INFO, NOW) == Membership(
        state="active",
        node_id="node1",
        is_manager=True,
        cluster_id="swarm1",
        error="",
        managers=3,
        remote_managers=frozenset({"10.0.0.1", "fd00::2"}),
        ahead=timedelta(seconds=5),
    )


@pytest.mark.parametrize("info", [{}, {"Swarm": None}, {"Swarm": {"LocalNodeState": ""}}])
def test_an_engine_that_tells_nothing_is_in_no_swarm(info: dict[str, Any]) -> None:
    assert Membership.of(info, NOW).state == "inactive"


@pytest.mark.parametrize(
    ("time", "hours"),
    [
        ("2026-11-29T12:00:00Z", 24),
        ("2026-11-27T12:00:00.5Z", -24),
        ("2026-11-28T14:00:00.000000001+02:00", 0),
        ("", 0),
        ("yesterday", 0),
    ],
)
def test_the_clock_of_an_engine_is_compared_with_ours(time: str, hours: int) -> None:
    assert Membership.of({"SystemTime": time}, NOW).ahead == timedelta(hours=hours)


@given(st.lists(st.booleans(), min_size=1, max_size=7))
def test_the_first_that_can_be_used_is_chosen_and_those_before_are_told(well: list[bool]) -> None:
    answers = [usable(n) if is_well else unusable(n) for n, is_well in enumerate(well, 1)]
    if not any(well):
        with pytest.raises(NoManagerError) as caught:
            choose(answers)
        assert caught.value.answers == tuple(answers)
        return
    manager = choose(answers)
    first = well.index(True)
    assert manager.endpoint == endpoint(first + 1)
    assert [answer.endpoint for answer in manager.passed_over] == [
        endpoint(n) for n in range(1, first + 1)
    ]


@given(st.lists(st.booleans(), min_size=2, max_size=7), st.data())
def test_one_to_be_avoided_is_chosen_only_where_there_is_no_other(
    well: list[bool], data: st.DataObject
) -> None:
    well[0] = True
    answers = [usable(n) if is_well else unusable(n) for n, is_well in enumerate(well, 1)]
    avoid = data.draw(st.sampled_from([a.endpoint.name for a in answers]))
    chosen = choose(answers, avoid=avoid).endpoint.name
    others = [a.endpoint.name for a in answers if a.problem is None and a.endpoint.name != avoid]
    assert chosen == (others[0] if others else avoid)


def test_managers_of_two_swarms_are_an_error_that_names_both() -> None:
    with pytest.raises(SwarmError) as caught:
        choose([usable(1), usable(2, "swarm2")])
    assert str(caught.value) == (
        "swarm: managers: must be of one swarm, got manager-1 (198.51.100.1:2376) of swarm swarm1, "
        "manager-2 (198.51.100.2:2376) of swarm swarm2; let those leave that do not belong to it "
        "(docker swarm leave --force), and deploy again"
    )


def test_where_none_can_be_used_the_reason_of_each_is_told() -> None:
    answers = [unusable(1, Problem.SILENT, "no answer in time"), unusable(2, Problem.WORKER, "is")]
    with pytest.raises(NoManagerError) as caught:
        choose(answers)
    assert str(caught.value) == (
        "swarm: managers: one of them must answer and have a majority, got none\n"
        "  manager-1 (198.51.100.1:2376): no answer in time\n"
        "  manager-2 (198.51.100.2:2376): is"
    )
    assert not caught.value.has_lost_quorum


def test_where_the_majority_is_lost_the_way_back_is_told() -> None:
    with pytest.raises(NoManagerError, match=re.escape("run: moor swarm recover")) as caught:
        choose([unusable(1), unusable(2, Problem.NO_QUORUM)])
    assert caught.value.has_lost_quorum


def _api_error(text: str) -> APIError:
    response = requests.Response()
    response.status_code = 503
    return APIError("503 Server Error", response=response, explanation=text)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            requests.ConnectionError(OSError(111, "Connection refused")),
            (Problem.REFUSED, "no connection (Connection refused)"),
        ),
        (requests.ConnectTimeout("timed out"), (Problem.SILENT, "no answer in time")),
        (requests.ReadTimeout("read"), (Problem.SILENT, "no answer in time")),
        (
            requests.exceptions.SSLError(ssl.SSLError(1, "tlsv13 alert certificate required")),
            (Problem.CERTIFICATE, "certificate refused (tlsv13 alert certificate required)"),
        ),
        (
            _api_error("rpc error: The swarm does not have a leader. It's possible"),
            (
                Problem.NO_QUORUM,
                (
                    "rpc error: The swarm does not have a leader. It's possible; "
                    "run: moor swarm recover"
                ),
            ),
        ),
        (_api_error("no SWMTKN-1-abc-def"), (Problem.OTHER, "no SWMTKN-…")),
    ],
)
def test_a_failed_request_is_told_by_its_reason(
    error: Exception, expected: tuple[Problem, str]
) -> None:
    assert classify(error) == expected


@pytest.mark.parametrize(
    ("swarm", "expected"),
    [
        ({}, (None, "")),
        ({"LocalNodeState": "inactive"}, (Problem.NO_SWARM, "is in no swarm")),
        ({"ControlAvailable": False}, (Problem.WORKER, "is a worker")),
        (
            {"Error": "rpc error: context deadline\n exceeded"},
            (Problem.NO_QUORUM, "has no majority: rpc error: context deadline exceeded"),
        ),
        ({"Cluster": None}, (Problem.NO_QUORUM, "has no majority: it knows no swarm")),
        (
            {"LocalNodeState": "pending", "ControlAvailable": False},
            (Problem.NO_QUORUM, "is a manager that waits for a majority of them"),
        ),
        (
            {"LocalNodeState": "pending", "RemoteManagers": None},
            (Problem.OTHER, "its part in the swarm is pending: no reason"),
        ),
        (
            {"LocalNodeState": "error", "Error": "x509: certificate has expired"},
            (
                Problem.OTHER,
                (
                    "its part in the swarm is error: x509: certificate has expired; the clocks of "
                    "the machines, or of one, are wrong: set them (timedatectl)"
                ),
            ),
        ),
    ],
)
def test_what_an_engine_says_of_its_swarm_is_understood(
    swarm: dict[str, Any], expected: tuple[Problem | None, str]
) -> None:
    membership = Membership.of({**INFO, "Swarm": {**INFO["Swarm"], **swarm}}, NOW)
    assert _problem(membership, endpoint(1)) == expected


def test_without_certificates_nothing_is_asked(tmp_path: Path) -> None:
    answer = ask(endpoint(1), [tmp_path / "none"])
    assert (answer.problem, answer.words) == (
        Problem.CERTIFICATE,
        "there is no certificate to show",
    )


@pytest.mark.parametrize(
    ("address", "docker_host"),
    [("198.51.100.1", "tcp://198.51.100.1:2376"), ("2001:db8::1", "tcp://[2001:db8::1]:2376")],
)
def test_an_address_is_written_as_docker_takes_it(address: str, docker_host: str) -> None:
    place = NodeEndpoint(name="n", address=address, private_address="10.0.0.1", port=2376)
    assert place.docker_host == docker_host
