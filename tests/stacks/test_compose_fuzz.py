"""Any document of Compose's official schema is either understood or refused in clear lines."""

from __future__ import annotations

import json
import os
import time
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from cdktf_cdktf_provider_docker.provider import DockerProvider
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from synthesis import Json, new_stack, synth
from test_terraform_validate import terraform

from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.reader import load_project
from constructs_lib.compose.services import ComposeServices
from constructs_lib.host.endpoint import DockerEndpoint
from constructs_lib.terraform.literal import define, override
from stacks.docker import PROVIDER_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from constructs_lib.compose.model import ComposeProject

EXAMPLES: Final = int(os.environ.get("MOOR_FUZZ_EXAMPLES", "5"))
"""Each asks Compose itself, a tenth of a second, and some of them Terraform, two seconds."""

SLOWEST: Final = 20
"""Seconds that a document may take until it is understood or refused."""

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


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a document with services, and sometimes with what services use."""
    definitions = schema().get("$defs") or schema()["definitions"]
    name = st.sampled_from(["web", "db", "default"])
    found = {"services": draw(st.dictionaries(name, services(), min_size=1, max_size=2))}
    for kind in ("network", "volume", "config", "secret"):
        made = st.dictionaries(name, value_of(definitions[kind]), max_size=1)
        if drawn := draw(st.one_of(st.just({}), made)):
            found[f"{kind}s"] = drawn
    return found


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Json], list[Json]]:
    """Return what tells Terraform's complaints about a configuration, with the real provider."""
    folder = tmp_path_factory.mktemp("validate")
    begun: list[bool] = []

    def complaints(document: Json) -> list[Json]:
        (folder / "cdk.tf.json").write_text(json.dumps(document), encoding="utf-8")
        if not begun:
            begun.append(True)
            done = terraform(folder, "init", "-backend=false", "-input=false", "-no-color")
            assert done.returncode == 0, done.stderr
        found: list[Json] = json.loads(terraform(folder, "validate", "-json").stdout)["diagnostics"]
        return found

    return complaints


def configuration(project: ComposeProject, folder: Path) -> Json:
    """Synthesize a project."""
    stack = new_stack()
    define(DockerProvider, stack, "Provider", host="tcp://192.0.2.1:2376")
    override(stack, "terraform.required_providers.docker.version", PROVIDER_VERSIONS)
    ComposeServices(
        stack,
        "Compose",
        project=project,
        endpoint=DockerEndpoint(host="192.0.2.1", port=2376, certificates=folder),
        vault=Vault(folder / "vault"),
        value_of=lambda name: f"the value of {name}",
    )
    return synth(stack)


def test_the_schema_is_the_official_one() -> None:
    assert {"image", "ports", "volumes"} <= {name for name, _ in keys_of_a_service()}


@given(document=documents())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_document_is_understood_or_refused_in_clear_lines(
    document: dict[str, Any],
    validated: Callable[[Json], list[Json]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    file = folder / "compose.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=False), encoding="utf-8")
    begun = time.monotonic()
    project: ComposeProject | None = None
    problems: tuple[str, ...] = ()
    try:
        project = load_project([file], name="moor", environment={"PATH": os.environ["PATH"]})
    except ComposeError as error:
        problems = error.problems
    made = None if project is None else configuration(project, folder)
    assert time.monotonic() - begun < SLOWEST
    if made is None:
        # Each has its place, and is one line.
        assert problems
        assert [line for line in problems if ": " not in line or "\n" in line] == []
        return
    event("understood")
    errors = [d for d in validated(made) if d["severity"] == "error"]
    assert errors == []
