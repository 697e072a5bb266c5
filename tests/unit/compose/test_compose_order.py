"""The order of services, and circles among them."""

from __future__ import annotations

import itertools
from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.compose.model import Dependency, Service
from constructs_lib.compose.order import find_cycle, in_order


def services(**needs: str) -> dict[str, Service]:
    """Make services, each of which needs those whose letters stand behind its name."""
    return {
        name: Service(
            name=name,
            depends_on=tuple(Dependency(service=o, condition="service_started") for o in others),
        )
        for name, others in needs.items()
    }


def names(**needs: str) -> list[str]:
    return [service.name for service in in_order(services(**needs))]


def test_each_comes_after_those_that_it_needs() -> None:
    assert names(a="cb", b="d", c="d", d="") == ["d", "b", "c", "a"]
    assert names(b="", c="", a="") == ["a", "b", "c"]


def test_a_shared_name_space_and_inherited_volumes_are_needs() -> None:
    found = in_order(
        {
            "a": Service(name="a", shares_network="b", shares_ipc="c", shares_pid="d"),
            "b": Service(name="b", volumes_from=(("e", True),)),
            **services(c="", d="", e=""),
        }
    )
    assert [service.name for service in found] == ["c", "d", "e", "b", "a"]


def test_the_order_in_the_file_does_not_count() -> None:
    assert names(d="", c="d", b="d", a="bc") == names(a="bc", b="d", c="d", d="")


def test_a_circle_is_told_in_the_order_of_the_needs() -> None:
    assert find_cycle(services(a="b", b="c", c="a")) == ["a", "b", "c", "a"]
    assert find_cycle(services(a="b", b="d", c="b", d="c")) == ["b", "d", "c", "b"]
    assert find_cycle(services(a="a")) == ["a", "a"]
    assert find_cycle(services(a="b", b="")) is None


def test_what_is_not_there_is_no_circle() -> None:
    assert find_cycle(services(a="xb", b="x")) is None


@given(st.dictionaries(st.sampled_from("abcde"), st.sets(st.sampled_from("abcde"))))
def test_there_is_an_order_or_a_circle(graph: dict[str, set[str]]) -> None:
    needs = {name: "".join(sorted(others & graph.keys())) for name, others in graph.items()}
    cycle = find_cycle(services(**needs))
    if cycle is None:
        order = names(**needs)
        assert sorted(order) == sorted(graph)
        assert all(order.index(o) < order.index(name) for name in needs for o in needs[name])
    else:
        assert cycle[0] == cycle[-1]
        assert all(other in needs[name] for name, other in itertools.pairwise(cycle))
        with pytest.raises(CycleError):
            in_order(services(**needs))
