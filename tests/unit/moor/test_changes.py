"""Tests of what is read from cdktf's output."""

from __future__ import annotations

from moor.toolchain.changes import changes_by_stack

OUTPUT = """\
aws  Initializing the backend...
aws  No changes. Your infrastructure matches the configuration.
     Terraform has compared your real infrastructure against your configuration
docker  # docker_container.Web_3C8945DB (Web/Resource) will be replaced
          + resource "docker_container" "Web" {
        Plan: 1 to add, 0 to change, 1 to destroy.
"""


def test_each_stack_has_its_plan() -> None:
    assert changes_by_stack(OUTPUT.splitlines()) == {
        "aws": "0 to add, 0 to change, 0 to destroy",
        "docker": "1 to add, 0 to change, 1 to destroy",
    }


def test_a_stack_that_was_not_reached_is_missing() -> None:
    assert changes_by_stack(OUTPUT.splitlines()[:3]) == {
        "aws": "0 to add, 0 to change, 0 to destroy"
    }


def test_imports_are_not_taken_for_additions() -> None:
    lines = ["docker  Plan: 7 to import, 1 to add, 2 to change, 3 to destroy."]
    assert changes_by_stack(lines) == {"docker": "1 to add, 2 to change, 3 to destroy"}
