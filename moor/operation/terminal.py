"""A program in a container, and this terminal: what is typed goes there, what it says comes here.

The engine's connection is one socket for both ways. Without a terminal at the other end it carries
frames, which tell output from errors; with one it carries the bytes as they are.

Source: Docker Engine API 1.40, "Attach to a container", "Stream format".
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import socket
import ssl
import struct
import sys
import termios
import tty
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_PIECE: Final = 32768
_SILENCE_SECONDS: Final = 5.0
_HEADER: Final = struct.Struct(">BxxxL")
_ERRORS: Final = 2
"""The stream of errors in a frame's header; 0 and 1 are input and output."""

_WAITS: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError)
"""What a socket raises that has nothing now, and may have later."""


def is_terminal() -> bool:
    """Return whether somebody types here, and sees what is printed."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def size() -> tuple[int, int]:
    """Return how many rows and columns this terminal has."""
    found = shutil.get_terminal_size()
    return found.lines, found.columns


@contextlib.contextmanager
def raw() -> Iterator[None]:
    """Hand each key on as it is typed, Ctrl-C among them, for the length of a block."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextlib.contextmanager
def resizing(resize: Callable[[int, int], None]) -> Iterator[None]:
    """Tell this terminal's size at the beginning, and whenever it changes.

    Args:
        resize: Takes rows and columns.
    """

    def tell(_number: int = 0, _frame: FrameType | None = None) -> None:
        resize(*size())

    before = signal.signal(signal.SIGWINCH, tell)
    try:
        tell()
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def pump(
    connection: socket.socket,
    *,
    frames: bool,
    source: int | None,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Carry bytes both ways until the other end has said all.

    Args:
        connection: The engine's connection; it is closed at the end.
        frames: Whether the other end has no terminal, and sends frames.
        source: The descriptor that is read from here; None where nothing is handed on.
        is_over: Asked after some seconds of silence: whether nothing more can come though the
            connection is open.

    Raises:
        OSError: The connection breaks.
        Exception: Whatever `is_over` raises.
    """
    _Pump(connection, frames=frames, source=source).run(is_over)


class _Pump:
    def __init__(self, connection: socket.socket, *, frames: bool, source: int | None) -> None:
        self._connection, self._frames, self._source = connection, frames, source
        self._to_send = b""
        self._received = b""
        self._selector = selectors.DefaultSelector()
        self._is_file = self._is_over = False

    def run(self, is_over: Callable[[], bool]) -> None:
        """Carry on until the other end has said all."""
        self._connection.settimeout(0)
        self._selector.register(self._connection, selectors.EVENT_READ)
        if self._source is None:
            self._half_close()
        else:
            # A file or /dev/null is always ready, which no selector tells.
            self._is_file = not self._watches(self._source)
        try:
            # What TLS has decrypted already is seen by no selector: it is read until it is empty.
            while self._receive():
                reads = self._is_file and self._source is not None and not self._to_send
                ready = self._selector.select(timeout=0 if reads else _SILENCE_SECONDS)
                reads = reads or any(key.fd == self._source for key, _ in ready)
                if reads and self._source is not None:
                    self._read(self._source)
                if self._to_send:
                    self._send()
                if not ready and not reads and is_over():
                    return
        finally:
            self._selector.close()
            self._connection.close()

    def _watches(self, source: int) -> bool:
        try:
            self._selector.register(source, selectors.EVENT_READ)
        except PermissionError:
            return False
        return True

    def _read(self, source: int) -> None:
        """Read what is typed; while the other end takes none, it waits where it is."""
        if self._to_send:
            return
        self._to_send = os.read(source, _PIECE)
        if not self._to_send:
            if not self._is_file:
                self._selector.unregister(source)
            self._source = None
            self._half_close()

    def _send(self) -> None:
        wanted = selectors.EVENT_READ
        while self._to_send:
            try:
                self._to_send = self._to_send[self._connection.send(self._to_send) :]
            except _WAITS:
                wanted |= selectors.EVENT_WRITE
                break
        self._selector.modify(self._connection, wanted)

    def _half_close(self) -> None:
        """Say that no more is coming, and go on listening."""
        if isinstance(self._connection, ssl.SSLSocket):
            # It sends TLS's notice of the end. That the other end has not ended as well, or has
            # something to say still, are no errors here.
            with contextlib.suppress(*_WAITS, ssl.SSLError):
                self._connection.unwrap()
                self._is_over = True
        else:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)

    def _receive(self) -> bool:
        """Print what has come; return whether more may come."""
        while not self._is_over:
            try:
                data = self._connection.recv(_PIECE)
            except _WAITS:
                return True
            except ssl.SSLError as error:
                # Closed without TLS's notice: an engine does that at the end of a program.
                if "EOF" in str(error):
                    return False
                raise
            if not data:
                return False
            if self._frames:
                self._print_frames(data)
            else:
                _write(sys.stdout.fileno(), data)
        return False

    def _print_frames(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= _HEADER.size:
            stream, length = _HEADER.unpack_from(self._received)
            end = _HEADER.size + length
            if len(self._received) < end:
                return
            target = sys.stderr if stream == _ERRORS else sys.stdout
            _write(target.fileno(), self._received[_HEADER.size : end])
            self._received = self._received[end:]


def _write(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            # Our own output may share the terminal's file with a standard input that does not wait.
            with selectors.DefaultSelector() as selector:
                selector.register(descriptor, selectors.EVENT_WRITE)
                selector.select()
