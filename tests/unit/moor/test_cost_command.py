"""`moor cost`, as somebody runs it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from settings_files import document

from constructs_lib.settings.environment import Environment
from moor.commands import cost
from moor.session import Session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Return a command on an environment of AWS; Infracost is not there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "production.yaml"
    file.write_text(yaml.safe_dump(document()), encoding="utf-8")
    return Session(environment=Environment(name="production", settings_file=file, root=tmp_path))


def test_a_sandbox_costs_nothing_and_the_way_to_the_rest_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cost.run(Session.of("sandbox"))
    assert capsys.readouterr().out == (
        "sandbox costs nothing: it is a sandbox on this computer.\n"
        "With --as-on-aws you see what the same would cost on AWS.\n"
    )


def test_a_sandbox_costs_nothing_for_a_script_either(capsys: pytest.CaptureFixture[str]) -> None:
    cost.run(Session.of("sandbox"), as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "currency": "USD",
        "monthly": "0.00",
        "sandbox": True,
    }


def test_what_the_same_would_cost_on_aws(capsys: pytest.CaptureFixture[str]) -> None:
    cost.run(Session.of("sandbox"), as_on_aws=True, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["monthly"], found["region"]) == ("23.07", "eu-central-1")


def test_an_environment_of_aws_is_told_at_once(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    cost.run(session)
    told = capsys.readouterr().out
    assert "together" in told
    assert "23.07" in told
    assert "prices of 2022-09-03" in told


def test_infracost_that_fails_is_told_and_the_table_stands_in(
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Infracost is a stand-in here, as the synthesis is that it reads: it takes the internet."""
    file = tmp_path / "infracost"
    file.write_text(f"#!{shutil.which('sh', path='/bin')}\necho no network >&2; exit 1\n")
    file.chmod(0o755)
    monkeypatch.setenv("INFRACOST_API_KEY", "key")
    monkeypatch.setattr("moor.synthesis.Synthesis.start", lambda *_, **__: _Written(tmp_path))
    cost.run(session)
    told = capsys.readouterr()
    assert told.err == (
        "warning: infracost: must succeed, got: no network; these are the table's prices\n"
    )
    assert "23.07" in told.out


class _Written:
    """A synthesis that has ended, with one stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def finish(self) -> list[_Written]:
        return [self]

    def close(self) -> None:
        pass
