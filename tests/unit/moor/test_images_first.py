"""Which images are made before anything else of a plan."""

from __future__ import annotations

import pytest

from moor.images_first import addresses
from moor.plan import Action, Change, StackPlan


def plan(**changes: Action) -> StackPlan:
    return StackPlan(
        stack="docker",
        changes=tuple(
            Change(address=f"docker_{name}.it", action=action, noun="", name="")
            for name, action in changes.items()
        ),
    )


@pytest.mark.parametrize("action", ["create", "replace", "update"])
def test_an_image_comes_before_the_container_goes_that_is_to_have_it(action: Action) -> None:
    assert addresses(plan(container="replace", image=action)) == ["docker_image.it"]
    assert addresses(plan(image=action, container="destroy")) == ["docker_image.it"]


@pytest.mark.parametrize("action", ["create", "update"])
def test_where_no_container_goes_one_apply_will_do(action: Action) -> None:
    assert addresses(plan(container=action, image="create")) == []
    assert addresses(plan(image="create")) == []


def test_what_goes_is_no_image_that_anybody_waits_for() -> None:
    assert addresses(plan(container="replace", image="destroy", network="create")) == []
