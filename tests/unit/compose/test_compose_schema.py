"""What the official schema has against a file, all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.reader import load_project
from constructs_lib.compose.schema import MOST, schema_problems

if TYPE_CHECKING:
    from pathlib import Path

WRONG = """
services:
  web: {image: nginx, ports: hello, restrat: always, deploy: {replicas: false}, scale: "${X}"}
  db: {image: 3, environment: {A: [word]}, volumes: [{type: bnd}], ulimits: {nofile: {soft: 1}}}
netwrks: {}
x-note: [whatever]
"""


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "compose.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_every_problem_has_its_place_its_value_and_what_must_be(tmp_path: Path) -> None:
    assert schema_problems(written(tmp_path, WRONG)) == [
        "netwrks: unknown key; see docs/compose.md",
        (
            "services.db.environment.A: must be a text or a number or true or false or nothing, "
            "got a list"
        ),
        "services.db.image: must be a text, got 3",
        'services.db.ulimits.nofile: must have hard, got {"soft": 1}',
        (
            "services.db.volumes[0].type: must be one of bind, volume, tmpfs, cluster, npipe, "
            "image, got 'bnd'"
        ),
        "services.web.restrat: unknown key; see docs/compose.md",
        "services.web.deploy.replicas: must be a whole number or a text, got false",
        "services.web.ports: must be a list, got 'hello'",
    ]


def test_compose_tells_the_first_and_we_tell_all(tmp_path: Path) -> None:
    file = written(tmp_path, "services: {web: {image: 3, ports: hello}}")
    with pytest.raises(ComposeError) as caught:
        load_project([file], name="moor")
    assert caught.value.problems == (
        f"{file}: services.web.image: must be a text, got 3",
        f"{file}: services.web.ports: must be a list, got 'hello'",
    )


@pytest.mark.parametrize("text", ["a: [", "[a, list]", b"\xff\xfe", "a: &a [*a]", "? [a]\n: b"])
def test_what_only_compose_can_tell_is_left_to_it(tmp_path: Path, text: str | bytes) -> None:
    assert schema_problems(written(tmp_path, text)) in ([], ["a: unknown key; see docs/compose.md"])


def test_no_more_is_told_than_somebody_reads(tmp_path: Path) -> None:
    services = "".join(f"  s{n}: {{image: {n}}}\n" for n in range(100))
    assert len(schema_problems(written(tmp_path, f"services:\n{services}"))) == MOST
