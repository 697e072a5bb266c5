"""Gates: what stands between a public address and a machine.

A gate is a small container that publishes ports on a public address and hands their connections
and datagrams on to a machine. It is separate from the machine so that security groups and
addresses can change while the machine runs. Ports that were opened together share a gate;
opening another makes another gate, so that connections through the first are not cut.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from docker.errors import APIError, NotFound

from sandbox.at_once import at_once
from sandbox.errors import ENGINE_ERRORS, SandboxError
from sandbox.names import Role
from sandbox.options import UNLESS_STOPPED, limited_log
from sandbox.ports import OpenPort

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from ipaddress import IPv4Address

    from docker import DockerClient
    from docker.models.containers import Container

    from sandbox.addresses import AddressBook
    from sandbox.names import Owner

_READY: Final = b"ready"
_READY_TIMEOUT: Final = 15.0
_TAKEN: Final = re.compile(
    r"(?:listen (?:tcp|udp)4?|Bind for) ([0-9.]+):(\d+).*(?:in use|allocated)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a public address leads.

    Attributes:
        machine: The machine's address on the sandbox's network.
        ports: The ports that are open.
        instance: The instance's id.
    """

    machine: IPv4Address
    ports: frozenset[OpenPort]
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gate:
    container: str
    own: IPv4Address
    public: IPv4Address
    target: Target


class Gates:
    """The gates of one sandbox.

    Args:
        client: The engine.
        owner: Whose they are.
        image: The machine image: it has what a gate runs.
        network: The name of the sandbox's network.
        caller: Where connections from this computer come from on it.
        book: Addresses on that network.
        log: Takes one line.
    """

    def __init__(
        self,
        client: DockerClient,
        *,
        owner: Owner,
        image: str,
        network: str,
        caller: IPv4Address,
        book: AddressBook,
        log: Callable[[str], None],
    ) -> None:
        self._client = client
        self._owner = owner
        self._image = image
        self._network = network
        self._caller = caller
        self._book = book
        self._log = log
        self._gates: list[_Gate] = []
        self._count = 0
        # Gates come and go side by side, in threads of `arrange` alone.
        self._lock = threading.Lock()

    def open_ports(self, public: IPv4Address) -> frozenset[OpenPort]:
        """Return the ports that are open on a public address now."""
        opened = (gate.target.ports for gate in self._gates if gate.public == public)
        return frozenset[OpenPort]().union(*opened)

    def to(self, machine: IPv4Address) -> dict[IPv4Address, frozenset[OpenPort]]:
        """Return a machine's gates: where they send from, and to which ports."""
        return {g.own: g.target.ports for g in self._gates if g.target.machine == machine}

    def arrange(self, wanted: Mapping[IPv4Address, Target]) -> None:
        """Open exactly what is wanted; touch nothing that is right already.

        Args:
            wanted: Where each public address leads.

        Raises:
            SandboxError: A port is taken by someone else, or the engine refused.
        """
        at_once(self._remove, [g for g in self._gates if not _is_right(g, wanted.get(g.public))])
        missing = {
            public: replace(target, ports=target.ports - self.open_ports(public))
            for public, target in wanted.items()
        }
        at_once(
            lambda place: self._create(*place),
            [(public, target) for public, target in missing.items() if target.ports],
        )

    def forget_missing(self, names: frozenset[str]) -> None:
        """Drop gates whose container is gone, so that `arrange` makes them anew.

        Args:
            names: The containers that run.
        """
        at_once(self._remove, [gate for gate in self._gates if gate.container not in names])

    def _create(self, public: IPv4Address, target: Target) -> None:
        with self._lock:
            self._count += 1
            name = self._owner.name(target.instance, "gate", str(self._count))
            own = self._book.take()
        ports = sorted(target.ports)
        command = [str(target.machine), str(self._caller), *map(str, ports)]
        try:
            container = self._client.containers.create(
                self._image,
                command,
                name=name,
                entrypoint=["/usr/lib/moor/gate"],
                labels=self._owner.labels(Role.GATE, instance=target.instance),
                ports={f"{p.number}/{p.protocol}": (str(public), p.number) for p in ports},
                network=self._network,
                networking_config={
                    self._network: self._client.api.create_endpoint_config(ipv4_address=str(own))
                },
                # Low ports are all that a gate needs beyond an ordinary process.
                cap_drop=["ALL"],
                cap_add=["NET_BIND_SERVICE"],
                security_opt=["no-new-privileges"],
                stop_signal="SIGTERM",
                restart_policy=UNLESS_STOPPED,
                log_config=limited_log("1m"),
            )
        except ENGINE_ERRORS as error:
            with self._lock:
                self._book.give_back(own)
            msg = f"sandbox gate {name}: must be created, got {error}"
            raise SandboxError(msg) from error
        gate = _Gate(container=name, own=own, public=public, target=target)
        try:
            container.start()
            self._wait(container)
        except (SandboxError, *ENGINE_ERRORS) as error:
            self._gates.append(gate)
            self._remove(gate)
            raise SandboxError(_explain(public, ports, error)) from error
        self._gates.append(gate)
        self._log(f"opened {public} ports {', '.join(map(str, ports))} to {target.instance}")

    def _wait(self, container: Container) -> None:
        """Wait until the gate listens: before, the engine would accept and then hang up."""
        deadline = time.monotonic() + _READY_TIMEOUT
        while time.monotonic() < deadline:
            if _READY in container.logs():
                return
            time.sleep(0.03)
        msg = f"sandbox gate {container.name}: must listen within {_READY_TIMEOUT:.0f} s"
        raise SandboxError(msg)

    def _remove(self, gate: _Gate) -> None:
        with self._lock:
            self._gates.remove(gate)
            self._book.give_back(gate.own)
        with contextlib.suppress(NotFound):
            self._client.api.remove_container(gate.container, force=True, v=True)
        ports = ", ".join(map(str, sorted(gate.target.ports)))
        self._log(f"closed {gate.public} ports {ports}")


def _is_right(gate: _Gate, target: Target | None) -> bool:
    """Return whether a gate leads where its public address is to lead, and lets no more through."""
    return (
        target is not None
        # Another instance may have the former one's interface, and so its address.
        and target.machine == gate.target.machine
        and target.instance == gate.target.instance
        and gate.target.ports <= target.ports
    )


def _explain(public: IPv4Address, ports: list[OpenPort], error: Exception) -> str:
    """Turn an engine's refusal into an error that says what to change."""
    text = str(error.explanation or error) if isinstance(error, APIError) else str(error)
    if found := _TAKEN.search(text):
        port = int(found[2])
        return (
            f"{found[1]}:{port}: must be free, got a port that another program listens on "
            f"(perhaps on all addresses); stop it, or choose another port in the settings"
        )
    if "cannot assign requested address" in text or "permission denied" in text:
        return (
            f"sandbox.addresses: must be loopback addresses on which the engine may listen, got "
            f"{public} and the engine's answer: {text}"
        )
    return f"{public} ports {', '.join(map(str, ports))}: must open, got {text}"
