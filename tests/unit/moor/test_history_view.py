"""The deployments on record, as a person and a script read them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from test_history_store import record

from moor.history.author import Author
from moor.history.record import Deployed
from moor.history.view import as_json, news

if TYPE_CHECKING:
    from pathlib import Path

OLD = Deployed(image="web:1", id="sha256:" + "1" * 64, configuration="1")
NEW = Deployed(
    image="web:1", id="sha256:" + "2" * 64, digest="web@sha256:" + "2" * 64, configuration="1"
)


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (None, {"services": {"web": OLD, "db": OLD}}, ["db, web"]),
        ({}, {"services": {"web": NEW}}, ["web: web:1 111111111111 -> web:1 222222222222"]),
        (
            {},
            {"services": {"web": OLD.model_copy(update={"configuration": "2"})}},
            ["web: its configuration"],
        ),
        (
            {},
            {"services": {"web": OLD, "db": NEW}},
            ["db: new, web:1 222222222222"],
        ),
        ({"services": {"web": OLD, "db": OLD}}, {}, ["db: gone"]),
        ({}, {"machine": {"aws.instance_type": "t3.large"}}, ["the machine"]),
        ({}, {"files": {"page.html": "1"}}, ["files, secrets or networks"]),
        ({}, {"back_to": 1}, ["back to 1"]),
    ],
)
def test_what_was_new(then: dict[str, Any] | None, now: dict[str, Any], told: list[str]) -> None:
    first = {"services": {"web": OLD}}
    before = None if then is None else record(**{**first, **then})
    assert list(news(record(**{**first, **now}), before)) == told


def test_a_script_gets_no_more_than_who_when_and_what() -> None:
    records = [record(), record(number=2, services={"web": NEW}, commit="abc", changed=True)]
    assert as_json(records)[1] == {
        "number": 2,
        "when": "2026-03-01T10:00:00+00:00",
        "by": "ada@desk",
        "commit": "abc",
        "changed": True,
        "back_to": None,
        "news": ["web: web:1 1 -> web:1 222222222222"],
        "services": {"web": {"image": "web:1", "digest": NEW.digest, "id": NEW.id}},
    }


def test_an_image_that_was_built_is_known_by_its_tag() -> None:
    built = Deployed(image="", id="sha256:" + "3" * 64, tags=("shop-web:0a1b",), built=True)
    assert built.shown == "shop-web 333333333333"
    assert Deployed(image="", id="sha256:" + "3" * 64).shown == "image 333333333333"


def test_the_commit_of_a_folder_is_told_with_whether_it_is_all(tmp_path: Path) -> None:
    assert Author.of(tmp_path).commit == ""

    def git(*words: str) -> str:
        options = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *options, *words],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    git("add", "compose.yaml")
    git("commit", "-q", "-m", "first")
    found = Author.of(tmp_path)
    assert (found.commit, found.changed) == (git("rev-parse", "HEAD"), False)
    assert found.by.count("@") == 1
    (tmp_path / "compose.yaml").write_text("services: {web: {}}\n")
    assert Author.of(tmp_path).changed
