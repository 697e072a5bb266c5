"""One at a time, and others meanwhile where the holder steps aside."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.api.turn import Turn


def test_another_one_waits_until_the_turn_is_given_back() -> None:
    turn, entered = Turn(), threading.Event()

    def enter() -> None:
        with turn:
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with turn:
            other = pool.submit(enter)
            assert not entered.wait(0.05)
        other.result(20)
    assert entered.is_set()


def test_another_one_comes_in_while_the_holder_is_aside() -> None:
    turn = Turn()

    def enter() -> None:
        with turn:
            pass

    with ThreadPoolExecutor(1) as pool, turn, turn.aside():
        pool.submit(enter).result(20)


def test_the_turn_is_had_again_after_a_failure_aside() -> None:
    turn = Turn()
    with pytest.raises(RuntimeError, match="aside"), turn, turn.aside():
        raise RuntimeError("aside")
    with turn:
        pass
