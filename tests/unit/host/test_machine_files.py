"""A container that never runs, as a way to folders of the machine.

What an engine does with it is seen by the tests in a sandbox; here a server notes what it is asked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import docker
import pytest
from docker.errors import APIError

from constructs_lib.host.machine_files import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient


class _Engine(BaseHTTPRequestHandler):
    """Notes what it is asked, and answers as an engine does."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str, Any]]
    left: list[dict[str, str]]
    images: list[dict[str, str]]
    refusal: bytes

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _said(self, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        always = {
            "/containers/json": (200, json.dumps(self.left).encode()),
            "/images/json": (200, json.dumps(self.images).encode()),
            "/images/create": (200, b'{"status":"sha256:1"}\r\n'),
            "/containers/create": (201, b'{"Id": "abc"}'),
            # Somebody was faster.
            "/containers/left": (404, b'{"message": "no such container"}'),
        }
        if path in always:
            return *always[path], {}
        if self.command == "GET" and query["path"] == "/gone":
            return 404, b'{"message": "none"}', {}
        if self.command == "GET":
            stat = base64.b64encode(b'{"name": "x"}').decode()
            return 200, b"tar", {"X-Docker-Container-Path-Stat": stat}
        if self.command == "PUT" and self.refusal:
            return 400, self.refusal, {}
        return 200, b"[]", {}

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/v1.40")
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        body = self._body()
        what: Any = json.loads(body) if path == "/containers/create" else (query, body)
        self.asked.append((self.command, path, what))
        status, text, headers = self._said(path, query)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815  (http.server's names)


@pytest.fixture
def engine() -> Iterator[DockerClient]:
    _Engine.asked, _Engine.left, _Engine.images, _Engine.refusal = [], [], [], b""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Engine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = docker.DockerClient(f"http://127.0.0.1:{server.server_port}", version="1.40")
    yield client
    client.close()
    server.shutdown()
    server.server_close()
    thread.join()


MOUNTS = {"/var/lib/x": "/data"}
REMOVED = [("DELETE", "/containers/abc"), ("DELETE", "/images/sha256:1")]


def requests() -> list[tuple[str, str]]:
    return [(method, path) for method, path, _ in _Engine.asked]


def test_a_container_is_made_used_and_removed(engine: DockerClient) -> None:
    with opened(engine, MOUNTS, purpose="p") as files:
        files.put("/", iter([b"one", b"two"]))
        assert b"".join(files.get("/data") or ()) == b"tar"
        assert files.get("/gone") is None
    archive = "/containers/abc/archive"
    assert requests() == [
        ("GET", "/containers/json"),
        ("GET", "/images/json"),
        ("POST", "/images/create"),
        ("POST", "/containers/create"),
        ("PUT", archive),
        ("GET", archive),
        ("GET", archive),
        *REMOVED,
    ]
    assert _Engine.asked[0][2][0]["filters"] == '{"label": ["moor.files=p"]}'
    key = hashlib.sha256(b"p").hexdigest()
    assert _Engine.asked[1][2][0]["filters"] == f'{{"label": ["moor.files={key}"]}}'
    assert _Engine.asked[2][2][0]["changes"] == f"LABEL moor.files={key}"
    created = _Engine.asked[3][2]
    assert created["HostConfig"] == {"Binds": ["/var/lib/x:/data"], "NetworkMode": "none"}
    assert (created["Image"], created["Labels"]) == ("sha256:1", {"moor.files": "p"})
    assert _Engine.asked[4][2] == ({"path": "/", "noOverwriteDirNonDir": "1"}, b"onetwo")


def test_what_a_killed_run_has_left_goes_first(engine: DockerClient) -> None:
    _Engine.left, _Engine.images = [{"Id": "left"}], [{"Id": "sha256:0"}]
    with opened(engine, MOUNTS, purpose="p"):
        pass
    assert requests()[1:4] == [
        ("DELETE", "/containers/left"),
        ("GET", "/images/json"),
        ("DELETE", "/images/sha256:0"),
    ]


@pytest.mark.parametrize(
    ("answer", "told"), [(b'{"message": "cannot overwrite"}', "cannot overwrite"), (b"<>", "<>")]
)
def test_it_is_removed_when_the_engine_refuses(
    engine: DockerClient, answer: bytes, told: str
) -> None:
    _Engine.refusal = answer
    with (
        pytest.raises(APIError) as caught,
        opened(engine, MOUNTS, purpose="p") as files,
    ):
        files.put("/", [b"x"])
    assert caught.value.explanation == told
    assert requests()[-2:] == REMOVED


def test_it_is_removed_when_a_file_cannot_be_read(engine: DockerClient) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise OSError("cut off")

    with (
        pytest.raises(OSError, match="cut off"),
        opened(engine, MOUNTS, purpose="p") as files,
    ):
        files.put("/", broken())
    assert requests()[-2:] == REMOVED
