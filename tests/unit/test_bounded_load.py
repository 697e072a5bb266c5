"""The clients of a benchmark: what they count as a failure, and what they do about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tls_server import over_plain, serving

from benchmarks.load import Client

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED = "127.0.0.1:1"


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_client_that_moves_on_loses_nothing_where_another_address_answers() -> None:
    with serving(over_plain()) as server:
        here = f"127.0.0.1:{server.port}"
        with Client([REFUSED, here], moves_on=True) as client:
            until(lambda: client.tally.requests > 3)
    # Once it has moved it stays where it was answered.
    assert (client.tally.failures, client.tally.moves) == ([], 1)


def test_a_client_that_stays_counts_each_request_that_is_not_answered() -> None:
    with Client([REFUSED, REFUSED], moves_on=False) as client:
        until(lambda: len(client.tally.failures) > 2)
    tally = client.tally
    assert len(tally.failures) == tally.requests
    assert tally.moves == 0
    assert tally.seconds == tally.failures[-1] - tally.failures[0] > 0


def test_an_error_of_the_server_is_a_failure() -> None:
    error = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with serving(over_plain(error)) as server:
        here = f"127.0.0.1:{server.port}"
        with Client([here, here], moves_on=True) as client:
            until(lambda: len(client.tally.failures) > 0)
    assert client.tally.failures
