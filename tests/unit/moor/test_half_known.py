"""A plan that knew too little is planned again, and nothing is done that nobody has approved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from terraform_stacks import Trial, step

from moor import half_known
from moor.failure import CommandError
from moor.plan import Change, StackPlan

if TYPE_CHECKING:
    from pathlib import Path

UNCHANGED = "0 to add, 0 to change, 0 to destroy"


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    # There is no provider here that has the bug: a step that fails stands in for it.
    monkeypatch.setattr(half_known, "_SUMMARY", "local-exec provisioner error")
    return Trial.in_folder(tmp_path)


def once(marker: Path) -> str:
    """Return a command that fails the first time."""
    return f"test -e {marker} || {{ touch {marker}; exit 1; }}"


def test_what_is_left_is_done_with_what_is_known_now(trial: Trial) -> None:
    root = trial.environment.root
    first = step("true")
    second = {**step(once(root / "tried")), "depends_on": ["terraform_data.First"]}
    trial.write(docker={"First": first, "Second": second})
    assert trial.up() == [
        "1 to add, 0 to change, 0 to destroy",
        "3 to add, 0 to change, 0 to destroy",
    ]
    assert trial.up() == [UNCHANGED] * 2


def test_the_same_again_is_a_failure(trial: Trial) -> None:
    trial.write(docker={"Only": step("exit 3")})
    with pytest.raises(CommandError, match="exit status 3"):
        trial.up()


def plan(**actions: str) -> StackPlan:
    changes = [
        Change(address=address, action=action, noun="thing", name=address)  # type: ignore[arg-type]
        for address, action in actions.items()
    ]
    return StackPlan(stack="docker", changes=tuple(changes))


def test_what_nobody_has_approved_is_not_the_rest() -> None:
    approved = plan(a="replace", b="update")
    assert half_known.is_rest(plan(a="create"), approved)
    assert half_known.is_rest(plan(), approved)
    assert not half_known.is_rest(plan(b="update", c="create"), approved)
