"""When packages for a Docker engine are installed."""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest

from setup import debian, engine
from setup.engine import EnginePrerequisites, ping, wants_sandbox
from setup.errors import SetupError
from setup.schedule import perform_all
from setup.step import Context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from setup.step import Step


@contextmanager
def docker(path: Path, status: int = 200) -> Iterator[str]:
    """Answer to a ping on a Unix socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/_ping" else 404)
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, *_arguments: object) -> None:
            """Keep quiet."""

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"unix://{path}"
        server.shutdown()
        thread.join()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record what would be installed, on a Debian machine that has nothing."""
    packages: list[str] = []

    def install(_step: Step, *names: str) -> None:
        packages.extend(names)

    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(debian, "is_known", lambda _step, _package: False)
    monkeypatch.setattr(debian, "find_program", lambda *_arguments: None)
    monkeypatch.setattr(debian, "install", install)
    monkeypatch.setattr(engine, "_START_TIMEOUT", 0.0)
    return packages


def hub(monkeypatch: pytest.MonkeyPatch, *, answers: bool) -> None:
    monkeypatch.setattr(engine, "hub_answers", lambda _url: answers)


def test_nothing_is_installed_where_an_engine_answers(
    context: Context, tmp_path: Path, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub(monkeypatch, answers=True)
    with docker(tmp_path / "docker.sock") as url:
        step = EnginePrerequisites(context, default=url)
        perform_all([step])
        assert step.is_current()
    assert installed == []
    assert not step.is_current()  # the engine is gone


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (True, ["docker.io", "iptables"]),
        (False, ["docker.io", "iptables", "mmdebstrap"]),
    ],
)
def test_packages_are_installed_where_none_answers(
    context: Context,
    tmp_path: Path,
    installed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    expected: list[str],
    *,
    answers: bool,
) -> None:
    hub(monkeypatch, answers=answers)
    perform_all([EnginePrerequisites(context, default=f"unix://{tmp_path / 'none.sock'}")])

    assert installed == expected


def test_the_image_tool_is_installed_beside_an_engine(
    context: Context, tmp_path: Path, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub(monkeypatch, answers=False)
    with docker(tmp_path / "docker.sock") as url:
        perform_all([EnginePrerequisites(context, default=url)])

    assert installed == ["mmdebstrap"]


def test_a_named_engine_is_left_to_the_sandbox(
    context: Context, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub(monkeypatch, answers=True)
    variables = {**context.variables, "DOCKER_HOST": "tcp://127.0.0.1:1"}
    perform_all([EnginePrerequisites(Context(project=context.project, variables=variables))])

    assert installed == []


def test_it_fails_when_there_is_no_engine_and_none_can_be_installed(
    context: Context, tmp_path: Path, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "can_install", lambda: False)
    socket = tmp_path / "none.sock"
    with pytest.raises(SetupError) as caught:
        perform_all([EnginePrerequisites(context, default=f"unix://{socket}")])

    assert str(caught.value) == (
        f"docker engine: unix://{socket}: must answer or be installable, got neither; start "
        "Docker, or set DOCKER_HOST to an engine on this machine, or run this as root on Debian, "
        "where it installs docker.io"
    )
    assert installed == []


def test_it_fails_when_the_user_may_not_use_the_engine(
    context: Context, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_url: str) -> bool:
        raise PermissionError

    monkeypatch.setattr(debian, "can_install", lambda: False)
    monkeypatch.setattr(engine, "ping", refuse)
    with pytest.raises(SetupError) as caught:
        perform_all([EnginePrerequisites(context)])

    assert str(caught.value) == (
        "docker engine: /var/run/docker.sock: must be open to this user, got permission denied; "
        "join the group docker (sudo usermod -aG docker $USER) and log in again"
    )
    assert installed == []


def test_ping(tmp_path: Path) -> None:
    with docker(tmp_path / "good.sock") as url:
        assert ping(url)
    with docker(tmp_path / "bad.sock", status=500) as url:
        assert not ping(url)
    assert not ping(f"unix://{tmp_path / 'none.sock'}")
    assert not ping("ssh://someone@example.org")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sandbox: {}\n", True),
        ("aws:\n  region: x\nsandbox:\n  api_port: 1\n", True),
        ('"sandbox" : {}\n', True),
        ("aws:\n  sandbox: no\n", False),
        ("# sandbox: {}\n", False),
        ("", False),
    ],
)
def test_whether_an_environment_has_a_sandbox(tmp_path: Path, text: str, *, expected: bool) -> None:
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "other.yaml").write_text(text)

    assert wants_sandbox(tmp_path, {"ENVIRONMENT": "other"}) is expected
    assert wants_sandbox(tmp_path, {"ENVIRONMENT": str(folder / "other.yaml")}) is expected


def test_an_environment_without_a_file_has_no_sandbox(tmp_path: Path) -> None:
    assert not wants_sandbox(tmp_path, {})
