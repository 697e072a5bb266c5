"""All environments in a line each, and the live screen's own conditions."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING

import pytest
import yaml
from rich.console import Console
from settings_files import document
from test_status import make_session

from constructs_lib.settings.environment import Environment
from moor import session as sessions
from moor.failure import WrongUseError
from moor.overview import environments, live
from moor.overview.answers import Answers
from moor.overview.environments import Line
from moor.overview.within import Question

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with environments of its own."""
    monkeypatch.setattr(sessions, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {web: {image: web:1}}\n")
    settings = {**document(), "services": "compose.yaml"}
    (folder / "production.yaml").write_text(yaml.safe_dump(settings))
    (folder / "broken.yaml").write_text("aws: {}\nother: 1\n")
    (folder / "compose.yaml").rename(folder.parent / "compose.yaml")
    (folder / "production.yaml").write_text(
        yaml.safe_dump({**settings, "services": "../compose.yaml"})
    )
    away = tmp_path / ".moor" / "away"
    away.mkdir(parents=True)
    (away / "outputs.json").write_text(json.dumps({"aws": {"public_ip": "192.0.2.9"}}))
    return tmp_path


def test_each_environment_has_a_line(root: Path) -> None:
    mine = Environment.from_variable(root, {"ENVIRONMENT": "production"})
    found = {line.name: line for line in environments.look(mine)}
    assert list(found) == ["broken", "production", "away"]
    assert found["broken"].is_good is False
    assert found["broken"].state.endswith(" more)")
    assert found["production"] == Line(name="production", where="eu-central-1")
    assert found["away"] == Line(
        name="away", address="192.0.2.9", state="its settings are in another folder"
    )


def test_an_environment_whose_machine_is_silent_is_told(root: Path) -> None:
    mine = Environment.from_variable(root, {"ENVIRONMENT": "production"})
    mine.directory.mkdir(parents=True, exist_ok=True)
    outputs = {
        "aws": {"public_ip": "127.0.0.1", "docker_host": "tcp://127.0.0.1:9", "ssh": "ssh x"},
        "docker": {},
    }
    (mine.directory / "outputs.json").write_text(json.dumps(outputs))
    found = {line.name: line for line in environments.look(mine, seconds=20)}["production"]
    assert (found.address, found.is_good) == ("127.0.0.1", False)
    assert found.state.startswith("production: the Docker API at 127.0.0.1:9: must be ")
    assert found.since


def test_lines_read_well_at_80_columns() -> None:
    stream = io.StringIO()
    lines = [
        Line(name="production", where="eu-central-1", address="192.0.2.7", state="3 of 3 services"),
        Line(name="sandbox", where="sandbox"),
    ]
    environments.show(lines, Console(file=stream, width=80))
    assert [line.rstrip() for line in stream.getvalue().splitlines()] == [
        "environment  where         address    state            deployed",
        "production   eu-central-1  192.0.2.7  3 of 3 services",
        "sandbox      sandbox                  not deployed",
    ]


def test_a_live_screen_must_have_a_terminal(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    with pytest.raises(WrongUseError) as caught:
        live.watch(session, every_seconds=2)
    assert str(caught.value) == (
        "watch: must have a terminal to draw on, got none; `moor status --json` is for scripts"
    )


def test_a_live_screen_is_not_drawn_all_the_time(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError) as caught:
        live.watch(make_session(tmp_path), every_seconds=0.1)
    assert str(caught.value) == "--every: must be 1 second or more, got 0.1"


def test_an_answer_is_waited_for_until_its_time_and_no_longer() -> None:
    begin = time.monotonic()
    assert Question(lambda: time.sleep(5)).answer(begin + 0.1) is None
    assert time.monotonic() - begin < 3
    assert Question(lambda: 7).answer(begin + 60) == 7


def test_what_is_raised_in_a_thread_is_raised_where_it_is_asked_for() -> None:
    def ask() -> None:
        raise WrongUseError("no")

    with pytest.raises(WrongUseError):
        Question(ask).answer(time.monotonic() + 60)


def test_a_url_that_nobody_answers_is_silent() -> None:
    answers = Answers(["http://127.0.0.1:9/"], time.monotonic() + 20)
    assert answers.of("http://127.0.0.1:9/") is None
