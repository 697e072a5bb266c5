"""How a machine asks the metadata service, with a real server that can be late."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from sandbox.machines.machine_image.datasource import Datasource, DatasourceError, Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

V = "/2009-04-04/"
ANSWERS = {
    V: "meta-data",
    f"{V}meta-data/public-keys": "0=trial\n1=second",
    f"{V}meta-data/public-keys/0/openssh-key": "ssh-ed25519 AAAA\n",
    f"{V}meta-data/public-keys/1/openssh-key": "ssh-ed25519 BBBB\n",
    f"{V}meta-data/hostname": "ip-1.internal",
    f"{V}meta-data/local-ipv4": "192.0.2.7",
    f"{V}user-data": "#cloud-config\n",
}


class Handler(BaseHTTPRequestHandler):
    """Answers as its server says."""

    server: Server

    def do_PUT(self) -> None:
        """Answer a token, or fail."""
        self._send(*((503, "") if self.server.late else (200, "token")))

    def do_GET(self) -> None:
        """Answer who has a token."""
        self.server.asked.append(self.path)
        if self.server.broken:
            self.server.broken -= 1
            self._send(500, "")
        elif self.headers["X-aws-ec2-metadata-token"] != "token":
            self._send(401, "")
        elif self.path in self.server.answers:
            self._send(200, self.server.answers[self.path])
        else:
            self._send(404, "")

    def _send(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(HTTPServer):
    """A metadata service.

    Attributes:
        late: Whether there are no tokens yet.
        broken: How many requests it fails.
        answers: What is at a path.
        asked: The paths that were asked for.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.late = False
        self.broken = 0
        self.answers = dict(ANSWERS)
        self.asked: list[str] = []


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.lines: list[str] = []

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.pauses.append(seconds)
        self.now += seconds

    def source(self, server: Server) -> Datasource:
        """Return a data source of a server."""
        root = f"http://127.0.0.1:{server.server_port}/"
        return Datasource(self.lines.append, root=root, sleep=self.sleep, clock=lambda: self.now)


def test_it_fetches_what_the_service_tells(server: Server) -> None:
    source = Clock().source(server)
    assert source.has_token
    source.wait()
    assert source.metadata() == Metadata(
        keys=("ssh-ed25519 AAAA", "ssh-ed25519 BBBB"),
        hostname="ip-1.internal",
        addresses={"private_ipv4": "192.0.2.7"},
    )
    assert source.user_data() == b"#cloud-config\n"


def test_what_is_missing_is_empty(server: Server) -> None:
    server.answers = {V: ""}
    source = Clock().source(server)
    assert source.metadata() == Metadata(keys=(), hostname="", addresses={})
    assert source.user_data() == b""


def test_a_service_that_is_late_with_the_token_is_never_available(server: Server) -> None:
    server.late = True
    clock = Clock()
    source = clock.source(server)
    assert not source.has_token
    # From now on it would hand out tokens, but nobody asks again.
    server.late = False
    with pytest.raises(DatasourceError, match=r"^No datasources available in time$"):
        source.wait()
    assert clock.pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert max(clock.pauses) == 30
    assert 270 < clock.now <= 300
    assert clock.lines[:3] == [
        "fetching token...",
        "error: Unable to fetch data: HTTP Error 503: Service Unavailable",
        'Checking availability of "ec2-metadata-service"',
    ]


def test_a_server_that_fails_is_asked_again(server: Server) -> None:
    clock = Clock()
    source = clock.source(server)
    server.broken = 3
    assert source.user_data() == b"#cloud-config\n"
    assert server.asked == [f"{V}user-data"] * 4
    assert clock.pauses == [0.1, 0.2, 0.4]


def test_fetching_fails_when_the_server_goes_on_failing(server: Server) -> None:
    clock = Clock()
    source = clock.source(server)
    server.broken = 15
    with pytest.raises(DatasourceError) as caught:
        source.user_data()
    assert str(caught.value) == (
        "user-data: must be fetched in 15 attempts, got none that was answered"
    )
    assert clock.pauses[-1] == 5
