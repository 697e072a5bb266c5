"""Several things are done at the same time, and all of them have ended when one has failed."""

from __future__ import annotations

import threading

import pytest

from sandbox.at_once import at_once


@pytest.mark.parametrize("number", [0, 1, 3])
def test_each_is_done_at_the_same_time_as_the_others(number: int) -> None:
    together = threading.Barrier(max(number, 1), timeout=10)
    done: set[int] = set()

    def work(item: int) -> None:
        together.wait()
        done.add(item)

    at_once(work, range(number))
    assert done == set(range(number))


def test_a_failure_is_raised_when_the_others_have_ended() -> None:
    failed = threading.Event()
    done: list[int] = []

    def work(item: int) -> None:
        if item == 0:
            failed.set()
            raise ValueError("no")
        assert failed.wait(10)
        done.append(item)

    with pytest.raises(ValueError, match=r"^no$"):
        at_once(work, [0, 1, 2])
    assert sorted(done) == [1, 2]
