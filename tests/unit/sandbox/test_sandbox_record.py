"""Which engine is ours: what is written down, and what is believed of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from sandbox.engine import record as records
from sandbox.engine.processes import ProcessIdentity, command_line
from sandbox.engine.record import EngineRecord, record_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the records of this computer out of it."""
    made = tmp_path / "runtime"
    made.mkdir(mode=0o700)
    monkeypatch.setattr(records, "runtime_folder", lambda: made)
    return made


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ProcessIdentity]:
    """A process with the arguments of an engine."""
    command = [sys.executable, "-c", "input()", f"--data-root={tmp_path}/engine/data"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        # The kernel tells a program's arguments a moment after it has become that program.
        deadline = time.monotonic() + 5
        while not command_line(process.pid) and time.monotonic() < deadline:
            time.sleep(0.001)
        yield identity
        process.kill()


def test_there_is_one_for_each_network(folder: Path, tmp_path: Path) -> None:
    assert EngineRecord.read() is None
    record = EngineRecord(directory=tmp_path / "engine", before={"boot": "b"})
    record.write()
    assert EngineRecord.read() == record
    network = os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116  # not a file's
    assert [file.name for file in folder.iterdir()] == [f"engine-{network}.json"]
    assert record_file().stat().st_mode & 0o777 == 0o600
    EngineRecord.forget()
    assert EngineRecord.read() is None


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", '{"directory": 1}'])
def test_an_unusable_record_is_none(text: str) -> None:
    record_file().touch(mode=0o600)
    record_file().write_text(text)
    assert EngineRecord.read() is None


def test_a_file_that_somebody_else_may_have_written_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    EngineRecord(directory=tmp_path).write()
    record_file().chmod(0o620)
    assert EngineRecord.read() is None
    record_file().chmod(0o600)
    assert EngineRecord.read() is not None
    file = record_file()
    file.rename(tmp_path / "moved")
    file.symlink_to(tmp_path / "moved")
    assert EngineRecord.read() is None
    (tmp_path / "moved").rename(file)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert EngineRecord.read() is None


def test_it_runs_where_it_is_this_process_of_ours_with_this_folder(
    tmp_path: Path, engine: ProcessIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = EngineRecord(directory=tmp_path / "engine", dockerd=engine)
    assert record.runs()
    assert not EngineRecord(directory=tmp_path / "other", dockerd=engine).runs()
    assert not EngineRecord(directory=tmp_path / "engine").runs()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert not record.runs()


def test_an_engine_of_an_earlier_version_is_taken_over_while_it_runs(
    tmp_path: Path, engine: ProcessIdentity
) -> None:
    directory = tmp_path / "engine"
    assert EngineRecord.adopt(directory) is None
    directory.mkdir()
    former = directory / "engine.json"
    former.write_text(json.dumps({"before": {"boot": "b"}, "dockerd": engine.to_json()}))
    former.chmod(0o666)
    assert EngineRecord.adopt(directory) is None
    former.chmod(0o644)
    taken = EngineRecord.adopt(directory)
    assert taken == EngineRecord(directory=directory, before={"boot": "b"}, dockerd=engine)
    assert EngineRecord.read() == taken
    assert not former.exists()


def test_one_that_runs_no_more_is_not(tmp_path: Path, engine: ProcessIdentity) -> None:
    gone = engine.to_json() | {"started": engine.started + 1}
    (tmp_path / "engine.json").write_text(json.dumps({"dockerd": gone}))
    assert EngineRecord.adopt(tmp_path) is None
    assert EngineRecord.read() is None
