"""When packages for a Docker engine are installed."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast
from unittest.mock import MagicMock
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.machines import image
from setup import debian, engine
from setup.engine import (
    EnginePrerequisites,
    has_image,
    has_subordinate_ids,
    ping,
    wants_sandbox,
)
from setup.errors import SetupError
from setup.schedule import perform_all
from setup.step import Context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from docker import DockerClient

    from setup.step import Step


@contextmanager
def docker(path: Path, status: int = 200, images: Sequence[str] | None = None) -> Iterator[str]:
    """Answer on a Unix socket to a ping, and to what asks for images where there is a list."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asks_for_images = parts.path == "/images/json" and images is not None
            self.send_response(status if self.path == "/_ping" or asks_for_images else 404)
            self.end_headers()
            if asks_for_images:
                (filters,) = parse_qs(parts.query)["filters"]
                wanted = json.loads(filters)["reference"]
                found = [name for name in images or () if {name, name.split(":")[0]} & {*wanted}]
                self.wfile.write(json.dumps([{"RepoTags": [name]} for name in found]).encode())
            else:
                self.wfile.write(b"OK")

        def log_message(self, *_arguments: object) -> None:
            """Keep quiet."""

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
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


@pytest.fixture
def plain_user(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Be a user who is not root and cannot install; return the programs that there are."""
    programs: set[str] = set()

    def find(name: str, _path: str | None = None) -> str | None:
        return f"/usr/bin/{name}" if name in programs else None

    monkeypatch.setattr(debian, "can_install", lambda: False)
    monkeypatch.setattr(debian, "find_program", find)
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setattr(engine, "_user", lambda: "ada")
    monkeypatch.setattr(engine, "has_subordinate_ids", lambda _user: True)
    return programs


BASE = (
    "docker engine: debian:trixie-slim: must be an image that it has, that the Docker Hub "
    "gives, or that mmdebstrap makes, got no image, no answer, and no way for this user to "
    "run mmdebstrap; "
)
OTHER_WAYS = (
    ", or give the engine the image (docker pull debian:trixie-slim, or docker load), or run "
    "`make up` once as root"
)


@pytest.mark.parametrize(
    ("programs", "ids", "remedy"),
    [
        ([], True, "sudo apt-get install mmdebstrap uidmap"),
        (["mmdebstrap", "newuidmap"], True, "sudo apt-get install uidmap"),
        (["fakechroot"], False, "sudo apt-get install mmdebstrap"),
        (
            ["mmdebstrap", "newuidmap", "newgidmap"],
            False,
            (
                "give this user subordinate ids (sudo usermod --add-subuids 100000-165535 "
                "--add-subgids 100000-165535 ada)"
            ),
        ),
    ],
)
def test_a_plain_user_who_can_have_no_base_is_told_at_the_beginning(
    context: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plain_user: set[str],
    *,
    programs: list[str],
    remedy: str,
    ids: bool,
) -> None:
    hub(monkeypatch, answers=False)
    plain_user.update(programs)
    monkeypatch.setattr(engine, "has_subordinate_ids", lambda _user: ids)
    with docker(tmp_path / "docker.sock", images=["busybox:latest"]) as url:
        step = EnginePrerequisites(context, default=url)
        with pytest.raises(SetupError) as caught:
            step.perform()
        assert str(caught.value) == BASE + remedy + OTHER_WAYS
        assert not step.is_current()

        hub(monkeypatch, answers=True)
        step.perform()


@pytest.mark.parametrize(
    "image",
    ["debian:trixie-slim", "moor-base:trixie", "moor-base:bookworm", "moor-machine:0123456789ab"],
)
def test_an_engine_that_has_the_image_needs_no_tool(
    context: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plain_user: set[str],
    image: str,
) -> None:
    hub(monkeypatch, answers=False)
    with docker(tmp_path / "docker.sock", images=[image]) as url:
        perform_all([EnginePrerequisites(context, default=url)])
    assert plain_user == set()


def test_the_network_is_not_asked_where_the_tools_are_there(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_user: set[str]
) -> None:
    def never(_url: str) -> bool:
        raise AssertionError

    plain_user |= {"mmdebstrap", "newuidmap", "newgidmap"}
    monkeypatch.setattr(engine, "hub_answers", never)
    with docker(tmp_path / "docker.sock", images=[]) as url:
        perform_all([EnginePrerequisites(context, default=url)])


def test_an_engine_that_cannot_be_asked_is_left_to_the_sandbox(
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    plain_user: set[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub(monkeypatch, answers=False)
    plain_user.add("mmdebstrap")
    variables = {**context.variables, "DOCKER_HOST": "ssh://ada@example.org"}
    perform_all([EnginePrerequisites(Context(project=context.project, variables=variables))])

    notice = f"notice: {BASE}sudo apt-get install uidmap{OTHER_WAYS}"
    assert notice in capsys.readouterr().out


def test_set_up_and_sandbox_mean_the_same_images() -> None:
    assert (image._LOADED_BASE, *map(image._own_base, image._SUITES)) == engine.BASES
    assert image._HUB == engine.HUB
    built = image.build_images(cast("DockerClient", MagicMock()), lambda _line: None)
    assert built.machine.partition(":")[0] == engine.MACHINE


def test_whether_a_user_has_subordinate_ids(tmp_path: Path) -> None:
    users, groups = tmp_path / "subuid", tmp_path / "subgid"
    users.write_text("ada:100000:65536\nbob:165536:65536\n")
    assert not has_subordinate_ids("ada", files=(users, groups))
    groups.write_text("ada:100000:65536\n")
    assert has_subordinate_ids("ada", files=(users, groups))
    assert not has_subordinate_ids("bob", files=(users, groups))
    assert not has_subordinate_ids("ad", files=(users, groups))


def test_whether_an_engine_has_an_image(tmp_path: Path) -> None:
    with docker(tmp_path / "docker.sock", images=["a:1"]) as url:
        assert has_image(url, "a:1", "b:1") is True
        assert has_image(url, "b:1") is False
    with docker(tmp_path / "other.sock") as url:
        assert has_image(url, "a:1") is None
    assert has_image("ssh://ada@example.org", "a:1") is None


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
