"""Whether all that should run does: with a clock that the tests turn, and with real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose.model import ComposeProject, Dependency, Port, Service
from constructs_lib.docker.container_options import ContainerOptions
from moor import health
from moor.health import (
    Expected,
    Found,
    Row,
    answer_of,
    expectations,
    found_in,
    judge,
    problems,
    watch,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from moor.health import Verdict

URL = "http://192.0.2.7:80/"
HTTP = Port(target=80, published=(80, 80), protocol="tcp")


def project(*services: Service) -> ComposeProject:
    return ComposeProject(
        name="moor",
        file="compose.yaml",
        services={service.name: service for service in services},
        networks={},
        volumes={},
    )


# What should be there


def test_each_replica_is_expected_and_the_first_one_is_asked() -> None:
    web = Service(name="web", replicas=2, ports=(HTTP,), config_hash="1")
    none = Service(name="none", replicas=0)
    database = Service(name="db", container_name="database", restart="always", config_hash="2")
    assert expectations(project(web, none, database), {"web": URL, "other": "x"}) == [
        Expected(name="moor-web-1", service="web", config_hash="1", url=URL),
        Expected(name="moor-web-2", service="web", config_hash="1"),
        Expected(name="database", service="db", config_hash="2"),
    ]


@pytest.mark.parametrize(
    ("service", "ends"),
    [
        (Service(name="job"), True),
        (Service(name="job", restart="on-failure"), True),
        (Service(name="job", ports=(HTTP,)), False),
        (Service(name="job", restart="always"), False),
        (Service(name="job", restart="unless-stopped"), False),
    ],
)
def test_what_nobody_restarts_and_nobody_can_reach_may_end(service: Service, *, ends: bool) -> None:
    assert [e.ends for e in expectations(project(service), {})] == [ends]


@pytest.mark.parametrize(
    ("condition", "ends"),
    [("service_completed_successfully", True), ("service_healthy", False)],
)
def test_what_is_waited_for_until_it_ends_may_end(condition: Any, *, ends: bool) -> None:  # noqa: ANN401
    job = Service(name="job", restart="always")
    other = Service(
        name="web",
        restart="always",
        depends_on=(Dependency(service="job", condition=condition),),
    )
    assert [e.ends for e in expectations(project(job, other), {})] == [ends, False]


CHOSEN = replace(HTTP, target=81, published=None)


def test_ports_left_to_the_engine_are_looked_for() -> None:
    local = replace(HTTP, target=81, published=(9000, 9001), host_ip="127.0.0.1")
    web = Service(name="web", replicas=2, ports=(HTTP, CHOSEN, local, replace(CHOSEN, target=53)))
    both = expectations(project(web), {})
    assert [e.chosen for e in both] == [("81/tcp", "53/tcp")] * 2
    assert [e.fixed for e in both] == [{80, 9000}, {81, 9001}]
    host = replace(web, options=ContainerOptions(network_mode="host"))
    assert [e.chosen for e in expectations(project(host), {})] == [(), ()]


def test_a_port_that_the_engine_chose_is_told_and_is_no_problem() -> None:
    expected = Expected(
        name="a", service="a", config_hash="", chosen=("81/tcp", "9/udp"), fixed=frozenset({9000})
    )
    container = {
        "Name": "/a",
        "State": {"Status": "running"},
        "NetworkSettings": {
            "Ports": {
                "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}],  # noqa: S104
                "81/tcp": [
                    {"HostIp": "0.0.0.0", "HostPort": "32768"},  # noqa: S104
                    {"HostIp": "::", "HostPort": "32768"},
                    {"HostIp": "127.0.0.1", "HostPort": "9000"},
                ],
                "9/udp": None,
            }
        },
    }
    row = judge(expected, found_in(container, {}))
    assert (row.verdict, row.chosen) == ("good", {"81/tcp": (32768,)})


# What is there


def test_what_the_engine_says_of_a_container() -> None:
    container = {
        "Name": "/moor-web-1",
        "Image": "sha256:1",
        "State": {"Status": "running", "ExitCode": 0, "Health": {"Status": "healthy"}},
        "Config": {"Labels": {"com.docker.compose.config-hash": "abc"}},
    }
    assert found_in(container, {"sha256:1": "nginx:1"}) == Found(
        name="moor-web-1", status="running", health="healthy", config_hash="abc", image="nginx:1"
    )


@pytest.mark.parametrize(
    ("container", "found"),
    [
        ({}, Found(name="", status="unknown")),
        (
            {"Name": "/a", "State": {"Status": "exited", "ExitCode": 137}, "Config": {}},
            Found(name="a", status="exited", exit_code=137),
        ),
        (
            {"Name": "/a", "State": {"Status": "running", "Health": None}, "Config": None},
            Found(name="a", status="running"),
        ),
        (
            {"State": {"Status": "running", "Health": {"Status": "none"}}, "Image": "sha256:2"},
            Found(name="", status="running"),
        ),
    ],
)
def test_a_container_of_which_little_is_said(container: dict[str, Any], found: Found) -> None:
    assert found_in(container, {"sha256:1": "nginx:1"}) == found


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (Found(name="a", status="exited", exit_code=1), "exited (1)"),
        (Found(name="a", status="running"), "running"),
        (Found(name="a", status="running", health="healthy"), "running (healthy)"),
        (Found(name="a", status="exited", health="unhealthy"), "exited (0)"),
    ],
)
def test_states_in_a_word_or_two(found: Found, state: str) -> None:
    assert found.state == state


# What is right


WEB = Expected(name="web", service="web", config_hash="1")
RUNS = Found(name="web", status="running", config_hash="1", image="nginx:1")
OLDER = "must be of the present configuration, got an older one"


@pytest.mark.parametrize(
    ("found", "verdict", "problem"),
    [
        (RUNS, "good", ""),
        (replace(RUNS, health="healthy"), "good", ""),
        (replace(RUNS, health="starting"), "pending", "must be healthy, got starting"),
        (replace(RUNS, health="unhealthy"), "bad", "must be healthy, got unhealthy"),
        (replace(RUNS, status="created"), "pending", "must run, got created"),
        (replace(RUNS, status="restarting"), "pending", "must run, got restarting"),
        (replace(RUNS, status="paused"), "bad", "must run, got paused"),
        (replace(RUNS, status="dead"), "bad", "must run, got dead"),
        (replace(RUNS, status="exited"), "bad", "must run, got exited (0)"),
        (replace(RUNS, status="exited", exit_code=2), "bad", "must run, got exited (2)"),
        (
            replace(RUNS, status="exited", exit_code=2, health="starting"),
            "bad",
            "must run, got exited (2)",
        ),
        (replace(RUNS, config_hash="2"), "bad", OLDER),
        (replace(RUNS, config_hash=""), "bad", OLDER),
    ],
)
def test_verdicts(found: Found, verdict: Verdict, problem: str) -> None:
    assert judge(WEB, found) == Row(
        expected=WEB,
        state=found.state,
        verdict=verdict,
        image="nginx:1",
        problem=problem,
        health=found.health,
    )


@pytest.mark.parametrize(
    ("state", "since"),
    [
        ({"Status": "running", "StartedAt": "2026-03-01T10:00:00Z"}, "2026-03-01T10:00:00Z"),
        (
            {"Status": "exited", "StartedAt": "2026-03-01T10:00:00Z", "FinishedAt": "2026-03-02"},
            "2026-03-02",
        ),
        ({"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}, ""),
    ],
)
def test_since_when_it_is_so_and_how_often_it_was_started_again(
    state: dict[str, str], since: str
) -> None:
    found = found_in({"Name": "/web", "State": state, "RestartCount": 3}, {})
    assert (found.since, found.restarts) == (since, 3)
    row = judge(WEB, found)
    assert (row.since, row.restarts) == (since, 3)


def test_what_is_not_there() -> None:
    assert judge(WEB, None) == Row(
        expected=WEB, state="missing", verdict="bad", problem="must be there, got nothing"
    )


@pytest.mark.parametrize(("code", "verdict"), [(0, "good"), (1, "bad")])
def test_what_may_end_must_end_well(code: int, verdict: Verdict) -> None:
    job = replace(WEB, ends=True)
    assert judge(job, replace(RUNS, status="exited", exit_code=code)).verdict == verdict
    assert judge(job, RUNS).verdict == "good"


def test_what_has_come_to_its_end_well_is_listed_with_its_configuration() -> None:
    over = replace(RUNS, status="exited")
    jobs = [replace(WEB, name=name, ends=True) for name in ("over", "runs", "failed", "older")]
    found = (over, RUNS, replace(over, exit_code=1), replace(over, config_hash="2"))
    rows = [judge(job, state) for job, state in zip(jobs, found, strict=True)]
    # A service that is not to end has not done its work, however well it ended.
    rows += [judge(WEB, over), judge(replace(WEB, name="missing", ends=True), None)]
    assert health.ended(rows) == {"over": "1"}


# Waiting


@dataclass
class World:
    """What is there at each look, and what is answered at each question; the last one stays."""

    looks: list[dict[str, Found]]
    answers: list[str | None] = field(default_factory=list)
    now: float = 100.0
    slept: list[float] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    seen: list[list[str]] = field(default_factory=list)

    def look(self) -> Mapping[str, Found]:
        """Tell what is there."""
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def ask(self, url: str) -> str | None:
        """Answer."""
        self.asked.append(url)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def sleep(self, seconds: float) -> None:
        """Turn the clock."""
        self.slept.append(seconds)
        self.now += seconds

    def watch(self, *expected: Expected, patience_seconds: float) -> list[Row]:
        """Watch this world."""
        return watch(
            expected,
            self.look,
            patience_seconds=patience_seconds,
            ask=self.ask,
            tick=lambda rows: self.seen.append([row.verdict for row in rows]),
            clock=lambda: self.now,
            sleep=self.sleep,
        )


ASKED = replace(WEB, url=URL)
SILENT = f"must answer at {URL}, got silence"


def test_all_is_right_at_once() -> None:
    world = World([{"web": RUNS}], ["200 OK"])
    assert world.watch(ASKED, patience_seconds=60) == [
        Row(expected=ASKED, state="running", verdict="good", answer="200 OK", image="nginx:1")
    ]
    assert world.slept == []
    assert world.asked == [URL]
    assert world.seen == [["good"]]


def test_nothing_is_expected() -> None:
    assert World([{}]).watch(patience_seconds=60) == []


def test_it_waits_for_what_may_become_right() -> None:
    starting = replace(RUNS, health="starting")
    healthy = replace(RUNS, health="healthy")
    world = World([{"web": starting}, {"web": starting}, {"web": healthy}], [None, "200 OK"])
    (row,) = world.watch(ASKED, patience_seconds=60)
    assert (row.verdict, row.state, row.answer) == ("good", "running (healthy)", "200 OK")
    assert world.slept == [0.25, 0.25]
    assert world.asked == [URL, URL], "what has answered is not asked again"
    assert world.seen == [["pending"], ["pending"], ["good"]]


def test_it_does_not_wait_for_what_is_wrong_for_good() -> None:
    other = replace(WEB, name="other")
    world = World([{"web": replace(RUNS, status="created")}])
    rows = world.watch(WEB, other, patience_seconds=60)
    assert [row.verdict for row in rows] == ["pending", "bad"]
    assert world.slept == []


def test_patience_has_an_end() -> None:
    world = World([{"web": replace(RUNS, status="restarting")}])
    (row,) = world.watch(WEB, patience_seconds=1)
    assert row.verdict == "pending"
    assert sum(world.slept) == 1
    assert len(world.seen) == 5


def test_what_is_not_running_is_not_asked() -> None:
    for found in (
        replace(RUNS, status="created"),
        replace(RUNS, config_hash="2"),
        replace(RUNS, status="exited"),
    ):
        world = World([{"web": found}])
        assert world.watch(replace(ASKED, ends=True), patience_seconds=0)[0].answer == ""
        assert world.asked == []


def test_no_connection_is_silence() -> None:
    world = World([{"web": RUNS}], [None])
    (row,) = world.watch(ASKED, patience_seconds=30)
    assert row == Row(
        expected=ASKED, state="running", verdict="pending", image="nginx:1", problem=SILENT
    )
    assert sum(world.slept) == 30


def test_a_port_that_takes_connections_counts_after_a_while() -> None:
    world = World([{"web": RUNS}], [None, ""])
    (row,) = world.watch(ASKED, patience_seconds=60)
    assert (row.verdict, row.answer, row.problem) == ("good", "takes connections", "")
    assert sum(world.slept) == 10


def test_a_healthy_one_that_takes_connections_counts_at_once() -> None:
    world = World([{"web": replace(RUNS, health="healthy")}], [""])
    assert world.watch(ASKED, patience_seconds=60)[0].answer == "takes connections"
    assert world.slept == []


def test_whoever_looks_once_takes_a_connection_for_an_answer() -> None:
    world = World([{"web": RUNS}], [""])
    assert world.watch(ASKED, patience_seconds=0)[0].answer == "takes connections"
    world = World([{"web": RUNS}], [None])
    assert world.watch(ASKED, patience_seconds=0)[0].problem == SILENT
    assert world.slept == []


def test_an_answer_does_not_make_good_what_is_not_healthy_yet() -> None:
    world = World([{"web": replace(RUNS, health="starting")}], ["200 OK"])
    (row,) = world.watch(ASKED, patience_seconds=0)
    assert (row.verdict, row.answer) == ("pending", "200 OK")
    assert row.problem == "must be healthy, got starting"


def test_it_waits_by_the_real_clock_and_asks_real_services() -> None:
    with serving(b"HTTP/1.0 204 No Content\r\n\r\n") as url:
        (row,) = watch([replace(ASKED, url=url)], lambda: {"web": RUNS}, patience_seconds=60)
    assert row.answer == "204 No Content"
    created = {"web": replace(RUNS, status="created")}
    assert watch([WEB], lambda: created, patience_seconds=0.01)[0].verdict == "pending"


# Answers of real sockets


@contextlib.contextmanager
def serving(answer: bytes, *, reads: bool = True) -> Iterator[str]:
    """Answer every connection with some bytes and close it; return a URL with no path."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    # The first connection of each question only looks whether there is one.
                    with connection, contextlib.suppress(OSError):
                        if not reads or connection.recv(1000):
                            connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(60)


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 OK"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "503 Service Unavailable"),
        (b"HTTP/1.1 200\r\n\r\n", "200"),
        (b"HTTP/1.1 200 \x1b[2JOK\x07\r\n\r\n", "200 [2JOK"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ""),
        (b"\x00\xff\xfe\r\n", ""),
        (b"", ""),
    ],
)
def test_answers(told: bytes, answer: str) -> None:
    with serving(told) as url:
        assert answer_of(url) == answer


def test_a_server_that_speaks_first() -> None:
    with serving(b"220 mail ESMTP\r\n", reads=False) as url:
        assert answer_of(f"{url}/") == ""


def test_the_path_is_asked_for() -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            server.accept()[0].close()
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(1000))
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        assert answer_of(f"http://127.0.0.1:{server.getsockname()[1]}/a/b") == "200 OK"
        thread.join(60)
    assert heard[0].startswith(b"GET /a/b HTTP/1.1\r\n")


def test_a_port_that_nobody_listens_on() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert answer_of(f"http://127.0.0.1:{bound.getsockname()[1]}/") is None


# What is not right, in words


@pytest.mark.parametrize(
    ("row", "seconds", "text"),
    [
        (
            Row(expected=WEB, state="missing", verdict="bad", problem="must be there, got nothing"),
            120,
            "web: must be there, got nothing",
        ),
        (
            judge(WEB, replace(RUNS, status="exited", exit_code=3)),
            120,
            "web: must run, got exited (3); look with: docker logs web",
        ),
        (
            judge(WEB, replace(RUNS, config_hash="2")),
            120,
            f"web: {OLDER}; look with: docker logs web",
        ),
        (
            judge(WEB, replace(RUNS, status="restarting")),
            120.4,
            "web: must run within 120 s, got restarting; look with: docker logs web",
        ),
        (
            judge(WEB, replace(RUNS, status="restarting")),
            0,
            "web: must run, got restarting; look with: docker logs web",
        ),
        (
            Row(expected=ASKED, state="running", verdict="pending", problem=SILENT),
            120,
            f"web: must answer at {URL} within 120 s, got silence; look with: docker logs web",
        ),
    ],
)
def test_problems(row: Row, seconds: float, text: str) -> None:
    assert list(problems([judge(WEB, RUNS), row], seconds=seconds)) == [text]
