"""What is typed goes there and what is said comes here, over real sockets, plain and with TLS."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING

import pytest

from constructs_lib.identity.certificate_authority import CertificateAuthority
from moor.operation import terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 3_000_000


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data


def plain(_tmp_path: Path) -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def with_tls(tmp_path: Path) -> tuple[socket.socket, socket.socket]:
    authority = CertificateAuthority.create("trial")
    issued = authority.issue_server(["192.0.2.7"])
    (tmp_path / "cert.pem").write_bytes(issued.certificate_pem)
    (tmp_path / "key.pem").write_bytes(issued.private_key_pem)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname = False
    ours.verify_mode = ssl.CERT_NONE
    one, other = socket.socketpair()
    made: list[socket.socket] = []
    thread = threading.Thread(
        target=lambda: made.append(theirs.wrap_socket(other, server_side=True))
    )
    thread.start()
    client = ours.wrap_socket(one)
    thread.join()
    return client, made[0]


def pumped(
    connection: socket.socket,
    other_end: Callable[[], None],
    *,
    frames: bool = True,
    source: int | None = None,
) -> None:
    thread = threading.Thread(target=other_end)
    thread.start()
    try:
        terminal.pump(connection, frames=frames, source=source)
    finally:
        thread.join()


@pytest.mark.parametrize("pair", [plain, with_tls])
def test_frames_tell_output_from_errors_however_they_are_cut(
    pair: Callable[[Path], tuple[socket.socket, socket.socket]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ours, theirs = pair(tmp_path)
    sent = frame(1, b"out\n") + frame(2, b"err\n") + frame(1, b"more\n")

    def speak() -> None:
        with theirs:
            for number in range(len(sent)):
                theirs.sendall(sent[number : number + 1])

    pumped(ours, speak)
    assert capfd.readouterr() == ("out\nmore\n", "err\n")


@pytest.mark.parametrize("pair", [plain, with_tls])
def test_much_goes_both_ways_and_the_end_is_heard(
    pair: Callable[[Path], tuple[socket.socket, socket.socket]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ours, theirs = pair(tmp_path)
    file = tmp_path / "input"
    file.write_bytes(b"0123456789" * (SIZE // 10))
    got = 0

    def echo() -> None:
        # It says as much as it hears, and ends when the other side has said all.
        nonlocal got
        with theirs:
            while data := theirs.recv(65536):
                got += len(data)
                theirs.sendall(frame(1, data))
            theirs.sendall(frame(1, b"end"))

    with file.open("rb") as opened:
        pumped(ours, echo, source=opened.fileno())
    assert got == SIZE
    assert capfd.readouterr().out == "0123456789" * (SIZE // 10) + "end"


def test_what_is_piped_in_is_handed_on_as_it_comes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = with_tls(tmp_path)
    read, write = os.pipe()

    def answer() -> None:
        with theirs:
            os.write(write, b"first\n")
            assert theirs.recv(100) == b"first\n"
            theirs.sendall(b"second\n")
            os.close(write)
            assert theirs.recv(100) == b""

    pumped(ours, answer, frames=False, source=read)
    os.close(read)
    assert capfd.readouterr().out == "second\n"


def test_an_end_that_nobody_tells_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "_SILENCE_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    answers = iter([False, True])
    theirs.sendall(b"all")
    with theirs:
        terminal.pump(ours, frames=False, source=None, is_over=lambda: next(answers))
    assert capfd.readouterr().out == "all"
