"""The registry's door: whom it lets in, and what it hands on."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest

from sandbox.machines.registry_door import SOCKET, RegistryDoor, listeners, user_behind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = IPv4Address("127.0.0.1")
SUBNET = IPv4Network("172.30.19.0/24")
NOBODY = 65534

ASK = """
import os, socket, sys
if user := int(sys.argv[2]):
    # Here, as that user may not even start the interpreter of this one.
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
with socket.socket() as connection:
    connection.connect(("127.0.0.1", int(sys.argv[1])))
    connection.sendall(b"hello")
    if len(sys.argv) > 3:
        connection.close()
    else:
        connection.shutdown(socket.SHUT_WR)
        print(connection.recv(99).decode())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a socket on which a registry answers with what it was told."""
    # Deeper than the path of a Unix socket may be.
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    (tmp_path / "s").symlink_to(folder)
    with socket.socket(socket.AF_UNIX) as registry:
        registry.bind(str(tmp_path / "s" / SOCKET))
        registry.listen()

        def answer() -> None:
            while True:
                try:
                    connection, _ = registry.accept()
                except OSError:
                    return
                with connection:
                    said = b""
                    while block := connection.recv(99):
                        said += block
                    connection.sendall(b"told " + said)

        thread = threading.Thread(target=answer)
        thread.start()
        yield folder
        registry.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def door(folder: Path) -> tuple[RegistryDoor, int, list[str]]:
    (listener,) = listeners([HERE], 0)
    log: list[str] = []
    door = RegistryDoor(folder, [listener], subnet=SUBNET, log=log.append)
    door.open()
    return door, listener.getsockname()[1], log


def ask(port: int, *more: str, user: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ASK, str(port), str(user), *more],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
    )
    return done.stdout.strip()


def test_its_owner_is_let_in(door: tuple[RegistryDoor, int, list[str]]) -> None:
    _, port, log = door
    assert ask(port) == "told hello"
    assert log == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("closed", [(), ("closed",)])
def test_another_user_is_not_even_where_his_program_has_hung_up(
    door: tuple[RegistryDoor, int, list[str]], closed: tuple[str, ...]
) -> None:
    _, port, log = door
    assert ask(port, *closed, user=NOBODY) == ""
    assert ask(port, *closed, user=NOBODY) == ""
    deadline = time.monotonic() + 5
    while not log and time.monotonic() < deadline:
        time.sleep(0.02)
    assert log[0] in {f"registry: refused user {NOBODY}", "registry: refused 127.0.0.1"}


def test_machines_are_let_in_and_their_gateway_is_this_computer(
    door: tuple[RegistryDoor, int, list[str]],
) -> None:
    ours, _, log = door
    here = ("172.30.19.1", 5019)
    assert asyncio.run(ours.may_enter(("172.30.19.5", 40000), here))
    for stranger in ("172.30.19.1", "172.30.20.5", "203.0.113.5"):
        assert not asyncio.run(ours.may_enter((stranger, 40000), here))
    assert log == [f"registry: refused {a}" for a in ("172.30.19.1", "172.30.20.5", "203.0.113.5")]


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 0100007F:139B {state} 00000000:00000000 00:00000000 00000000 {user} 0 {inode} 1
"""


@pytest.mark.skipif(
    sys.byteorder != "little", reason="the table is spelled as this computer counts"
)
@pytest.mark.parametrize(
    ("state", "user", "inode", "expected"),
    [
        ("01", 1000, 4711, 1000),
        ("01", 0, 4711, 0),
        # Closed by its program, it is listed as root's.
        ("01", 0, 0, None),
        ("04", 0, 0, None),
        ("06", 0, 0, None),
        # Only its own half is closed: the program still waits for the answer.
        ("05", 1000, 4711, 1000),
    ],
)
def test_a_connection_that_is_nobodys_any_more_is_not_roots(
    tmp_path: Path, state: str, user: int, inode: int, expected: int | None
) -> None:
    table = tmp_path / "tcp"
    table.write_text(TABLE.format(state=state, user=user, inode=inode))
    ends = ("127.0.0.1", 40000), ("127.0.0.1", 5019)
    assert user_behind(*ends, tables=[tmp_path / "none", table]) == expected
    mapped = table.read_text().replace("0100007F", "0000000000000000FFFF00000100007F")
    table.write_text(mapped)
    assert user_behind(*ends, tables=[table]) == expected
    assert user_behind(("127.0.0.1", 40001), ends[1], tables=[table]) is None


def line(local: str, port: int, user: int, *, state: str = "01", inode: int = 4711) -> str:
    """Return a connection from one address of this computer to 127.0.0.9:5019."""
    spelled = f"{int.from_bytes(IPv4Address(local).packed, sys.byteorder):08X}:{port:04X}"
    here = f"{int.from_bytes(IPv4Address('127.0.0.9').packed, sys.byteorder):08X}:139B"
    return f"0: {spelled} {here} {state} 0:0 00:0 0 {user} 0 {inode} 1\n"


OWNER, STRANGER = 1000, 65534
GATEWAY = "127.0.0.8"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # The firewall masks the gateway's address by another one of this computer's.
        ([line(GATEWAY, 40000, OWNER)], OWNER),
        ([line(GATEWAY, 40000, STRANGER)], STRANGER),
        ([line(GATEWAY, 40001, OWNER)], None),
        ([line("127.0.0.7", 40000, OWNER)], None),
        # It may have changed a stranger's port to the owner's.
        ([line(GATEWAY, 40000, OWNER), line(GATEWAY, 40001, STRANGER)], None),
        ([line(GATEWAY, 40000, OWNER), line(GATEWAY, 40001, 0, inode=0)], None),
        # Not that of one which has been refused: nobody can lock the owner out by holding it.
        ([line(GATEWAY, 40000, OWNER), line(GATEWAY, 40001, STRANGER, state="08")], OWNER),
        # Whoever has exactly that address and port is the one.
        ([line(GATEWAY, 40000, OWNER), line("127.0.0.1", 40000, STRANGER)], STRANGER),
    ],
)
def test_a_masked_connection_is_its_users_where_there_is_no_doubt(
    tmp_path: Path, lines: list[str], expected: int | None
) -> None:
    table = tmp_path / "tcp"
    table.write_text("sl local_address ...\n" + "".join(lines))
    here, masked = ("127.0.0.9", 5019), IPv4Address(GATEWAY)
    assert user_behind(("127.0.0.1", 40000), here, masked=masked, tables=[table]) == expected
    # Another computer's address is nobody's here.
    assert user_behind(("192.0.2.77", 40000), here, masked=masked, tables=[table]) is None


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_connection_that_its_program_has_just_closed_keeps_the_next_one_waiting(
    tmp_path: Path, *, is_closed: bool
) -> None:
    """Whoever asks twice in a row comes while the end of the first is still listed, as nobody's."""
    subnet = IPv4Network("127.0.0.8/31")
    asked = line("127.0.0.9", 40000, os.geteuid())
    table = tmp_path / "tcp"
    table.write_text("sl ...\n" + asked + line("127.0.0.9", 40001, 0, state="05", inode=0))
    log: list[str] = []
    ours = RegistryDoor(tmp_path, [], subnet=subnet, log=log.append, tables=[table])

    async def looked() -> bool:
        answer = asyncio.create_task(ours.may_enter(("127.0.0.1", 40000), ("127.0.0.9", 5019)))
        await asyncio.sleep(0)
        assert not answer.done()
        if is_closed:
            table.write_text("sl ...\n" + asked)
        return await answer

    assert asyncio.run(looked()) == is_closed
    assert log == ([] if is_closed else ["registry: refused 127.0.0.1"])


def test_a_taken_port_leaves_none_open() -> None:
    (taken,) = listeners([HERE], 0)
    taken.listen()
    port = taken.getsockname()[1]
    other = IPv4Address("127.0.0.2")
    with pytest.raises(OSError, match="in use"):
        listeners([other, HERE], port)
    (free,) = listeners([other], port)
    free.close()
    taken.close()
