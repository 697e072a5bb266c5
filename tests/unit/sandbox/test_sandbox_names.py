"""Whose something on an engine is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.names import Owner, Role, project_of

if TYPE_CHECKING:
    from pathlib import Path


def test_labels_name_the_owner() -> None:
    owner = Owner(environment="trial", project="p")
    assert owner.labels(Role.MACHINE, instance="i-1") == {
        "moor.environment": "trial",
        "moor.project": "p",
        "moor.role": "machine",
        "moor.instance": "i-1",
    }
    assert owner.name("i-1") == "moor-trial-i-1"
    assert owner.filters() == {"label": ["moor.environment=trial", "moor.project=p"]}


def test_another_checkout_is_another_project(tmp_path: Path) -> None:
    assert project_of(tmp_path) == project_of(tmp_path / "x" / "..")
    assert project_of(tmp_path) != project_of(tmp_path / "x")
