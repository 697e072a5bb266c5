"""What a person sees at the end, with a Docker API that the tests make up."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import DockerException
from requests.exceptions import ConnectionError as NoConnection
from rich.console import Console

from constructs_lib.compose.model import ComposeProject, Port, Service
from constructs_lib.host import engine
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor import health, status
from moor.failure import CommandError
from moor.health import Expected, Row
from moor.outputs import Outputs
from moor.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

URL = "http://192.0.2.7:80/"
NETWORKS = {"cidrs": ["203.0.113.0/24"]}
AWS = {
    "region": "eu-central-1",
    "ssh": NETWORKS,
    "docker_api": {**NETWORKS, "service_ports": [9200]},
}
OUTPUTS = Outputs(
    public_ip="192.0.2.7", docker_host="tcp://192.0.2.7:2376", ssh="ssh", services={"web": URL}
)


def container(name: str, status: str = "running", config_hash: str = "1") -> dict[str, Any]:
    """Return what the engine says of a container."""
    return {
        "Name": f"/{name}",
        "Image": f"sha256:{name}",
        "State": {"Status": status},
        "Config": {"Labels": {"com.docker.compose.config-hash": config_hash}},
    }


@dataclass
class FakeEngine:
    """The part of the docker SDK that is used."""

    found: list[list[dict[str, Any]]] = field(default_factory=list)
    images_there: list[SimpleNamespace] = field(default_factory=list)
    failure: Exception | None = None
    closed: bool = field(default=False, init=False)

    @property
    def containers(self) -> SimpleNamespace:
        """The containers, at each look; the last look stays."""
        return SimpleNamespace(list=self._containers)

    @property
    def images(self) -> SimpleNamespace:
        """The images."""
        return SimpleNamespace(list=lambda: self.images_there)

    def close(self) -> None:
        """Close."""
        self.closed = True

    def _containers(
        self,
        *,
        all: bool,  # noqa: A002  (the SDK's)
        filters: Mapping[str, str],
        ignore_removed: bool,
    ) -> list[SimpleNamespace]:
        assert all, "a stopped container must show"
        assert ignore_removed, "a container may be removed between two requests"
        assert filters == {"label": "com.docker.compose.project=moor"}
        if self.failure:
            raise self.failure
        now = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        return [SimpleNamespace(attrs=attributes) for attributes in now]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return make_session(tmp_path)


def make_session(root: Path, *, sandbox: bool = False) -> Session:
    """Return a session whose settings and services are in no file."""
    session = Session(environment=Environment.from_variable(root, {"ENVIRONMENT": "production"}))
    document = {"aws": AWS, **({"sandbox": {}} if sandbox else {})}
    web = Port(target=80, published=(80, 80), protocol="tcp")
    services = (
        Service(name="web", replicas=2, restart="always", ports=(web,), config_hash="1"),
        Service(name="job", config_hash="1"),
    )
    session.__dict__["settings"] = Settings.model_validate(document)
    session.__dict__["services"] = ComposeProject(
        name="moor",
        file="compose.yaml",
        services={service.name: service for service in services},
        networks={},
        volumes={},
    )
    return session


@pytest.fixture
def connected(session: Session, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Return the engine that the machine's address leads to."""
    fake = FakeEngine()

    def connect(docker_host: str, certificates: Path) -> FakeEngine:
        assert docker_host == "tcp://192.0.2.7:2376"
        assert certificates == session.environment.certificates
        return fake

    monkeypatch.setattr(engine, "connect", connect)
    monkeypatch.setattr(health, "answer_of", {URL: "200 OK"}.get)
    return fake


def test_docker_is_pointed_to_the_machine(session: Session) -> None:
    assert status.docker_variables(session.environment, OUTPUTS) == {
        "DOCKER_HOST": "tcp://192.0.2.7:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(session.environment.certificates),
    }


def test_what_should_run_is_compared_with_what_does(
    session: Session, connected: FakeEngine
) -> None:
    connected.found = [
        [container("moor-web-1"), container("moor-job-1", "exited"), container("stray")]
    ]
    connected.images_there = [
        SimpleNamespace(id="sha256:moor-web-1", tags=["nginx:1", "nginx:latest"], attrs={}),
        SimpleNamespace(
            id="sha256:moor-job-1",
            tags=[],
            attrs={"RepoDigests": [f"registry.example/job@sha256:{'0123456789abcdef' * 4}"]},
        ),
        SimpleNamespace(id="sha256:x", tags=[], attrs={}),
    ]
    first, second, third = status.rows(session, OUTPUTS)
    assert first == Row(
        expected=Expected(name="moor-web-1", service="web", config_hash="1", url=URL),
        state="running",
        verdict="good",
        answer="200 OK",
        image="nginx:1",
    )
    assert second == Row(
        expected=Expected(name="moor-web-2", service="web", config_hash="1"),
        state="missing",
        verdict="bad",
        problem="must be there, got nothing",
    )
    assert third == Row(
        expected=Expected(name="moor-job-1", service="job", config_hash="1", ends=True),
        state="exited (0)",
        verdict="good",
        image="registry.example/job@0123456789ab",
    )
    assert connected.closed


def test_some_services_alone_are_looked_at(session: Session, connected: FakeEngine) -> None:
    connected.found = [[container("moor-job-1")]]
    rows = status.rows(session, OUTPUTS, only=["job"])
    assert [(row.expected.name, row.verdict) for row in rows] == [("moor-job-1", "good")]


def test_it_waits_for_what_may_become_right(session: Session, connected: FakeEngine) -> None:
    connected.found = [[container("moor-job-1", "created")], [container("moor-job-1")]]
    seen: list[list[str]] = []
    rows = status.rows(
        session,
        OUTPUTS,
        only=["job"],
        patience_seconds=60,
        tick=lambda rows: seen.append([row.state for row in rows]),
    )
    assert [row.state for row in rows] == ["running"]
    assert seen == [["created"], ["running"]]


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({}, ""),
        ({"RepoDigests": []}, ""),
        ({"RepoDigests": None}, ""),
        ({"RepoDigests": ["x"]}, ""),
    ],
)
def test_an_image_without_a_name(
    session: Session, connected: FakeEngine, attributes: dict[str, Any], name: str
) -> None:
    connected.found = [[container("moor-job-1")]]
    connected.images_there = [SimpleNamespace(id="sha256:moor-job-1", tags=[], attrs=attributes)]
    assert status.rows(session, OUTPUTS, only=["job"])[0].image == name


@pytest.mark.parametrize("failure", [DockerException("no API"), NoConnection("refused")])
def test_it_fails_when_the_docker_api_does_not_answer(
    session: Session, connected: FakeEngine, failure: Exception
) -> None:
    connected.failure = failure
    with pytest.raises(CommandError) as caught:
        status.rows(session, OUTPUTS)
    assert str(caught.value) == (
        f"tcp://192.0.2.7:2376: the Docker API must answer, got: {failure}; "
        "run ENVIRONMENT=production make up"
    )
    assert connected.closed


def test_it_fails_when_there_are_no_certificates(session: Session) -> None:
    with pytest.raises(CommandError) as caught:
        status.rows(session, OUTPUTS)
    text = str(caught.value)
    assert text.startswith("tcp://192.0.2.7:2376: the Docker API must answer, got: Path to a cert")
    assert text.endswith("; run ENVIRONMENT=production make up")


# What is printed


GOOD = Row(
    expected=Expected(name="moor-web-1", service="web", config_hash="1", url=URL),
    state="running",
    verdict="good",
    answer="418 I'm a [Teapot] [/]",
    image="nginx:1",
)
SILENT = replace(GOOD, verdict="pending", answer="", problem="must answer")
SPEAKS_NO_HTTP = replace(GOOD, answer="takes connections")
MISSING = Row(
    expected=Expected(name="moor-job-1", service="job", config_hash="1"),
    state="missing",
    verdict="bad",
    problem="must be there, got nothing",
)


def shown(session: Session, *rows: Row, terminal: bool = False, width: int = 200) -> list[str]:
    text = io.StringIO()
    console = Console(
        file=text,
        width=width,
        highlight=False,
        soft_wrap=True,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
    )
    status.show(session, OUTPUTS, rows, console)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_everything_one_needs_next(session: Session) -> None:
    assert shown(session, GOOD, MISSING) == [
        "",
        "production runs in eu-central-1, at 192.0.2.7",
        "service     state    address               answers                 image",
        "moor-web-1  running  http://192.0.2.7:80/  418 I'm a [Teapot] [/]  nginx:1",
        "moor-job-1  missing",
        "",
        "next",
        "  curl http://192.0.2.7:80/                     ask web",
        '  eval "$(ENVIRONMENT=production make -s env)"  let docker talk to the machine',
        "  ENVIRONMENT=production make ssh               open a shell on it",
        "  ENVIRONMENT=production make status            see this again",
        "  ENVIRONMENT=production make down              destroy everything",
    ]


CHOSEN = replace(GOOD, chosen={"81/tcp": (32768,), "53/udp": (32769, 32770)})


def test_what_the_engine_chose_is_told_with_the_way_there(session: Session) -> None:
    told = [line for line in shown(session, CHOSEN) if "chose" in line]
    assert told == [
        (
            "moor-web-1: port 81/tcp is 32768 on the machine, as the engine chose; no security "
            "group opens it: reach it by SSH, with -L 32768:localhost:32768"
        ),
        (
            "moor-web-1: port 53/udp is 32769, 32770 on the machine, as the engine chose; no "
            "security group opens it"
        ),
    ]
    (service,) = status.as_json(OUTPUTS, [CHOSEN])["services"]
    assert service["chosen_ports"] == {"81/tcp": [32768], "53/udp": [32769, 32770]}


def test_a_sandbox_is_called_so(tmp_path: Path) -> None:
    lines = shown(make_session(tmp_path, sandbox=True))
    assert lines[1] == "production runs in the sandbox on this computer, at 192.0.2.7"


@pytest.mark.parametrize("row", [SILENT, SPEAKS_NO_HTTP, MISSING])
def test_only_what_speaks_http_is_worth_a_curl(session: Session, row: Row) -> None:
    assert not [line for line in shown(session, row) if "curl" in line]


def test_at_a_narrow_terminal_an_address_is_on_two_lines_and_not_cut(session: Session) -> None:
    url = f"http://192.0.2.7:80/{'q' * 60}/{'z' * 30}"
    row = replace(GOOD, expected=replace(GOOD.expected, url=url), answer="")
    lines = shown(session, row, terminal=True, width=80)
    table = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines[2 : lines.index("", 1)]]
    text = "".join(table)
    assert (text.count("q"), text.count("z"), text.count("…")) == (60, 30, 0)
    assert max(map(len, table)) <= 80


def test_at_a_narrow_terminal_an_address_of_usual_length_is_on_one_line(session: Session) -> None:
    url = "http://203.0.113.100:9200/"
    image = f"registry.example.org/{'i' * 60}"
    row = replace(GOOD, expected=replace(GOOD.expected, url=url), image=image)
    assert [line for line in shown(session, row, terminal=True, width=80)[:5] if url in line]


@pytest.mark.parametrize(("row", "style"), [(GOOD, "32"), (SILENT, "33"), (MISSING, "1;31")])
def test_verdicts_have_colours_at_a_terminal(session: Session, row: Row, style: str) -> None:
    assert f"\x1b[{style}m{row.state}\x1b[0m" in "\n".join(shown(session, row, terminal=True))


def test_the_same_for_a_script() -> None:
    document = status.as_json(OUTPUTS, [GOOD, MISSING])
    assert json.loads(json.dumps(document)) == document
    assert document == {
        "public_ip": "192.0.2.7",
        "docker_host": "tcp://192.0.2.7:2376",
        "services": [
            {
                "container": "moor-web-1",
                "service": "web",
                "state": "running",
                "good": True,
                "url": URL,
                "answer": "418 I'm a [Teapot] [/]",
                "image": "nginx:1",
                "problem": None,
                "health": None,
                "restarts": 0,
                "since": None,
                "chosen_ports": {},
            },
            {
                "container": "moor-job-1",
                "service": "job",
                "state": "missing",
                "good": False,
                "url": None,
                "answer": None,
                "image": None,
                "problem": "must be there, got nothing",
                "health": None,
                "restarts": 0,
                "since": None,
                "chosen_ports": {},
            },
        ],
    }
