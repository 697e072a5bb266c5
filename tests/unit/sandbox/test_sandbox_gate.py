"""Gates: which are kept, which are made anew, and what a refusal says."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from docker.errors import APIError

from sandbox.addresses import AddressBook, AddressPool
from sandbox.errors import SandboxError
from sandbox.machines.gate import Gates, Target
from sandbox.names import Owner
from sandbox.ports import OpenPort

PUBLIC = IPv4Address("127.19.0.2")
TAKEN = (
    "driver failed programming external connectivity on endpoint x: Error starting "
    "userland proxy: listen tcp4 127.19.0.2:22: bind: address already in use"
)


class Engine:
    """Stands for an engine, for its client, and for a container: notes what comes and goes."""

    name = "moor-trial-i-1-gate-1"

    def __init__(self, refusal: str = "") -> None:
        self.containers = self.api = self
        self.there: dict[str, list[str]] = {}
        self.published: dict[str, tuple[str, int]] = {}
        self._refusal = refusal

    def create_endpoint_config(self, *, ipv4_address: str) -> str:
        """Return the address, where the SDK makes a structure."""
        return ipv4_address

    def create(self, _image: str, command: list[str], **options: Any) -> Engine:  # noqa: ANN401
        """Note a gate."""
        machine, caller, *ports = command
        assert machine.startswith("172.30.19.")
        assert caller == "172.30.19.1"
        self.there[options["name"]] = ports
        self.published |= options["ports"]
        return self

    def start(self) -> None:
        """Start it, or refuse."""
        if self._refusal:
            raise APIError("refused", explanation=self._refusal)

    @staticmethod
    def logs() -> bytes:
        """Return what a gate says when it listens."""
        return b"ready\n"

    def remove_container(self, name: str, **_: object) -> None:
        """Note that it is gone."""
        del self.there[name]


def gates(engine: Engine) -> Gates:
    return Gates(
        engine,  # type: ignore[arg-type]
        owner=Owner(environment="trial", project="p"),
        image="moor-machine:0",
        network="moor-trial",
        caller=IPv4Address("172.30.19.1"),
        book=AddressBook(
            AddressPool(IPv4Network("172.30.19.0/24"), setting="sandbox.subnet", kept=2)
        ),
        log=lambda _: None,
    )


def opened(*ports: int | str) -> frozenset[OpenPort]:
    """Return ports: 80, or "53/udp"."""
    words = [f"{port}/tcp".split("/")[:2] for port in ports]
    return frozenset(OpenPort(protocol, int(number)) for number, protocol in words)


def target(*ports: int | str, machine: str = "172.30.19.5") -> dict[IPv4Address, Target]:
    return {PUBLIC: Target(machine=IPv4Address(machine), ports=opened(*ports), instance="i-1")}


def test_a_port_more_is_a_gate_more_and_what_was_open_is_left_alone() -> None:
    engine = Engine()
    ours = gates(engine)
    ours.arrange(target(22, 80))
    ours.arrange(target(22, 80, 443))
    assert engine.there == {
        "moor-trial-i-1-gate-1": ["22", "80"],
        "moor-trial-i-1-gate-2": ["443"],
    }
    assert ours.open_ports(PUBLIC) == opened(22, 80, 443)


@pytest.mark.parametrize("wanted", [target(22), target(22, 80, machine="172.30.19.6")])
def test_a_port_less_or_another_machine_is_another_gate(wanted: dict[IPv4Address, Target]) -> None:
    engine = Engine()
    ours = gates(engine)
    ours.arrange(target(22, 80))
    ours.arrange(wanted)
    assert engine.there == {"moor-trial-i-1-gate-2": [str(p) for p in sorted(wanted[PUBLIC].ports)]}


def test_gates_of_several_addresses_come_and_go_together() -> None:
    engine = Engine()
    ours = gates(engine)
    wanted = {
        IPv4Address(f"127.19.0.{number}"): Target(
            machine=IPv4Address(f"172.30.19.{number}"), ports=opened(22, 80), instance=f"i-{number}"
        )
        for number in range(10, 30)
    }
    ours.arrange(wanted)
    # Each has an address and a name of its own.
    senders = {own for t in wanted.values() for own in ours.to(t.machine)}
    assert len(senders) == len(engine.there) == len(wanted)
    ours.arrange({public: replace(t, ports=opened(22)) for public, t in wanted.items()})
    assert list(engine.there.values()) == [["22"]] * len(wanted)
    ours.arrange({})
    assert engine.there == {}


def test_another_instance_at_the_same_address_has_a_gate_of_its_own() -> None:
    engine = Engine()
    ours = gates(engine)
    ours.arrange(target(22))
    (former,) = target(22).values()
    ours.arrange({PUBLIC: replace(former, instance="i-2")})
    assert engine.there == {"moor-trial-i-2-gate-2": ["22"]}


def test_udp_is_a_port_of_its_own() -> None:
    engine = Engine()
    ours = gates(engine)
    ours.arrange(target(53, "53/udp"))
    assert engine.there == {"moor-trial-i-1-gate-1": ["53", "53/udp"]}
    assert engine.published == {
        "53/tcp": (str(PUBLIC), 53),
        "53/udp": (str(PUBLIC), 53),
    }
    ours.arrange(target(53))
    assert engine.there == {"moor-trial-i-1-gate-2": ["53"]}
    assert ours.open_ports(PUBLIC) == opened(53)


def test_what_is_not_wanted_is_closed() -> None:
    engine = Engine()
    ours = gates(engine)
    ours.arrange(target(22))
    ours.arrange({})
    assert engine.there == {}
    assert ours.open_ports(PUBLIC) == frozenset()


def test_a_machine_knows_where_its_gates_send_from() -> None:
    ours = gates(Engine())
    ours.arrange(target(22, 80))
    ours.arrange(target(22, 80, 443))
    assert ours.to(IPv4Address("172.30.19.5")) == {
        IPv4Address("172.30.19.3"): opened(22, 80),
        IPv4Address("172.30.19.4"): opened(443),
    }
    assert ours.to(IPv4Address("172.30.19.6")) == {}


def test_one_that_is_gone_is_made_anew() -> None:
    engine = Engine()
    ours = gates(engine)
    ours.arrange(target(22))
    ours.forget_missing(frozenset())
    ours.arrange(target(22))
    assert engine.there == {"moor-trial-i-1-gate-2": ["22"]}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            TAKEN,
            (
                "127.19.0.2:22: must be free, got a port that another program listens on (perhaps "
                "on all addresses); stop it, or choose another port in the settings"
            ),
        ),
        (
            TAKEN.replace("tcp4", "udp"),
            (
                "127.19.0.2:22: must be free, got a port that another program listens on (perhaps "
                "on all addresses); stop it, or choose another port in the settings"
            ),
        ),
        (
            "cannot assign requested address",
            (
                "sandbox.addresses: must be loopback addresses on which the engine may listen, got "
                "127.19.0.2 and the engine's answer: cannot assign requested address"
            ),
        ),
        ("no space left", "127.19.0.2 ports 22: must open, got no space left"),
    ],
)
def test_a_refusal_says_what_to_change_and_leaves_nothing(answer: str, message: str) -> None:
    engine = Engine(answer)
    ours = gates(engine)
    with pytest.raises(SandboxError) as caught:
        ours.arrange(target(22))
    assert str(caught.value) == message
    assert engine.there == {}
    assert ours.open_ports(PUBLIC) == frozenset()
