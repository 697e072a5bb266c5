"""How images are built, from what Compose says to values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose.errors import Problems
from constructs_lib.compose.model import BuildSecret
from constructs_lib.compose.parse_build import read_build

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.compose.model import Build


def read(raw: dict[str, Any], **document: Any) -> tuple[Build | None, list[str]]:  # noqa: ANN401
    problems = Problems("f")
    return read_build(raw, "build", {"services": {}, **document}, None, problems), problems.found


def test_what_the_builder_fetches_is_not_looked_for_here() -> None:
    for context in ("https://example.org/a.git#main", "git@example.org:a/b", "github.com/a/b"):
        build, found = read({"context": context})
        assert build is not None
        assert (build.context, found) == (context, [])


def test_caches_and_platforms_are_those_that_the_machine_knows(tmp_path: Path) -> None:
    raw = {
        "context": str(tmp_path),
        "dockerfile_inline": "FROM scratch",
        "cache_from": ["a:1", "type=gha", "type=registry,ref=b"],
        "cache_to": ["type=registry,ref=b", "type=inline"],
        "platforms": ["linux/amd64", "linux/arm64"],
        "ssh": ["default", "k: /id"],
        "provenance": "true",
    }
    build, found = read(raw)
    assert build is not None
    assert found == []
    assert build.platform is None
    assert build.options == {
        "cache_from": ["a:1", "type=registry,ref=b"],
        "cache_to": ["type=inline"],
        "ssh": ["default", "k=/id"],
    }


def test_secrets(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").touch()
    raw = {"context": str(tmp_path), "secrets": [{"source": "a"}, {"source": "b", "target": "c"}]}
    secrets = {"a": {"environment": "A"}, "b": {"file": str(tmp_path / "Dockerfile")}}
    build, found = read(raw, secrets=secrets)
    assert build is not None
    assert found == []
    assert build.secrets == {
        "a": BuildSecret(target="a", variable="A"),
        "b": BuildSecret(target="c", file=tmp_path / "Dockerfile"),
    }


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"context": "/no/such"}, "context: must be a folder, got no such folder as /no/such"),
        ({"dockerfile": "../x"}, "dockerfile: must be a file in HERE, got none named ../x"),
        ({"entitlements": ["security.insecure"]}, ("entitlements: must not have more rights than "
         "the machine's builder grants, got security.insecure; do what needs them when the "
         "container runs")),
        ({"additional_contexts": {"a": "/no/such"}},
         "additional_contexts.a: must be a folder, got no such folder as /no/such"),
        ({"additional_contexts": {"a": "service:b"}},
         "additional_contexts.a: must name a service of this file, got service:b"),
        ({"secrets": [{"source": "a"}]}, "secrets[0]: must name a secret of this file, got a"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_told(tmp_path: Path, raw: dict[str, Any], expected: str) -> None:
    (tmp_path / "Dockerfile").touch()
    _, found = read({"context": str(tmp_path), **raw})
    assert found == [f"f: build.{expected.replace('HERE', str(tmp_path))}"]
