"""What is written in a Compose file is found with its place."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from constructs_lib.compose.places import Written, scalars

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "compose.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_each_value_has_its_place(tmp_path: Path) -> None:
    file = written(tmp_path, "a: {b: [1, x], c: {d: }}\ne: f\n? [g]\n: h\n")
    assert list(scalars(file)) == [("a.b[0]", "1"), ("a.b[1]", "x"), ("a.c.d", ""), ("e", "f")]


def test_an_alias_is_visited_once_and_a_circle_ends(tmp_path: Path) -> None:
    file = written(tmp_path, "a: &a {b: [*a, c]}\nd: *a\n")
    assert list(scalars(file)) == [("a.b[1]", "c")]


def test_aliases_of_aliases_take_no_time(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    begun = time.monotonic()
    assert len(list(scalars(written(tmp_path, "\n".join(lines))))) == 2
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("text", ["a: [b", b"\xff", "a: \0"])
def test_nothing_is_found_in_what_cannot_be_read(tmp_path: Path, text: str | bytes) -> None:
    assert list(scalars(written(tmp_path, text))) == []
    assert list(scalars(tmp_path / "missing.yaml")) == []


def test_files_are_read_when_somebody_asks_and_once(tmp_path: Path) -> None:
    asked = Written([tmp_path / "compose.yaml", tmp_path / "more.yaml"])
    file = written(tmp_path, "a: b")
    (tmp_path / "more.yaml").write_text("c: [d]")
    expected = [(file, "a", "b"), (tmp_path / "more.yaml", "c[0]", "d")]
    assert list(asked) == expected
    file.unlink()
    assert list(asked) == expected
