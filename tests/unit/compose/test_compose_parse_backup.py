"""What a service does around a snapshot: `x-backup`."""

from __future__ import annotations

from typing import Any

import pytest

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.model import BackupCommands, Service
from constructs_lib.compose.parse import parse


def service(**keys: Any) -> Service:  # noqa: ANN401  (JSON)
    document = {"name": "moor", "services": {"db": {"image": "postgres", **keys}}}
    return parse(document, file="compose.yaml").services["db"]


def problems(backup: object) -> tuple[str, ...]:
    with pytest.raises(ComposeError) as caught:
        service(**{"x-backup": backup})
    return caught.value.problems


def test_a_text_is_for_a_shell_and_a_list_is_the_words() -> None:
    found = service(**{"x-backup": {"pre": "psql -c checkpoint", "post": ["touch", "/done"]}})
    assert found.backup == BackupCommands(
        pre=("sh", "-c", "psql -c checkpoint"), post=("touch", "/done")
    )
    assert service().backup is None


def test_one_of_them_is_enough() -> None:
    assert service(**{"x-backup": {"pre": "sync"}}).backup == BackupCommands(
        pre=("sh", "-c", "sync")
    )


def test_another_command_is_no_other_container() -> None:
    assert service(**{"x-backup": {"pre": "sync"}}).config_hash == service().config_hash


@pytest.mark.parametrize("said", [None, {}, "pg_dump", ["pg_dump"]])
def test_what_is_no_mapping_is_refused(said: object) -> None:
    (found,) = problems(said)
    assert found == (
        f"compose.yaml: services.db.x-backup: must be a mapping with pre, post or both, got "
        f"{said!r}; without it the service is stopped for a snapshot"
    )


def test_all_that_is_wrong_is_told_at_once() -> None:
    form = "must be a command, as one text or as a list of words"
    where = "compose.yaml: services.db.x-backup"
    assert problems({"before": "sync", "pre": " ", "post": ["sleep", 1]}) == (
        f"{where}.before: must be pre or post; leave it out",
        f"{where}.pre: {form}, got ' '",
        f"{where}.post: {form}, got ['sleep', 1]",
    )
