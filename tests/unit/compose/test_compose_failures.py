"""What Compose complains of is said in this project's words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.failures import failures, shown, unset_variables
from constructs_lib.compose.places import Written
from constructs_lib.compose.reader import load_project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems(folder: Path, text: str) -> list[str]:
    file = folder / "compose.yaml"
    file.write_text(text)
    with pytest.raises(ComposeError) as caught:
        load_project([file], name="moor")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [b", "compose.yaml: is not YAML: line 1: did not find expected ',' or ']'"),
        (
            "services: {web: {image: x, imge: y}}",
            "compose.yaml: services.web.imge: unknown key; see docs/compose.md for the keys",
        ),
        (
            "services: {web: {image: x, labels: 3}}",
            "compose.yaml: services.web.labels: must be a mapping; see docs/compose.md",
        ),
        (
            "services: {web: {image: x, mem_limit: much}}",
            "compose.yaml: services.web.mem_limit: invalid size: 'much'",
        ),
        (
            "services: {web: {image: x, depends_on: [db]}, db: {image: x, depends_on: [web]}}",
            (
                "compose.yaml: services.db.depends_on: must not lead back to itself, got "
                "db -> web -> db through depends_on; remove one of them"
            ),
        ),
        (
            "services: {web: {image: x, network_mode: 'service:db'}, db: {image: x, links: [web]}}",
            (
                "compose.yaml: services.db.links: must not lead back to itself, got "
                "db -> web -> db through links, network_mode; remove one of them"
            ),
        ),
        (
            "services: {web: {image: x, depends_on: [db]}}",
            (
                "compose.yaml: services.web.depends_on: must name a service of this file, got db; "
                "define it"
            ),
        ),
        (
            "services: {web: {image: x, networks: [n]}}",
            (
                "compose.yaml: services.web.networks: must name a network of this file, got n; "
                "define it"
            ),
        ),
        (
            "services: {web: {image: x, volumes: ['data:/v']}}",
            (
                "compose.yaml: services.web.volumes: must name a volume of this file, got data; "
                "define it"
            ),
        ),
        (
            "services: {web: {command: x}}",
            "compose.yaml: services.web: has neither an image nor a build context specified",
        ),
        (
            "services: {web: {image: 'x:${TAG:?which}'}}",
            (
                "compose.yaml: services.web.image: required variable TAG is missing a value: "
                "which; set it in .env or the settings' variables"
            ),
        ),
        ("", "compose.yaml: empty compose file"),
    ],
)
def test_what_compose_refuses(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(tmp_path, text) == [expected]


TWO_UNSET = """
services:
  web: {image: x, environment: {A: "${NOPE}", B: "${NOPE2:-fine}", C: "$$NOPE", D: "a$NOPE"}}
  db: {image: "x${NOPE_TOO}"}
"""
TOLD = (
    (
        'compose.yaml: services.web.environment.A: variable "NOPE" is not set here and in 1 more '
        "place; set it in .env or the settings' variables, or write ${NOPE:-} for nothing"
    ),
    (
        'compose.yaml: services.db.image: variable "NOPE_TOO" is not set; set it in .env or the '
        "settings' variables, or write ${NOPE_TOO:-} for nothing"
    ),
)


def test_variables_that_are_not_set_are_empty_and_told_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(TWO_UNSET)
    project = load_project([tmp_path / "compose.yaml"], name="moor")
    assert set(project.warnings) == set(TOLD)
    assert project.services["web"].environment == {"A": "", "B": "fine", "C": "$NOPE", "D": "a"}
    assert project.services["db"].image == "x"


def test_variables_that_are_not_set_are_an_error_where_somebody_says_so(tmp_path: Path) -> None:
    assert set(problems(tmp_path, f"{TWO_UNSET}\nx-moor: {{strict: true}}")) == set(TOLD)
    (tmp_path / "compose.yaml").write_text(TWO_UNSET)
    with pytest.raises(ComposeError) as caught:
        load_project([tmp_path / "compose.yaml"], name="moor", strict=True)
    assert set(caught.value.problems) == set(TOLD)


def test_what_is_not_set_is_told_with_what_it_breaks(tmp_path: Path) -> None:
    found = problems(tmp_path, "services: {web: {image: '$NOPE', annotations: {a: b}}}")
    assert 'variable "NOPE" is not set' in found[0]
    assert len(found) > 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", "x-moor: must be a mapping, got 5"),
        ("{strickt: true}", "x-moor.strickt: unknown key; the key here is: strict"),
        ("{strict: always}", "x-moor.strict: must be true or false, got 'always'"),
    ],
)
def test_the_projects_own_key_is_checked(tmp_path: Path, value: str, expected: str) -> None:
    text = f"services: {{web: {{image: x}}}}\nx-moor: {value}"
    assert problems(tmp_path, text) == [f"compose.yaml: {expected}"]


def test_hundreds_of_unset_variables_are_told_in_less_than_a_second(tmp_path: Path) -> None:
    lines = [f"      A{i}: '${{NOPE_{i}}}'" for i in range(300)]
    text = "services:\n  web:\n    image: x\n    environment:\n" + "\n".join(lines)
    (tmp_path / "compose.yaml").write_text(text)
    begun = time.monotonic()
    found = load_project([tmp_path / "compose.yaml"], name="moor").warnings
    assert time.monotonic() - begun < 1
    assert len(found) == 21
    assert found[-1].startswith("compose.yaml: 280 more variables are not set")


def test_a_circle_of_aliases_ends(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text('x-a: &a {b: *a, c: "$NOPE"}')
    warning = 'time=now msg="The \\"NOPE\\" variable is not set. Defaulting to a blank string."\n'
    (line,) = unset_variables(warning, Written([file]))
    assert line.startswith('compose.yaml: x-a.c: variable "NOPE" is not set; ')


def test_a_missing_environment_file_is_told_with_its_service(tmp_path: Path) -> None:
    assert problems(tmp_path, "services: {web: {image: x, env_file: [no.env]}}") == [
        (
            f"compose.yaml: services.web.env_file[0]: must be a file, got no such file as "
            f"{tmp_path}/no.env"
        )
    ]


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("", "compose.yaml: Compose refuses it and does not say why"),
        ("time=now level=warning msg=old\nsome thing\n  new\n", "compose.yaml: some thing new"),
        (
            "env file /no/such.env not found: stat",
            ("compose.yaml: env_file: must be a file, got no such file as /no/such.env"),
        ),
        (
            "open /no/such.yaml: no such file or directory",
            (
                "compose.yaml: must name files that "
                "exist, got no such file as /no/such.yaml; create it"
            ),
        ),
    ],
)
def test_what_is_seldom_said(tmp_path: Path, stderr: str, expected: str) -> None:
    assert list(failures(stderr, Written([tmp_path / "compose.yaml"]))) == [expected]


def test_a_variable_that_no_file_shows_is_told_all_the_same(tmp_path: Path) -> None:
    warning = 'time=now msg="The \\"GONE\\" variable is not set. Defaulting to a blank string."\n'
    assert list(unset_variables(2 * warning, Written([tmp_path / "compose.yaml"]))) == [
        (
            'compose.yaml: variable "GONE" is not set; set it in .env or the settings\' '
            "variables, or write ${GONE:-} for nothing"
        )
    ]


def test_a_file_elsewhere_is_called_by_its_whole_path(tmp_path: Path) -> None:
    assert shown(tmp_path / "a" / "b") == "a/b"
    assert shown(tmp_path.parent / "b") == str(tmp_path.parent / "b")


def test_a_healthcheck_that_compose_refuses_is_told_with_its_place(tmp_path: Path) -> None:
    text = "services: {web: {image: x, healthcheck: {test: [curl, x]}}}"
    assert problems(tmp_path, text) == [
        (
            "compose.yaml: services.web.healthcheck.test: must start with CMD, CMD-SHELL or NONE, "
            "got 'curl'; put CMD in front of it"
        )
    ]


def test_what_is_not_set_is_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("x-a: [$B, $A]")
    said = "".join(f'time=now msg="The \\"{v}\\" variable is not set."\n' for v in "CAB")
    found = unset_variables(said, Written([file]))
    assert [line.split('"')[1] for line in found] == ["B", "A", "C"]
