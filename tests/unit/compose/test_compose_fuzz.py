"""Any document of Compose's official schema is either understood or refused in clear lines."""

from __future__ import annotations

import contextlib
import json
import os
import time
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.reader import load_project

if TYPE_CHECKING:
    import pytest

EXAMPLES: Final = int(os.environ.get("MOOR_FUZZ_EXAMPLES", "5"))
"""Each asks Compose itself, which takes a tenth of a second."""

DEEPEST: Final = 3
"""How deep lists and mappings are in one another."""

_UNTOUCHABLE: Final = frozenset({"develop", "provider", "models", "extends", "include"})
"""Keys that only other files, or no engine, give a meaning."""


@cache
def schema() -> dict[str, Any]:
    """Return the official schema, which the package check-jsonschema carries."""
    files = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    found = next(f for f in files.iterdir() if "compose" in f.name and f.name.endswith(".json"))
    loaded: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return loaded


TEXT: Final = st.one_of(
    st.sampled_from(["", "a", "1", "web", "db", "80:80", "./x:/y", "1s", "64m", "a=b", "0", "-1"]),
    st.text(max_size=6),
)
LEAVES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "string": TEXT,
    "integer": st.integers(-2, 70_000),
    "number": st.one_of(st.integers(-2, 70_000), st.floats(0, 4, width=16)),
    "boolean": st.booleans(),
    "null": st.none(),
}


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the schema with what it refers to and is put together from."""
    if "$ref" in part:
        *_, key, name = part["$ref"].split("/")
        return resolved(schema()[key][name])
    whole = dict(part)
    for piece in map(resolved, part.get("allOf", ())):
        merged = {**piece.get("properties", {}), **whole.get("properties", {})}
        whole = {**piece, **whole} | ({"properties": merged} if merged else {})
    return whole


def value_of(part: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Return the values that a part of the schema allows, patterns of texts apart."""
    part = resolved(part)
    for choice in ("oneOf", "anyOf"):
        if choice in part:
            return st.one_of([value_of(option, depth) for option in part[choice]])
    if "enum" in part:
        return st.sampled_from(part["enum"])
    kinds = part.get("type", "object" if "properties" in part else "string")
    if isinstance(kinds, list):
        return st.one_of([value_of({**part, "type": kind}, depth) for kind in kinds])
    if kinds == "array":
        entry = value_of(part.get("items", {}), depth + 1) if depth < DEEPEST else TEXT
        return st.lists(entry, max_size=2)
    if kinds == "object":
        return object_of(part, depth + 1) if depth < DEEPEST else st.just({})
    return LEAVES[kinds]


def object_of(part: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    """Return the mappings that a part of the schema allows."""
    properties = part.get("properties", {})
    if not properties:
        others = [v for k, v in part.get("patternProperties", {}).items() if k != "^x-"]
        entry = value_of(others[0], depth) if others else TEXT
        return st.dictionaries(st.text("aB_.1", min_size=1, max_size=3), entry, max_size=2)
    needed = part.get("required", ())
    made = {k: value_of(v, depth) for k, v in properties.items()}
    return st.fixed_dictionaries(
        {k: v for k, v in made.items() if k in needed},
        optional={k: v for k, v in made.items() if k not in needed},
    )


@cache
def keys_of_a_service() -> list[tuple[str, st.SearchStrategy[Any]]]:
    """Return the values that the schema lets each key of a service have."""
    definitions = schema().get("$defs") or schema()["definitions"]
    return [
        (name, value_of(value))
        for name, value in sorted(resolved(definitions["service"])["properties"].items())
        if name not in _UNTOUCHABLE
    ]


@st.composite
def services(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a service with an image and some of the schema's other keys."""
    chosen = draw(
        st.lists(st.sampled_from(keys_of_a_service()), max_size=4, unique_by=lambda k: k[0])
    )
    return {"image": "nginx", **{name: draw(value) for name, value in chosen}}


def test_the_schema_is_the_official_one() -> None:
    assert {"image", "ports", "volumes"} <= {name for name, _ in keys_of_a_service()}


@given(body=st.dictionaries(st.sampled_from(["web", "db"]), services(), min_size=1))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_document_is_understood_or_refused_in_clear_lines(
    body: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "compose.yaml"
    file.write_text(yaml.safe_dump({"services": body}, allow_unicode=False), encoding="utf-8")
    begun = time.monotonic()
    lines: tuple[str, ...] = ("compose.yaml: understood",)
    with contextlib.suppress(ComposeError):
        try:
            load_project([file], name="moor", environment={"PATH": os.environ["PATH"]})
        except ComposeError as error:
            lines = error.problems
            raise
    assert lines
    assert all(": " in line and "\n" not in line for line in lines)
    assert time.monotonic() - begun < 20
