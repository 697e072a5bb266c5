"""Bounded load on services that answer on several addresses, and what became of it.

Two clients ask for the same: one tries the next address when one does not answer, as a browser with
several A records or a proxy does; the other one stays with one address, whatever happens.
"""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

PER_SECOND: Final = 10
"""Requests a second of each client."""
LONGEST_SECONDS: Final = 600
"""After that a client ends by itself."""
_TIMEOUT: Final = 1.0
"""How long one address may take to answer, in seconds."""
_OK: Final = 200


@dataclass(slots=True)
class Tally:
    """What became of the requests of one client.

    Attributes:
        requests: How many there were.
        failures: When each one failed, in seconds after the start.
        moves: How often another address had to be tried.
    """

    requests: int = 0
    failures: list[float] = field(default_factory=list)
    moves: int = 0

    @property
    def seconds(self) -> float:
        """How long it took from the first failure to the last one."""
        return self.failures[-1] - self.failures[0] if self.failures else 0.0


class Client:
    """A client in a thread of its own, from `with` to its end.

    Args:
        addresses: `HOST:PORT`, in the order in which they are tried.
        path: What is asked for.
        moves_on: Whether the next address is tried where one does not answer.

    Attributes:
        tally: What became of its requests.
    """

    def __init__(self, addresses: Sequence[str], path: str = "/", *, moves_on: bool) -> None:
        self._addresses = list(addresses)
        self._path = path
        self._moves_on = moves_on
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.tally = Tally()

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, after the request that is under way."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        begin = time.monotonic()
        current = 0
        for number in range(LONGEST_SECONDS * PER_SECOND):
            if self._ended.wait(max(0.0, begin + number / PER_SECOND - time.monotonic())):
                return
            if time.monotonic() - begin > LONGEST_SECONDS:
                return
            self.tally.requests += 1
            tries = len(self._addresses) if self._moves_on else 1
            for _ in range(tries):
                if answers(self._addresses[current], self._path):
                    break
                if self._moves_on:
                    self.tally.moves += 1
                    current = (current + 1) % len(self._addresses)
            else:
                self.tally.failures.append(time.monotonic() - begin)


def answers(address: str, path: str = "/") -> bool:
    """Return whether an address answers a request with 200.

    Args:
        address: `HOST:PORT`.
        path: What is asked for.
    """
    host, _, port = address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=_TIMEOUT)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return response.status == _OK
