"""What is secret is in no record, and comes back from where it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from constructs_lib.compose.origins import Origins
from moor.history.sealing import UnsealableError, at, seal


def service(**body: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    return {"services": {"db": {"image": "db:1", **body}}}


def origins(outside: dict[str, str] | None = None, **written: str) -> Origins:
    return Origins(outside=outside or {}, written={"db": written})


def test_a_plain_value_of_the_file_is_recorded_as_compose_reads_it() -> None:
    sealed = seal(service(environment={"PRICE": "5$"}), origins(PRICE="5$"))
    assert sealed.document == service(environment={"PRICE": "5$$"})
    assert (sealed.variables, sealed.values, sealed.places) == ({}, {}, {})


def test_a_value_from_outside_is_the_variable_that_it_comes_from() -> None:
    document = service(environment={"PW": "hunter22", "URL": "x-hunter22-$y"})
    sealed = seal(document, origins({"DB_PW": "hunter22"}, PW="hunter22", URL="x-hunter22-$y"))
    assert sealed.document == service(environment={"PW": "${DB_PW}", "URL": "x-${DB_PW}-$$y"})
    assert sealed.variables == {"DB_PW": "hunter22"}


def test_of_two_values_the_longer_one_is_told() -> None:
    sealed = seal(service(command=["run", "abcdef"]), origins({"SHORT": "abc", "LONG": "abcdef"}))
    assert sealed.document == service(command=["run", "${LONG}"])
    assert sealed.variables == {"LONG": "abcdef"}


def test_a_value_of_two_characters_is_a_part_of_everything_and_not_looked_for() -> None:
    document = service(command=["serve", "80"], labels={"port": "8080"})
    sealed = seal(document, origins({"WEB_PORT": "80"}))
    assert sealed.document == service(command=["serve", "${WEB_PORT}"], labels={"port": "8080"})


def test_what_an_env_file_gives_is_sealed_whatever_it_is_called() -> None:
    sealed = seal(service(environment={"PLAIN": "words"}), origins())
    assert sealed.document == service(environment={"PLAIN": "${MOOR_SEALED_1}"})
    assert sealed.places == {"MOOR_SEALED_1": ("services", "db", "environment", "PLAIN")}
    assert sealed.values == {"MOOR_SEALED_1": "words"}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (service(environment={"DB_PASSWORD": "geheim1"}), "services.db.environment.DB_PASSWORD"),
        (service(environment={"URL": "db://u:geheim1@h/x"}), "services.db.environment.URL"),
        (service(labels={"api_key": "geheim1"}), "services.db.labels.api_key"),
        (service(command=["x", "--requirepass", "geheim1"]), "services.db.command.2"),
        (service(command=["sh", "-c", "x --password geheim1"]), "services.db.command.2"),
        ({"services": {}, "configs": {"c": {"content": "geheim1"}}}, "configs.c.content"),
    ],
)
def test_what_a_name_says_to_be_secret_is_sealed(document: dict[str, Any], path: str) -> None:
    written = (document["services"].get("db") or {}).get("environment") or {}
    sealed = seal(document, origins(**written))
    assert "geheim1" not in json.dumps(sealed.document)
    assert [".".join(place) for place in sealed.places.values()] == [path]


def test_a_secret_is_found_where_nothing_says_that_it_is_one() -> None:
    document = service(environment={"DB_PASSWORD": "geheim1"}, command=["ping", "-a", "geheim1"])
    sealed = seal(document, origins(DB_PASSWORD="geheim1"))
    assert "geheim1" not in json.dumps(sealed.document)
    assert sealed.document["services"]["db"]["command"] == ["ping", "-a", "${MOOR_SEALED_1}"]


def test_a_secret_in_a_name_is_refused() -> None:
    with pytest.raises(UnsealableError) as caught:
        seal(service(labels={"x-geheim1": "1"}), origins({"TOKEN": "geheim1"}))
    assert str(caught.value) == (
        "services.db.labels: must have no name with the value of the variable TOKEN in it, since "
        "Compose puts none there; write it as a value"
    )


def test_no_representation_shows_a_secret() -> None:
    found = origins({"DB_PW": "hunter22"})
    sealed = seal(service(environment={"PW": "hunter22", "DB_PASSWORD": "geheim1"}), found)
    assert "hunter22" not in repr(sealed) + repr(found)
    assert "geheim1" not in repr(sealed)


def test_builds_and_profiles_are_not_recorded_nor_what_is_not_there() -> None:
    body = {
        "build": {"context": "/x", "args": {"TOKEN": "geheim1"}},
        "profiles": ["debug"],
        "depends_on": {"gone": {"required": False}, "db": {"condition": "service_started"}},
    }
    sealed = seal(service(**body), origins())
    assert sealed.document == service(depends_on={"db": {"condition": "service_started"}})


@pytest.mark.parametrize(
    ("path", "text"),
    [("services.db.image", "db:1"), ("services.db", None), ("a.b", None), ("list.1", "y")],
)
def test_a_place_is_found_or_not(path: str, text: str | None) -> None:
    assert at({**service(), "list": ["x", "y"]}, path.split(".")) == text
