"""How many managers may be lost, and what a swarm still agrees on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.swarm.quorum import bears_absence, bears_removal, majority, spare

MANAGERS = st.integers(1, 9)


@pytest.mark.parametrize(
    ("managers", "needed", "lost"),
    [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (7, 4, 3)],
)
def test_the_table_of_swarms_documentation(managers: int, needed: int, lost: int) -> None:
    assert (majority(managers), spare(managers)) == (needed, lost)


@given(MANAGERS)
def test_two_majorities_always_have_a_manager_in_common(managers: int) -> None:
    assert 2 * majority(managers) > managers


@given(MANAGERS)
def test_no_smaller_number_would_do(managers: int) -> None:
    assert 2 * (majority(managers) - 1) <= managers


@given(MANAGERS)
def test_an_even_number_bears_no_more_than_one_less(managers: int) -> None:
    assert spare(2 * managers) == spare(2 * managers - 1)


@given(MANAGERS, st.data())
def test_an_absence_is_borne_while_a_majority_of_the_same_number_is_left(
    managers: int, data: st.DataObject
) -> None:
    reachable = data.draw(st.integers(1, managers))
    assert bears_absence(managers, reachable) == (2 * (reachable - 1) > managers)


@given(MANAGERS, st.data())
def test_a_removal_needs_a_majority_before_and_after(managers: int, data: st.DataObject) -> None:
    reachable = data.draw(st.integers(0, managers))
    is_reachable = data.draw(st.sampled_from([False, *([True] if reachable else [])]))
    after = managers - 1
    expected = after > 0 and 2 * reachable > managers and 2 * (reachable - is_reachable) > after
    assert bears_removal(managers, reachable, is_reachable=is_reachable) == expected


def test_the_last_manager_is_never_removed() -> None:
    assert not bears_removal(1, 1, is_reachable=True)


def test_of_three_managers_the_lost_one_may_go_and_no_other() -> None:
    assert bears_removal(3, 2, is_reachable=False)
    assert not bears_removal(3, 2, is_reachable=True)
