"""The emulator's process, from outside: whether it lives, what it says, and what it leaves."""

from __future__ import annotations

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from sandbox.credentials import Credentials
from sandbox.emulator_process import EmulatorProcess, ask
from sandbox.engine.processes import ProcessIdentity
from sandbox.errors import SandboxError
from sandbox.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWERS = {"/good": '{"generation": "1"}', "/list": "[]", "/text": "no JSON"}


class Handler(BaseHTTPRequestHandler):
    """Answers as an emulator does, and as other programs might."""

    def do_GET(self) -> None:
        """Answer with what belongs to the path."""
        self.send_response(200)
        self.end_headers()
        signed = {"signed": self.headers.get("Authorization", "")}
        self.wfile.write(ANSWERS.get(self.path, json.dumps(signed)).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def parameters(folder: Path) -> Parameters:
    return Parameters(
        environment="trial",
        project="0123456789ab",
        engine=f"unix://{folder}/none.sock",
        api_port=free_port(),
        addresses=IPv4Network("127.19.0.0/24"),
        subnet=IPv4Network("172.30.19.0/24"),
        registry_port=5019,
        machine_image="moor-machine:0",
    )


def process_of(folder: Path) -> EmulatorProcess:
    return EmulatorProcess(folder / "sandbox", folder / "log" / "sandbox.log")


def record(folder: Path, started: int = 0) -> None:
    """Write down this very process, or one that was started so much later."""
    ours = ProcessIdentity.of(os.getpid())
    assert ours is not None
    identity = ours.to_json() | {"started": ours.started + started}
    (folder / "sandbox").mkdir()
    (folder / "sandbox" / "process.json").write_text(json.dumps(identity))
    parameters(folder).write(folder / "sandbox" / "parameters.json")


def test_an_answer_is_a_mapping_or_none(port: int) -> None:
    assert ask("GET", "/good", port, None) == {"generation": "1"}
    assert ask("GET", "/list", port, None) is None
    assert ask("GET", "/text", port, None) is None
    assert ask("GET", "/good", free_port(), None, timeout=1.0) is None


def test_it_is_asked_with_its_key(port: int, tmp_path: Path) -> None:
    process = process_of(tmp_path)
    assert process.credentials() is None
    assert process.ask("GET", "/key", port) == {"signed": ""}
    key = Credentials.new()
    key.write(tmp_path / "sandbox" / "credentials")
    answer = process.ask("GET", "/key", port)
    assert answer is not None
    assert f"Credential={key.access_key}/" in answer["signed"]
    assert key.secret_key not in answer["signed"]


def test_nothing_runs_where_nothing_is_written_down(tmp_path: Path) -> None:
    process = process_of(tmp_path)
    assert (process.running(), process.recorded()) == (None, None)
    assert process.has_died()
    process.stop()
    process.forget()


def test_what_runs_is_known_by_what_is_written_down(tmp_path: Path) -> None:
    record(tmp_path)
    process = process_of(tmp_path)
    running = process.running()
    assert running is not None
    assert running == process.recorded()
    assert running.environment == "trial"


def test_a_process_that_is_gone_runs_no_more(tmp_path: Path) -> None:
    record(tmp_path, started=1)
    process = process_of(tmp_path)
    assert process.running() is None
    assert process.recorded() is not None
    assert process.has_died()
    process.stop()
    process.forget()
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_somebody_else_keeps_the_folder(tmp_path: Path) -> None:
    record(tmp_path, started=1)
    (tmp_path / "sandbox" / "other").touch()
    process_of(tmp_path).forget()
    assert [file.name for file in (tmp_path / "sandbox").iterdir()] == ["other"]


def test_one_that_does_not_answer_tells_the_end_of_its_log(tmp_path: Path) -> None:
    process = process_of(tmp_path)
    given = parameters(tmp_path)
    with pytest.raises(SandboxError) as caught:
        # It has no engine, and so ends.
        process.start(given, {**os.environ, "AWS_PROFILE": "real"})
    first, *log = str(caught.value).splitlines()
    assert first == (
        f"sandbox: the emulator must answer on http://127.0.0.1:{given.api_port}, got no answer; "
        f"the end of {tmp_path}/log/sandbox.log:"
    )
    assert "none.sock: No such file or directory" in log[-1]
    assert process.running() is None
    assert process.recorded() == given
    assert (tmp_path / "sandbox").stat().st_mode & 0o777 == 0o700
    assert process.credentials() is not None
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "sandbox").iterdir()} == {0o600}


def test_each_start_has_a_key_of_its_own(tmp_path: Path) -> None:
    process = process_of(tmp_path)
    (tmp_path / "sandbox").mkdir(mode=0o755)
    keys = []
    for _ in range(2):
        with pytest.raises(SandboxError):
            process.start(parameters(tmp_path), dict(os.environ))
        keys.append(process.credentials())
    assert keys[0] != keys[1]
    assert (tmp_path / "sandbox").stat().st_mode & 0o777 == 0o700
    process.forget()
    assert not (tmp_path / "sandbox").exists()
