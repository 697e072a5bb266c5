"""A path is below another one by whole words."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.files.path import below

_PATHS = st.lists(st.sampled_from(["a", "b", "ab", ".a"]), max_size=4).map(
    lambda words: f"/{'/'.join(words)}"
)


@pytest.mark.parametrize(
    ("path", "outer", "rest"),
    [
        ("/a/b", "/a", "b"),
        ("/a/b/c", "/a/", "b/c"),
        ("/a", "/a", "."),
        ("/a/", "/a", "."),
        ("/a", "/a/", "."),
        ("/ab", "/a", None),
        ("/a", "/a/b", None),
        ("/a", "/", "a"),
        ("/", "/", "."),
        ("folders/a", "folders", "a"),
        ("folders", "folders/a", None),
    ],
)
def test_what_is_left_of_a_path_below_another(path: str, outer: str, rest: str | None) -> None:
    assert below(path, outer) == rest


@given(path=_PATHS, outer=_PATHS)
def test_it_is_what_python_makes_of_paths(path: str, outer: str) -> None:
    one, other = PurePosixPath(path), PurePosixPath(outer)
    expected = str(one.relative_to(other)) if one.is_relative_to(other) else None
    assert below(path, outer) == expected
