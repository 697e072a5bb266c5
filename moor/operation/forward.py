"""A port of this computer that leads to a container's, through SSH.

The tunnel ends at the container's own address, which its machine reaches whether or not a security
group opens anything. A container that is made anew has another address, and a connection may
break: then the tunnel is made anew, too.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moor.failure import CommandError, WrongUseError
from moor.operation import containers, engines, ssh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from moor.operation.containers import Placed
    from moor.session import Session

_HIGHEST: Final = 65535
_LOOK_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 90.0
_READY_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.1
_AGAIN_SECONDS: Final = 1.0
_OPTIONS: Final = (
    *("-N", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"),
    # A machine that is gone answers nothing: without this, ssh would not notice.
    *("-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"),
    # One that is open already ends with whoever opened it.
    *("-o", "ControlPath=none"),
)
_REFUSED: Final = re.compile(r"open failed: (?:connect failed: )?(.*)")
_BRIDGE_OF_A_SWARM: Final = "docker_gwbridge"


@dataclass(frozen=True, slots=True)
class Ports:
    """Which port here leads to which one there.

    Attributes:
        local: The port of this computer; 0 for one that is free.
        remote: The container's port.
    """

    local: int
    remote: int

    @classmethod
    def read(cls, text: str) -> Ports:
        """Read `[LOCAL:]REMOTE`.

        Args:
            text: What was typed.

        Raises:
            WrongUseError: It is not of that form.
        """
        local, _, remote = text.rpartition(":")
        try:
            found = cls(int(local or remote), int(remote))
        except ValueError:
            found = cls(-1, -1)
        if not 0 <= found.local <= _HIGHEST or not 1 <= found.remote <= _HIGHEST:
            raise WrongUseError(
                f"port: must be REMOTE or LOCAL:REMOTE, each 1 to {_HIGHEST}, got {text!r}; "
                "LOCAL may be 0, for one that is free"
            )
        return found


@dataclass(frozen=True, slots=True)
class _Way:
    placed: Placed
    address: str

    @property
    def end(self) -> tuple[str, str]:
        """What tells it from another way: a container says something new of itself each time."""
        return self.placed.id, self.address


def forward(
    session: Session, service: str, ports: Ports, *, node: str | None, say: Callable[[str], None]
) -> None:
    """Keep a port open until somebody ends it.

    Args:
        session: The command.
        service: The service.
        ports: The ports.
        node: The node on which its container must be.
        say: Takes a line for a person.

    Raises:
        WrongUseError: There is no such service.
        CommandError: The port here is taken, or for a while no way leads there.
    """
    local = _free(ports.local)
    ports = Ports(local, ports.remote)
    begin, made, problem = time.monotonic(), 0, ""
    while True:
        try:
            way = _way(session, service, node)
            with _tunnel(session, way, ports, say) as (process, heard):
                if _opens(process, local):
                    made += 1
                    leads = "leads again to" if made > 1 else "leads to"
                    say(f"127.0.0.1:{local} {leads} port {ports.remote} of {way.placed.label}")
                    while _stays(session, service, node, way, process):
                        begin = time.monotonic()
                problem = _said(process, heard)
        except WrongUseError:
            raise
        except CommandError as error:
            problem = str(error)
        if not made or time.monotonic() - begin > _PATIENCE_SECONDS:
            raise CommandError(
                f"service {service}: port {ports.remote} must be reached through SSH, got: "
                f"{problem}"
            )
        say(f"the way is broken ({problem}); making it anew")
        time.sleep(_AGAIN_SECONDS)


def address_of(placed: Placed, container: Mapping[str, Any], bridge: Mapping[str, Any]) -> str:
    """Return where a container is reached from its own machine.

    Args:
        placed: The container.
        container: What the engine tells of it.
        bridge: What the engine tells of a swarm's bridge to the machine; empty without a swarm.

    Raises:
        CommandError: It has no address of its own.
    """
    if str((container.get("HostConfig") or {}).get("NetworkMode", "")) == "host":
        return "127.0.0.1"
    # A network over several machines is none of the machine's own: there is a bridge beside it.
    there = (bridge.get("Containers") or {}).get(placed.id) or {}
    if address := str(there.get("IPv4Address") or "").partition("/")[0]:
        return address
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    for network in networks.values():
        if not bridge and (address := str(network.get("IPAddress") or "")):
            return address
    raise CommandError(
        f"{placed.label}: must have an address that its machine reaches, got none; it is on no "
        "network, or on internal ones alone"
    )


def _way(session: Session, service: str, node: str | None) -> _Way:
    placed = containers.choose(session, service, node=node)
    with engines.engine(session.environment, placed.host) as client:
        api: Any = client.api
        container = api.inspect_container(placed.id)
        bridge = api.inspect_network(_BRIDGE_OF_A_SWARM) if placed.host.private_address else {}
    return _Way(placed, address_of(placed, container, bridge))


@contextlib.contextmanager
def _tunnel(
    session: Session, way: _Way, ports: Ports, say: Callable[[str], None]
) -> Iterator[tuple[subprocess.Popen[str], _Heard]]:
    lead = f"127.0.0.1:{ports.local}:{way.address}:{ports.remote}"
    words = ssh.words(session.environment, way.placed.host, *_OPTIONS, "-L", lead)
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        heard = _Heard(process, f"port {ports.remote} of {way.placed.label}", say)
        heard.start()
        try:
            yield process, heard
        finally:
            process.terminate()
            heard.join()


class _Heard(threading.Thread):
    """What ssh says meanwhile: that a connection was refused there is told at once."""

    def __init__(
        self, process: subprocess.Popen[str], port: str, say: Callable[[str], None]
    ) -> None:
        super().__init__(daemon=True)
        self._process, self._port, self._say = process, port, say
        self.last = ""

    def run(self) -> None:
        """Read until ssh ends."""
        for line in self._process.stderr or ():
            refused = _REFUSED.search(line)
            if refused:
                self._say(f"{self._port}: {refused[1].strip().lower()}")
            elif line.strip():
                self.last = line.strip()


def _opens(process: subprocess.Popen[str], port: int) -> bool:
    """Wait until the tunnel's mouth is open; return whether it is."""
    deadline = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def _stays(
    session: Session,
    service: str,
    node: str | None,
    way: _Way,
    process: subprocess.Popen[str],
) -> bool:
    """Wait a moment, and return whether the tunnel still leads to the service's container."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_LOOK_SECONDS)
        return False
    try:
        return _way(session, service, node).end == way.end
    except CommandError:
        # The engine may be started anew; the tunnel says by itself whether its machine is there.
        return process.poll() is None


def _said(process: subprocess.Popen[str], heard: _Heard) -> str:
    """Return why a tunnel is no more."""
    if process.poll() is None:
        return "the service has another container"
    heard.join(_AGAIN_SECONDS)
    return heard.last or f"ssh ended with status {process.returncode}"


def _free(port: int) -> int:
    """Return a port of this computer that nobody has."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(
                f"port {port}: must be free on this computer, got: {error.strerror}; choose "
                "another one, as LOCAL:REMOTE, or 0 for any"
            ) from None
        return int(trial.getsockname()[1])
