"""Datagrams through a gate: real ones, between addresses of this computer."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from sandbox.machines.machine_image.datagrams import Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MACHINE = "127.0.0.2"
GATE = "127.0.0.3"
CALLER = "127.0.0.1"


class Clock:
    """Stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((MACHINE, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def udp(address: str, port: int = 0) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((address, port))
        opened.settimeout(5)
        yield opened


@pytest.fixture
def port() -> int:
    """Return a port that is free."""
    return free_port()


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def make(port: int, clock: Clock) -> Iterator[Callable[..., Relay]]:
    """Return what makes a relay of that port, which is closed at the end."""
    made: list[Relay] = []

    def relay(*more: int, most_sessions: int = 8) -> Relay:
        ports = (port, *more)
        made.append(
            Relay(MACHINE, CALLER, ports, listen=GATE, clock=clock, most_sessions=most_sessions)
        )
        return made[-1]

    yield relay
    for one in made:
        one.close()


def test_it_is_handed_on_and_the_answer_back(port: int, make: Callable[..., Relay]) -> None:
    relay = make()
    with udp(MACHINE, port) as machine, udp(CALLER) as one, udp(CALLER) as other:
        for sender, word in ((one, b"one"), (other, b"other"), (one, b"")):
            sender.sendto(word, (GATE, port))
            relay.turn(5)
            said, source = machine.recvfrom(100)
            assert said == word
            machine.sendto(b"to " + said, source)
            relay.turn(5)
            assert sender.recvfrom(100) == (b"to " + word, (GATE, port))
        assert len(relay) == 2


def test_the_largest_datagram_arrives_whole(port: int, make: Callable[..., Relay]) -> None:
    relay = make()
    with udp(MACHINE, port) as machine, udp(CALLER) as sender:
        sender.sendto(b"x" * 65507, (GATE, port))
        relay.turn(5)
        assert len(machine.recv(70000)) == 65507


def test_each_port_leads_to_its_own(make: Callable[..., Relay]) -> None:
    second = free_port()
    relay = make(second)
    with udp(MACHINE, second) as machine, udp(CALLER) as sender:
        sender.sendto(b"x", (GATE, second))
        relay.turn(5)
        assert machine.recv(100) == b"x"


def test_somebody_else_is_not_heard(port: int, make: Callable[..., Relay]) -> None:
    relay = make()
    with udp("127.0.0.9") as stranger:
        stranger.sendto(b"x", (GATE, port))
        relay.turn(5)
    assert len(relay) == 0


def test_a_session_ends_after_silence(port: int, make: Callable[..., Relay], clock: Clock) -> None:
    relay = make()
    with udp(CALLER) as one, udp(CALLER) as other:
        one.sendto(b"x", (GATE, port))
        relay.turn(5)
        clock.now = 100.0
        other.sendto(b"x", (GATE, port))
        relay.turn(5)
        assert len(relay) == 2
        clock.now = 120.0
        relay.turn()
        assert len(relay) == 1
        clock.now = 220.0
        relay.turn()
        assert len(relay) == 0


def test_there_are_so_many_sessions_and_the_longest_silent_makes_room(
    port: int, make: Callable[..., Relay], clock: Clock
) -> None:
    relay = make(most_sessions=2)
    with udp(MACHINE, port) as machine:
        senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        sources = []
        for number in (0, 1, 0, 2):
            clock.now += 1
            senders[number].sendto(b"x", (GATE, port))
            relay.turn(5)
            sources.append(machine.recvfrom(9)[1])
        assert len(relay) == 2
        # The first of them has said something since, and goes on as it was.
        assert sources[0] == sources[2]
        senders[0].sendto(b"x", (GATE, port))
        relay.turn(5)
        assert machine.recvfrom(9)[1] == sources[0]
        for sender in senders:
            sender.close()


def test_a_machine_that_does_not_listen_is_no_end(port: int, make: Callable[..., Relay]) -> None:
    relay = make()
    with udp(CALLER) as sender:
        for _ in range(3):
            sender.sendto(b"x", (GATE, port))
            relay.turn(5)
        relay.turn(1)
        with udp(MACHINE, port) as machine:
            for _ in range(3):
                sender.sendto(b"now", (GATE, port))
                relay.turn(5)
            assert machine.recv(9) == b"now"


def echo(machine: socket.socket, times: int) -> None:
    """Answer with the same, so many times."""
    for _ in range(times):
        word, source = machine.recvfrom(100)
        machine.sendto(word, source)


def test_many_senders_at_once_get_their_own_answers(port: int, clock: Clock) -> None:
    relay = Relay(MACHINE, CALLER, [port], listen=GATE, clock=clock, most_sessions=64)
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            relay.turn(0.05)

    with ExitStack() as stack:
        stack.enter_context(closing(relay))
        machine = stack.enter_context(udp(MACHINE, port))
        pool = stack.enter_context(ThreadPoolExecutor(2))
        stack.callback(done.set)
        senders = [stack.enter_context(udp(CALLER)) for _ in range(20)]
        running = [pool.submit(serve), pool.submit(echo, machine, 200)]
        for turn in range(10):
            words = [f"{turn} {number}".encode() for number in range(20)]
            for sender, word in zip(senders, words, strict=True):
                sender.sendto(word, (GATE, port))
            assert [sender.recv(100) for sender in senders] == words
        done.set()
        for one in running:
            one.result(5)
