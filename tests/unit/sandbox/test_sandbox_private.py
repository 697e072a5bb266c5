"""The private engine: what can be said without starting one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sandbox.engine.private import PrivateEngine
from sandbox.engine.processes import ProcessIdentity
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from pathlib import Path


def test_sockets_move_to_the_temporary_folder_when_the_path_is_long(tmp_path: Path) -> None:
    short = PrivateEngine(tmp_path.parent.parent / "e")
    assert short.url.endswith("/e/run/docker.sock")
    deep = tmp_path / ("x" * 100)
    long = PrivateEngine(deep)
    assert len(long.url.removeprefix("unix://")) < 107
    assert str(deep) not in long.url
    assert long.url == PrivateEngine(deep).url


def test_an_engine_whose_process_is_another_one_by_now_does_not_run(tmp_path: Path) -> None:
    ours = ProcessIdentity.of(os.getpid())
    assert ours is not None
    record = {"dockerd": ours.to_json() | {"started": ours.started + 1}}
    engine = PrivateEngine(tmp_path)
    engine._write_record(record)
    assert engine.has_run()
    assert not engine.is_running()


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_an_unusable_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / PrivateEngine.RECORD).write_text(text)
    assert PrivateEngine(tmp_path)._record() == {}


def test_a_folder_of_sockets_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "other")
    with pytest.raises(SandboxError, match=r"run: must belong to user .*; remove it$"):
        PrivateEngine(tmp_path)._make_socket_directory()


def test_a_failure_has_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "dockerd.log").write_text("".join(f"line {n}\n" for n in range(20)))
    lines = PrivateEngine(tmp_path)._failure("dockerd").splitlines()
    assert lines[0] == (
        "docker engine: dockerd must start and answer within 40 s, got no answer; the end of "
        f"{tmp_path}/dockerd.log:"
    )
    assert lines[1:] == [f"  line {n}" for n in range(5, 20)]
