"""What is remembered of containers that have done their work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from constructs_lib.compose import ended

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_kept_is_read_again_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "environment" / "ended.json"
    ended.keep(file, {"moor-job-1": "abc"}, of=["moor-job-1", "moor-web-1"], is_all=True)
    assert ended.read(file) == {"moor-job-1": "abc"}
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_runs_again_or_is_gone_has_not_ended(tmp_path: Path) -> None:
    file = tmp_path / "ended.json"
    ended.keep(file, {"a": "1", "b": "2", "gone": "3"}, of=["a", "b", "gone"], is_all=True)
    ended.keep(file, {"b": "4"}, of=["a", "b"], is_all=True)
    assert ended.read(file) == {"b": "4"}


def test_of_what_was_not_looked_at_nothing_changes(tmp_path: Path) -> None:
    file = tmp_path / "ended.json"
    ended.keep(file, {"a": "1", "b": "2"}, of=["a", "b"], is_all=True)
    ended.keep(file, {"c": "3"}, of=["b", "c"], is_all=False)
    assert ended.read(file) == {"a": "1", "c": "3"}


def test_nothing_is_written_where_nothing_is_new(tmp_path: Path) -> None:
    file = tmp_path / "ended.json"
    ended.keep(file, {}, of=["a"], is_all=True)
    assert not file.exists()
    ended.keep(file, {"a": "1"}, of=["a"], is_all=True)
    before = file.stat().st_ino
    ended.keep(file, {"a": "1"}, of=["a"], is_all=False)
    assert file.stat().st_ino == before


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'"a"', b"\xff", b'{"a": 1}'])
def test_what_cannot_be_read_says_of_none_that_it_has_ended(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "ended.json"
    file.write_bytes(text)
    assert ended.read(file) == {}
    ended.keep(file, {"a": "1"}, of=["a"], is_all=True)
    assert ended.read(file) == {"a": "1"}
