"""The environment: chosen by a variable, and its folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.settings.environment import Environment

ROOT = Path("/project")


def chosen(value: str | None) -> Environment:
    return Environment.from_variable(ROOT, {} if value is None else {"ENVIRONMENT": value})


@pytest.mark.parametrize("value", [None, "", "sandbox"])
def test_the_sandbox_is_the_default(value: str | None) -> None:
    environment = chosen(value)
    assert environment.name == "sandbox"
    assert environment.settings_file == Path("/project/environments/sandbox.yaml")


def test_a_name_chooses_a_file_in_environments() -> None:
    environment = chosen("production")
    assert environment.name == "production"
    assert environment.settings_file == Path("/project/environments/production.yaml")
    assert environment.root == ROOT


@pytest.mark.parametrize(
    ("value", "file"),
    [
        ("/tmp/other/trial.yaml", "/tmp/other/trial.yaml"),  # noqa: S108  (never opened)
        ("elsewhere/trial.yml", "/project/elsewhere/trial.yml"),
    ],
)
def test_a_path_chooses_that_file(value: str, file: str) -> None:
    environment = chosen(value)
    assert environment.name == "trial"
    assert environment.settings_file == Path(file)


def test_the_folders_are_exactly_these() -> None:
    environment = chosen("production")
    own = ROOT / ".moor" / "production"
    assert {
        name: getattr(environment, name)
        for name in (
            *("directory", "pki", "certificates", "ssh", "providers", "secrets"),
            *("state", "log", "sandbox", "ended", "lock"),
        )
    } == {
        "directory": own,
        "pki": own / "pki",
        "certificates": own / "certificates",
        "ssh": own / "ssh",
        "providers": own / "providers",
        "secrets": own / "secrets",
        "state": own / "state",
        "log": own / "log",
        "sandbox": own / "sandbox",
        "ended": own / "ended.json",
        "lock": own / "lock",
    }
    assert environment.output == ROOT / "cdktf.out" / "production"


def test_two_environments_share_no_folder() -> None:
    one, other = chosen("one"), chosen("other")
    assert one.directory != other.directory
    assert one.output != other.output


def test_nothing_is_created(tmp_path: Path) -> None:
    environment = Environment.from_variable(tmp_path, {})
    assert environment.lock.parent == tmp_path / ".moor" / "sandbox"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["Production", "1st", "-x", "a_b", "a b", "a.b", "é", "a" * 32, "..", "a/b", "a\n"]
)
def test_it_fails_when_the_name_is_not_of_the_form(name: str) -> None:
    with pytest.raises(ValueError, match="environment name") as caught:
        chosen(name)
    assert str(caught.value) == (
        f"/project/environments/{name}.yaml: environment name: must be 1 to 31 lower-case "
        f"letters, digits and hyphens with a letter first, got {name!r}; rename the file"
    )


@given(st.text(min_size=1, max_size=40))
def test_no_name_leads_out_of_the_projects_folders(name: str) -> None:
    try:
        environment = chosen(name)
    except ValueError:
        return
    assert environment.directory.parent == ROOT / ".moor"
    assert environment.output.parent == ROOT / "cdktf.out"
    assert ".." not in environment.directory.parts
