"""What a person sees at the end, with a Docker API and services that the tests make up."""

from __future__ import annotations

import http.server
import io
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from docker.errors import DockerException
from requests.exceptions import ConnectionError as NoConnection
from rich.console import Console

from constructs_lib.host import engine as machine_engine
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor import status as summary
from moor.failure import CommandError
from moor.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NETWORKS = {"cidrs": ["203.0.113.0/24"]}
AWS = {
    "region": "eu-central-1",
    "ssh": NETWORKS,
    "docker_api": {**NETWORKS, "service_ports": [9200]},
}


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers everything with `418 I'm a Teapot`, which is an answer."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(418)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@contextmanager
def service() -> Iterator[str]:
    """Serve HTTP on a free port; give the URL."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silence() -> Iterator[str]:
    """Hold a port on which nobody listens; give a URL of it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"


@dataclass
class FakeEngine:
    """The part of the docker SDK that the summary uses."""

    found: Sequence[tuple[str, str]] = ()
    failure: Exception | None = None
    closed: bool = field(default=False, init=False)

    @property
    def containers(self) -> SimpleNamespace:
        """The containers, as name and status."""
        return SimpleNamespace(list=self._containers)

    @property
    def images(self) -> SimpleNamespace:
        """One image with a name for each container, and one with none."""
        named = [SimpleNamespace(id=f"sha256:{n}", tags=[f"{n}:1"]) for n, _ in self.found]
        return SimpleNamespace(
            list=lambda: [*named, SimpleNamespace(id="sha256:x", tags=[], attrs={})]
        )

    def close(self) -> None:
        """Close."""
        self.closed = True

    def _containers(self, *, all: bool) -> list[SimpleNamespace]:  # noqa: A002  (the SDK's)
        assert all, "a stopped container must show"
        if self.failure:
            raise self.failure
        return [
            SimpleNamespace(name=n, status=s, labels={}, attrs={"Image": f"sha256:{n}"})
            for n, s in self.found
        ]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})


def outputs(**services: str) -> Outputs:
    return Outputs(
        public_ip="192.0.2.7", docker_host="tcp://192.0.2.7:2376", ssh="ssh", services=services
    )


@pytest.fixture
def show(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Show:
    return Show(environment, monkeypatch)


class Show:
    """Shows the summary of an engine, and gives its lines."""

    def __init__(self, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
        self._environment = environment
        self._monkeypatch = monkeypatch

    def __call__(
        self, engine: FakeEngine, told: Outputs, *, wait: bool, sandbox: bool = False
    ) -> list[str]:
        """Show."""

        def connect(docker_host: str, certificates: Path) -> FakeEngine:
            assert docker_host == "tcp://192.0.2.7:2376"
            assert certificates == self._environment.certificates
            return engine

        self._monkeypatch.setattr(machine_engine, "connect", connect)
        document = {"aws": AWS, **({"sandbox": {}} if sandbox else {})}
        text = io.StringIO()
        console = Console(file=text, width=200, highlight=False, soft_wrap=True)
        try:
            summary.show(
                self._environment, Settings.model_validate(document), told, console, wait=wait
            )
        finally:
            self.lines = [line.rstrip() for line in text.getvalue().splitlines()]
        return self.lines


def test_docker_is_pointed_to_the_machine(environment: Environment) -> None:
    assert summary.docker_variables(environment, outputs()) == {
        "DOCKER_HOST": "tcp://192.0.2.7:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(environment.certificates),
    }


def test_everything_one_needs_next(show: Show) -> None:
    engine = FakeEngine(found=[("web", "running"), ("job", "exited")])
    with service() as url:
        lines = show(engine, outputs(web=url), wait=True)
    words = [line.split() for line in lines]
    assert words == [
        [],
        ["production", "runs", "in", "eu-central-1,", "at", "192.0.2.7"],
        ["service", "state", "address", "answers", "image"],
        ["job", "exited", "job:1"],
        ["web", "running", url, "418", "I'm", "a", "Teapot", "web:1"],
        [],
        ["next"],
        ["curl", url, "ask", "web"],
        [
            "eval",
            '"$(ENVIRONMENT=production',
            "make",
            "-s",
            'env)"',
            "let",
            "docker",
            "talk",
            "to",
            "the",
            "machine",
        ],
        ["ENVIRONMENT=production", "make", "ssh", "open", "a", "shell", "on", "it"],
        ["ENVIRONMENT=production", "make", "status", "see", "this", "again"],
        ["ENVIRONMENT=production", "make", "down", "destroy", "everything"],
    ]
    assert engine.closed


def test_a_sandbox_is_called_so(show: Show) -> None:
    lines = show(FakeEngine(), outputs(), wait=False, sandbox=True)
    assert lines[1] == "production runs in the sandbox on this computer, at 192.0.2.7"


def test_status_shows_a_silent_service_and_does_not_wait(show: Show) -> None:
    with silence() as url:
        lines = show(FakeEngine(found=[("web", "running")]), outputs(web=url), wait=False)
    assert lines[3].split() == ["web", "running", url, "web:1"]


@pytest.mark.parametrize("state", ["running", "exited"])
def test_up_fails_when_a_service_stays_silent(
    show: Show, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(summary, "ANSWER_DEADLINE_SECONDS", 0.2)
    with silence() as url, pytest.raises(CommandError) as caught:
        show(FakeEngine(found=[("web", state)]), outputs(web=url), wait=True)
    assert str(caught.value) == (
        "web: must answer within 0 s, got silence; look with: docker logs web"
    )


def test_up_waits_until_a_service_answers(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), Answer, bind_and_activate=False)
    server.server_bind()
    threads: list[threading.Thread] = []

    def sleep(_: float) -> None:
        """Begin to listen when the first attempt has failed."""
        if not threads:
            server.server_activate()
            threads.append(threading.Thread(target=server.handle_request))
            threads[0].start()

    monkeypatch.setattr(summary, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    with server:
        lines = show(FakeEngine(found=[("web", "running")]), outputs(web=url), wait=True)
        assert len(threads) == 1
        threads[0].join(60)
    assert lines[3].split() == ["web", "running", url, "418", "I'm", "a", "Teapot", "web:1"]


@pytest.mark.parametrize("failure", [DockerException("no API"), NoConnection("refused")])
def test_it_fails_when_the_docker_api_does_not_answer(show: Show, failure: Exception) -> None:
    engine = FakeEngine(failure=failure)
    with pytest.raises(CommandError) as caught:
        show(engine, outputs(), wait=False)
    assert str(caught.value) == (
        f"tcp://192.0.2.7:2376: the Docker API must answer, got: {failure}; "
        "run ENVIRONMENT=production make up"
    )
    assert engine.closed
