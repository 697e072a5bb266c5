"""Finding a Docker engine: what can be said without one."""

from __future__ import annotations

import json
import socket
import subprocess
from hashlib import sha256
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest
from docker.errors import DockerException

from sandbox.engine import find as finding
from sandbox.engine import private as engines
from sandbox.engine import record as records
from sandbox.engine.find import Engine, find_engine
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from pathlib import Path

ADDRESSES = IPv4Network("127.19.0.0/24")


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide every engine of this computer."""
    monkeypatch.setattr(finding, "DEFAULT_URL", f"unix://{tmp_path}/none.sock")
    for module in (records, engines):
        monkeypatch.setattr(module, "runtime_folder", lambda: tmp_path / "runtime")
    monkeypatch.setenv("HOME", str(tmp_path))


def find(directory: Path, variables: dict[str, str], *, start: bool = True) -> Engine | None:
    return find_engine(
        directory=directory,
        addresses=ADDRESSES,
        variables=variables,
        report=lambda _: None,
        start=start,
    )


def test_it_fails_when_docker_host_is_another_computer(tmp_path: Path) -> None:
    with pytest.raises(SandboxError) as caught:
        find(tmp_path, {"DOCKER_HOST": "ssh://root@example.test"})
    assert str(caught.value) == (
        "DOCKER_HOST: must be an engine on this machine, got ssh://root@example.test; unset it, "
        "or name a local socket such as unix:///var/run/docker.sock"
    )


def test_it_fails_when_docker_host_does_not_answer(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/none.sock"
    with pytest.raises(SandboxError) as caught:
        find(tmp_path, {"DOCKER_HOST": url})
    assert str(caught.value) == (
        f"DOCKER_HOST: must be an engine that answers, got {url}; start it or unset the variable"
    )


@pytest.mark.usefixtures("no_engine")
def test_a_docker_host_that_is_one_of_our_machines_is_passed_over(tmp_path: Path) -> None:
    variables = {"DOCKER_HOST": "tcp://127.19.0.2:2376"}
    assert find(tmp_path / "engine", variables, start=False) is None


@pytest.mark.usefixtures("no_engine")
def test_it_fails_when_none_is_there_and_we_are_not_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SandboxError) as caught:
        find(tmp_path / "engine", {})
    assert str(caught.value) == (
        "docker engine: must be running and answer, got none; start Docker, or install the "
        "packages docker.io and iptables and run as root, so that the sandbox can start an "
        "engine of its own"
    )


@pytest.mark.usefixtures("no_engine")
def test_it_fails_when_none_is_there_and_docker_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(SandboxError, match=r"^docker engine: must be running and answer, got none"):
        find(tmp_path / "engine", {})
    assert not (tmp_path / "engine").exists()


@pytest.mark.usefixtures("no_engine")
def test_it_fails_when_this_user_may_not_use_the_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(_url: str) -> None:
        msg = "Error while fetching server API version: Permission denied"
        raise DockerException(msg)

    monkeypatch.setattr(finding, "connect", refuse)
    with pytest.raises(SandboxError) as caught:
        find(tmp_path / "engine", {})
    assert str(caught.value) == (
        f"docker engine: {tmp_path}/none.sock: must be open to this user, got permission denied; "
        "join the group docker (sudo usermod -aG docker $USER) and log in again"
    )


@pytest.mark.usefixtures("no_engine")
def test_one_that_merely_runs_is_neither_used_nor_taken_for_ours(tmp_path: Path) -> None:
    """Anybody may start a process of that name, whose socket is his own."""
    folder = tmp_path / "theirs"
    (folder / "data").mkdir(parents=True)
    (folder / "engine.json").write_text("{}")
    command = ["dockerd", "-c", "read line", f"--host=unix://{folder}/docker.sock"]
    with (
        socket.socket(socket.AF_UNIX) as theirs,
        subprocess.Popen(
            [*command, f"--data-root={folder}/data"], executable="/bin/sh", stdin=subprocess.PIPE
        ) as process,
    ):
        theirs.bind(str(folder / "docker.sock"))
        theirs.listen()
        theirs.setblocking(False)
        assert find(tmp_path / "engine", {}, start=False) is None
        with pytest.raises(BlockingIOError):
            theirs.accept()
        process.kill()


def test_a_rootless_engine_is_refused() -> None:
    class Rootless:
        @staticmethod
        def info() -> dict[str, object]:
            return {"SecurityOptions": ["name=rootless"], "OSType": "linux"}

    with pytest.raises(SandboxError, match=r"^docker engine: must not be rootless, got a rootless"):
        finding._check(Rootless(), "unix:///run/user/1000/docker.sock")  # type: ignore[arg-type]


def test_the_current_docker_context_is_read(tmp_path: Path) -> None:
    meta = tmp_path / "contexts" / "meta" / sha256(b"other").hexdigest()
    meta.mkdir(parents=True)
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "other"}))
    (meta / "meta.json").write_text(
        json.dumps({"Name": "other", "Endpoints": {"docker": {"Host": "unix:///x.sock"}}})
    )
    assert finding._context_url({"DOCKER_CONFIG": str(tmp_path)}) == "unix:///x.sock"
    variables = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "default"}
    assert finding._context_url(variables) is None
