"""Hands datagrams on to a machine, and the answers back.

This file runs in a gate: a container in front of a machine, with what the security groups let
through. UDP has no connections, so each sender has a session of its own, as behind the address
translation of a router: a socket whose answers go to that sender, until neither side has said
anything for a while. There are so many sessions and no more; the one that is longest silent makes
room for a new one.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Address = tuple[str, int]

IDLE_SECONDS: Final = 120.0
"""How long a session may be silent. RFC 4787 asks of a router for two minutes."""

MOST_SESSIONS: Final = 512
"""Below the 1024 files that a process may have open."""

_LARGEST: Final = 65535


@dataclass(frozen=True, slots=True)
class _Session:
    """What a sender and the machine say to each other."""

    sender: _Address
    outer: socket.socket
    inner: socket.socket
    key: tuple[int, _Address]


class Relay:
    """Hands datagrams on, port by port.

    Args:
        machine: The machine's address.
        caller: Whose datagrams are taken; those of anybody else are dropped.
        ports: The UDP ports.
        listen: The address to listen on.
        idle_seconds: How long a session may be silent.
        most_sessions: How many there may be.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        machine: str,
        caller: str,
        ports: Iterable[int],
        *,
        listen: str = "0.0.0.0",  # noqa: S104  (it is the gate's whole purpose)
        idle_seconds: float = IDLE_SECONDS,
        most_sessions: int = MOST_SESSIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine = machine
        self._caller = caller
        self._idle = idle_seconds
        self._most = most_sessions
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        # From the one that is longest silent to the latest, with the time of its last word.
        self._sessions: OrderedDict[tuple[int, _Address], tuple[_Session, float]] = OrderedDict()
        for port in ports:
            outer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            outer.bind((listen, port))
            outer.setblocking(False)
            self._selector.register(outer, selectors.EVENT_READ, port)

    def __len__(self) -> int:
        """Return how many sessions there are."""
        return len(self._sessions)

    def turn(self, timeout_seconds: float | None = None) -> None:
        """Wait for datagrams, hand them on, and end sessions that were silent for long enough.

        Args:
            timeout_seconds: How long to wait at most; until the next session ends where unset.
        """
        if timeout_seconds is None and self._sessions:
            _, last = next(iter(self._sessions.values()))
            timeout_seconds = max(0.0, last + self._idle - self._clock())
        for key, _ in self._selector.select(timeout_seconds):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)  # noqa: S101  (for the type checker)
            # A machine that does not listen says so by an error, and senders come and go.
            with contextlib.suppress(OSError):
                if isinstance(key.data, _Session):
                    self._back(key.data)
                else:
                    self._forth(sock, key.data)
        self._expire()

    def close(self) -> None:
        """Stop listening, and end all sessions."""
        for key in list(self._selector.get_map().values()):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)  # noqa: S101  (for the type checker)
            sock.close()
        self._selector.close()

    def _forth(self, outer: socket.socket, port: int) -> None:
        data, sender = outer.recvfrom(_LARGEST)
        if sender[0] != self._caller:
            return
        key = (port, sender)
        found = self._sessions.get(key)
        session = found[0] if found else self._begin(key, outer)
        self._heard(session)
        session.inner.send(data)

    def _back(self, session: _Session) -> None:
        if session.key not in self._sessions:
            return  # It ended in this same turn.
        data = session.inner.recv(_LARGEST)
        self._heard(session)
        session.outer.sendto(data, session.sender)

    def _begin(self, key: tuple[int, _Address], outer: socket.socket) -> _Session:
        while len(self._sessions) >= self._most:
            self._end(next(iter(self._sessions)))
        port, sender = key
        inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        inner.setblocking(False)
        inner.connect((self._machine, port))
        session = _Session(sender, outer, inner, key)
        self._selector.register(inner, selectors.EVENT_READ, session)
        return session

    def _heard(self, session: _Session) -> None:
        self._sessions[session.key] = (session, self._clock())
        self._sessions.move_to_end(session.key)

    def _expire(self) -> None:
        now = self._clock()
        while self._sessions:
            key, (_, last) = next(iter(self._sessions.items()))
            if now - last < self._idle:
                return
            self._end(key)

    def _end(self, key: tuple[int, _Address]) -> None:
        session, _ = self._sessions.pop(key)
        self._selector.unregister(session.inner)
        session.inner.close()


def main() -> None:
    """Run `datagrams MACHINE CALLER PORT...`, until somebody ends it."""
    machine, caller, *ports = sys.argv[1:]
    relay = Relay(machine, caller, map(int, ports))
    while True:
        relay.turn()


if __name__ == "__main__":
    main()
