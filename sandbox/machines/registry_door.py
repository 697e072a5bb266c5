"""Who may have the registry: machines, and the user of this computer whose sandbox it is.

The registry itself listens on a Unix socket in a folder of ours and is in no network at all. Here
its port is opened for others, and each connection is asked for its origin first: one that comes
from a machine has a machine's address, and one of this computer belongs to a user, whom the
kernel knows. No password is needed then, which each program would have to be told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sandbox.addresses import gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SOCKET: Final = "registry.sock"
"""The registry's socket, in the folder that its container shares with us."""

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MAPPED: Final = "".join(
    f"{int.from_bytes(word, sys.byteorder):08X}" for word in (bytes(4), bytes(4), b"\0\0\xff\xff")
)
"""What stands before an IPv4 address in the table of IPv6."""

_OVER: Final = frozenset({"06", "07", "08", "09"})
"""TIME_WAIT, CLOSE, CLOSE_WAIT and LAST_ACK: our end is closed."""

_BLOCK: Final = 65536

_LOOKS: Final = 40
_LOOK_SECONDS: Final = 0.05

Endpoint = tuple[str, int]
"""An IPv4 address and a TCP port."""


def user_behind(
    peer: Endpoint,
    here: Endpoint,
    *,
    masked: IPv4Address | None = None,
    tables: Sequence[Path] = _TABLES,
) -> int | None:
    """Return the id of the user of this computer who has the other end of a connection.

    Args:
        peer: The other end.
        here: This end.
        masked: An address of this computer from which connections may come under another one of
            its addresses: an engine's firewall masks what is sent from its network and does not
            leave through its bridge, and that is what the gateway sends to itself.
        tables: The kernel's lists of connections.

    Returns:
        The user's id; None where the other end is not here, or no program has it any more: the
        kernel may list that one as root's.

    Source: the kernel's Documentation/networking/proc_net_tcp.rst.
    """
    found = list(_connections_to(here, tables))
    for connection in found:
        if connection.address == _spelled_address(peer[0]) and connection.port == peer[1]:
            return connection.user
    if masked is None or not _is_local(peer[0]):
        return None
    # The port alone could be another user's, which the firewall has changed: all that the address
    # has under way has to be one user's then.
    hidden = [c for c in found if c.address == _spelled_address(str(masked)) and not c.over]
    users = {c.user for c in hidden}
    same_port = any(c.port == peer[1] for c in hidden)
    return users.pop() if same_port and len(users) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Connection:
    """A line of the kernel's list, of an end that connects to us.

    Attributes:
        address: As the list spells it.
        port: TCP port.
        user: The user's id; None where no program has it.
        over: Whether our end is closed already.
    """

    address: str
    port: int
    user: int | None
    over: bool


def _connections_to(here: Endpoint, tables: Sequence[Path]) -> Iterator[_Connection]:
    ours = f"{_spelled_address(here[0])}:{here[1]:04X}"
    for table in tables:
        with contextlib.suppress(OSError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                _, local, remote, state, _, _, _, user, _, inode, *_ = line.split()
                if remote.removeprefix(_MAPPED) == ours:
                    address, _, port = local.removeprefix(_MAPPED).partition(":")
                    yield _Connection(
                        address=address,
                        port=int(port, 16),
                        user=None if inode == "0" else int(user),
                        over=state in _OVER,
                    )


def _is_local(address: str) -> bool:
    """Tell whether an address is one of this computer's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _spelled_address(address: str) -> str:
    """Return an address as the kernel's list spells it."""
    return f"{int.from_bytes(IPv4Address(address).packed, sys.byteorder):08X}"


class RegistryDoor:
    """Hands connections on to the registry, from those who may have it.

    Args:
        folder: Where the registry's socket is.
        listeners: Bound sockets, which are closed with the door.
        subnet: The machines' network. Its gateway is this computer.
        log: Takes one line.
        tables: The kernel's lists of connections.
    """

    def __init__(
        self,
        folder: Path,
        listeners: Sequence[socket.socket],
        *,
        subnet: IPv4Network,
        log: Callable[[str], None],
        tables: Sequence[Path] = _TABLES,
    ) -> None:
        self._folder = folder
        self._listeners = listeners
        self._subnet = subnet
        self._log = log
        self._tables = tables
        self._refused: set[str] = set()
        # Root needs no registry to do what it likes here, and an engine is root.
        self._users = frozenset({os.geteuid(), 0})

    def open(self) -> None:
        """Serve from now on, in a thread that ends with the process."""
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()

    async def may_enter(self, peer: Endpoint, here: Endpoint) -> bool:
        """Tell whether a connection comes from somebody who may have the registry.

        Where it cannot be told whose it is, we look again for two seconds: the connection before
        this one, which its program has closed and we have not, belongs to nobody for a moment.

        Args:
            peer: The other end.
            here: This end.
        """
        address = IPv4Address(peer[0])
        if address in self._subnet and address != gateway(self._subnet):
            return True
        masked = gateway(self._subnet)
        for _ in range(_LOOKS):
            user = user_behind(peer, here, masked=masked, tables=self._tables)
            if user is not None or not _is_local(peer[0]):
                break
            await asyncio.sleep(_LOOK_SECONDS)
        if user in self._users:
            return True
        whom = str(address) if user is None else f"user {user}"
        if whom not in self._refused:
            # Once: else whoever is refused could fill the disk with lines.
            self._refused.add(whom)
            self._log(f"registry: refused {whom}")
        return False

    async def _serve(self) -> None:
        servers = [
            await asyncio.start_server(self._hand_on, sock=listener) for listener in self._listeners
        ]
        await asyncio.gather(*(server.serve_forever() for server in servers))

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here, peer = (writer.get_extra_info(name) for name in ("sockname", "peername"))
        with contextlib.closing(writer):
            if not await self.may_enter(peer, here):
                return
            try:
                answers, registry = await self._registry()
            except OSError as error:
                self._log(f"registry: must answer, got: {error.strerror}")
                return
            with contextlib.closing(registry):
                await asyncio.gather(_copy(reader, registry), _copy(answers, writer))

    async def _registry(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # Through the folder's descriptor: a Unix socket's path may have 107 bytes only.
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{SOCKET}")
        finally:
            os.close(folder)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy what one side says to the other one, and say so when it ends."""
    with contextlib.suppress(OSError):
        while block := await reader.read(_BLOCK):
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def listeners(addresses: Sequence[IPv4Address], port: int) -> list[socket.socket]:
    """Return sockets that are bound to a port of each address.

    Raises:
        OSError: One is taken; none is left open.
    """
    made: list[socket.socket] = []
    try:
        for address in addresses:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            made.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((str(address), port))
    except OSError:
        for listener in made:
            listener.close()
        raise
    return made
