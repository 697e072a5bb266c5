"""The private engine: what can be said without starting one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sandbox.engine import private as engines
from sandbox.engine import record as records
from sandbox.engine.private import PrivateEngine
from sandbox.engine.processes import ProcessIdentity
from sandbox.engine.record import EngineRecord
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the engines of this computer out of it."""
    made = tmp_path / "r"
    made.mkdir(mode=0o700)
    for module in (records, engines):
        monkeypatch.setattr(module, "runtime_folder", lambda: made)
    return made


def test_sockets_move_to_the_runtime_folder_when_the_path_is_long(
    tmp_path: Path, runtime: Path
) -> None:
    short = PrivateEngine(tmp_path.parent.parent / "e")
    assert short.url.endswith("/e/run/docker.sock")
    deep = tmp_path / ("x" * 100)
    long = PrivateEngine(deep)
    assert long.url.startswith(f"unix://{runtime}/engine-")
    assert str(deep) not in long.url
    assert long.url == PrivateEngine(deep).url


def test_an_engine_whose_process_is_another_one_by_now_does_not_run(tmp_path: Path) -> None:
    ours = ProcessIdentity.of(os.getpid())
    assert ours is not None
    later = ProcessIdentity(pid=ours.pid, started=ours.started + 1, boot=ours.boot)
    EngineRecord(directory=tmp_path, dockerd=later).write()
    engine = PrivateEngine(tmp_path)
    assert engine.has_run()
    assert not engine.is_running()


def test_containers_on_disk_come_back_with_an_engines_next_start(tmp_path: Path) -> None:
    engine = PrivateEngine(tmp_path / "engine")
    assert not engine.has_run()
    (tmp_path / "engine" / "data" / "containers" / "c").mkdir(parents=True)
    assert engine.has_run()


def test_the_one_that_is_written_down_is_every_checkouts(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    assert PrivateEngine.here(second).url == PrivateEngine(second).url
    EngineRecord(directory=first).write()
    assert PrivateEngine.here(second).url == PrivateEngine(first).url
    # Unless its folder was removed: nothing could be started there.
    first.rmdir()
    assert PrivateEngine.here(second).url == PrivateEngine(second).url


def test_a_folder_has_one_name_whatever_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "e")
    assert PrivateEngine(tmp_path / "link").url == PrivateEngine(tmp_path / "e").url


def test_only_what_is_written_down_is_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "input()", f"--data-root={tmp_path}/e/data"]
    (tmp_path / "e").mkdir()
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        PrivateEngine(tmp_path / "e").stop()
        assert process.poll() is None
        identity = ProcessIdentity.of(process.pid)
        EngineRecord(directory=tmp_path / "other", dockerd=identity).write()
        PrivateEngine(tmp_path / "e").stop()
        assert process.poll() is None
        EngineRecord(directory=tmp_path / "e", dockerd=identity).write()
        PrivateEngine(tmp_path / "e").stop()
        assert identity is not None
        assert not identity.is_alive()
    assert EngineRecord.read() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have another user's process")
def test_a_process_of_another_user_is_never_stopped(tmp_path: Path) -> None:
    command = ["sleep", "60"]
    with subprocess.Popen(command, user=65534, group=65534, extra_groups=[]) as process:
        identity = ProcessIdentity.of(process.pid)
        EngineRecord(directory=tmp_path, dockerd=identity, containerd=identity).write()
        PrivateEngine(tmp_path).stop()
        assert process.poll() is None
        process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="an engine in this network would be root's")
def test_it_does_not_start_beside_an_engine_that_nobody_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy2(shutil.which("sleep") or "sleep", tmp_path / "dockerd")
    with subprocess.Popen([tmp_path / "dockerd", "60"]) as process:
        # Not those that this computer has, too.
        monkeypatch.setattr(engines, "all_processes", lambda: [process.pid])
        with pytest.raises(SandboxError) as caught:
            engines._refuse_beside_others()
        process.kill()
    assert str(caught.value) == (
        f"docker engine: must be the only one in this network, got another dockerd (process "
        f"{process.pid}) that the sandbox has not started; set DOCKER_HOST to its socket, or stop "
        "it (two engines in one network would undo each other's firewall rules)"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have another user's process")
@pytest.mark.parametrize("user", [0, 65534])
def test_what_only_calls_itself_dockerd_is_no_engine(
    user: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["dockerd", "60"]
    with subprocess.Popen(
        command, executable=shutil.which("sleep"), user=user, group=user, extra_groups=[]
    ) as process:
        monkeypatch.setattr(engines, "all_processes", lambda: [process.pid])
        engines._refuse_beside_others()
        process.kill()


def test_a_failure_has_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "dockerd.log").write_text("".join(f"line {n}\n" for n in range(20)))
    lines = PrivateEngine(tmp_path)._failure("dockerd").splitlines()
    assert lines[0] == (
        "docker engine: dockerd must start and answer within 40 s, got no answer; the end of "
        f"{tmp_path}/dockerd.log:"
    )
    assert lines[1:] == [f"  line {n}" for n in range(5, 20)]
