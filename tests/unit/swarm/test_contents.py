"""Secrets and configs of a swarm, made over its API."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import APIError

from constructs_lib.swarm.content_name import content_name, identity_file
from constructs_lib.swarm.contents import (
    ensure,
    forget_others,
    remove_others,
    write_identity,
)

if TYPE_CHECKING:
    from pathlib import Path


class Item:
    """Stands for what the SDK lists."""

    def __init__(self, name: str, identity: str) -> None:
        self.name, self.id = name, identity


class Listed:
    """Stands for the secrets or the configs of the SDK's client."""

    def __init__(self, engine: Engine, kind: str) -> None:
        self._engine, self._kind = engine, kind

    def list(self, filters: dict[str, str]) -> list[Item]:
        """List them."""
        found = self._engine.there[self._kind]
        # As the engine does: a part of the name is enough.
        return [
            Item(name, identity)
            for name, identity in found.items()
            if filters.get("name", "") in name
        ]


class Engine:
    """Stands for a manager, with the little of the SDK that is used."""

    def __init__(self) -> None:
        self.there: dict[str, dict[str, str]] = {"secret": {}, "config": {}}
        self.made: list[dict[str, Any]] = []
        self.in_use: set[str] = set()
        self.late: tuple[str, str] | None = None
        self.api = self
        self.secrets, self.configs = Listed(self, "secret"), Listed(self, "config")

    def _url(self, path: str) -> str:
        return path

    def _post_json(self, path: str, data: dict[str, Any]) -> dict[str, str]:
        kind = path.split("/")[1].removesuffix("s")
        if self.late:
            self.there[kind][self.late[0]] = self.late[1]
            response: Any = type("Response", (), {"status_code": 409})()
            raise APIError("conflict", response=response)
        self.made.append(data)
        self.there[kind][data["Name"]] = f"id-{data['Name']}"
        return {"ID": f"id-{data['Name']}"}

    def _result(self, answer: dict[str, str], *, json: bool) -> dict[str, str]:
        assert json
        return answer

    def _delete(self, path: str) -> str:
        return path

    def _raise_for_status(self, path: str) -> None:
        kind, identity = path.split("/")[1].removesuffix("s"), path.split("/")[2]
        name = next(n for n, i in self.there[kind].items() if i == identity)
        if name in self.in_use:
            raise APIError("in use", explanation=f"{name} is in use by shop_web")
        del self.there[kind][name]


@pytest.fixture
def engine() -> Any:  # noqa: ANN401  (it stands for a client)
    return Engine()


def test_its_name_has_the_project_the_file_and_the_hash() -> None:
    assert content_name("shop", "/run/secrets/db.pass", "0123456789abcdef") == (
        "shop_db-pass_0123456789ab"
    )
    name = content_name("shop", f"/etc/{'x' * 100}", "0123456789abcdef")
    assert len(name) == 64
    assert name.endswith("_0123456789ab")


def test_it_is_made_once(engine: Any) -> None:  # noqa: ANN401
    def make() -> tuple[str, bool]:
        return ensure(engine, "secret", name="shop_a_1", project="shop", content=b"\0secret")

    # What only begins or ends like it is another one.
    engine.there["secret"] = {"shop_a_11": "other", "x_shop_a_1": "another"}
    assert make() == ("id-shop_a_1", True)
    assert make() == ("id-shop_a_1", False)
    assert engine.made == [
        {
            "Name": "shop_a_1",
            "Labels": {"moor.project": "shop", "com.docker.stack.namespace": "shop"},
            "Data": base64.b64encode(b"\0secret").decode(),
        }
    ]


def test_one_that_another_step_made_meanwhile_is_taken(engine: Any) -> None:  # noqa: ANN401
    engine.late = ("shop_a_1", "theirs")
    found = ensure(engine, "config", name="shop_a_1", project="shop", content=b"x")
    assert found == ("theirs", False)


def test_those_that_nothing_needs_are_removed_and_those_in_use_are_told(engine: Any) -> None:  # noqa: ANN401
    engine.there = {
        "secret": {"shop_a_1": "1", "shop_a_2": "2", "shop_b_1": "3"},
        "config": {"shop_a_1": "4"},
    }
    engine.in_use = {"shop_b_1"}
    assert remove_others(engine, "shop", ["secret shop_a_2"]) == [
        "secret shop_a_1 is removed",
        "secret shop_b_1 stays: shop_b_1 is in use by shop_web",
        "config shop_a_1 is removed",
    ]
    assert engine.there == {"secret": {"shop_a_2": "2", "shop_b_1": "3"}, "config": {}}


def test_terraform_reads_what_the_engine_calls_it_and_nothing_else(tmp_path: Path) -> None:
    file = identity_file(tmp_path / "contents", "secret", "shop_a_1")
    write_identity(file, "abc")
    document = json.loads(file.read_text())
    assert (document["version"], document["outputs"], document["resources"]) == (
        4,
        {"value": {"value": "abc", "type": "string"}},
        [],
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_the_files_of_what_is_needed_no_longer_go(tmp_path: Path) -> None:
    kept = identity_file(tmp_path, "secret", "shop_a_1")
    for file in (kept, identity_file(tmp_path, "config", "shop_a_1")):
        write_identity(file, "x")
    forget_others(tmp_path, ["secret shop_a_1"])
    assert list(tmp_path.iterdir()) == [kept]
