"""The instance metadata service of the sandbox's network, at 169.254.169.254.

This file runs in a small container of its own. It tells each machine about itself and about no
other one: who asks is known by the address that the request comes from. The emulator puts a file
for each machine into the folder.

Tokens (IMDSv2) are as on EC2: a session begins with PUT /latest/api/token, and the answer's packets
live for as many hops as the instance's options say, so that with one hop a container on the
machine's inner bridge never sees it.

Source: Amazon EC2 User Guide, "Use the Instance Metadata Service to access instance metadata".
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import signal
import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

ADDRESS: Final = "169.254.169.254"
PORT: Final = 80

_TOKEN_PATH: Final = "/latest/api/token"  # noqa: S105  # a path
_TOKEN: Final = "X-aws-ec2-metadata-token"  # noqa: S105  # a header's name
_SECONDS: Final = f"{_TOKEN}-ttl-seconds"
_LONGEST: Final = 21600
_VERSION: Final = re.compile(r"latest|\d{4}-\d{2}-\d{2}|1\.0")
_READ_ATTEMPTS: Final = 10


class MetadataServer(ThreadingHTTPServer):
    """Serves the machines whose files are in a folder.

    Args:
        address: Where to listen.
        folder: Has `ADDRESS.json` for each machine.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], folder: Path) -> None:
        self.folder = folder
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def record(self, client: str) -> dict[str, Any] | None:
        """Return what is known about the machine that asks; None where it is none of ours."""
        file = self.folder / f"{client}.json"
        for _ in range(_READ_ATTEMPTS):
            try:
                found: dict[str, Any] = json.loads(file.read_text())
            except FileNotFoundError:
                return None
            except ValueError:
                # It is just being written.
                time.sleep(0.02)
            else:
                return found
        return None

    def new_token(self, client: str, seconds: int) -> str:
        """Return a new token of a machine."""
        token = secrets.token_urlsafe(42)
        now = time.monotonic()
        with self._lock:
            self._tokens = {t: v for t, v in self._tokens.items() if v[1] > now}
            self._tokens[token] = (client, now + seconds)
        return token

    def is_valid(self, client: str, token: str) -> bool:
        """Tell whether a token is this machine's, and has not expired."""
        owner, until = self._tokens.get(token, ("", 0.0))
        return owner == client and time.monotonic() < until


class _Handler(BaseHTTPRequestHandler):
    server: MetadataServer
    server_version = "EC2ws"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_PUT(self) -> None:  # as http.server names it
        """Hand out a token."""
        record = self._record()
        if record is None:
            return
        seconds = self.headers.get(_SECONDS, "")
        if self.path != _TOKEN_PATH:
            self._answer(HTTPStatus.NOT_FOUND)
        elif "X-Forwarded-For" in self.headers:
            self._answer(HTTPStatus.FORBIDDEN)
        elif not re.fullmatch(r"\d{1,5}", seconds) or not 1 <= int(seconds) <= _LONGEST:
            self._answer(HTTPStatus.BAD_REQUEST)
        else:
            # Only this answer's packets are short-lived, as on EC2.
            self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(record["hop_limit"]))
            token = self.server.new_token(self.client_address[0], int(seconds))
            self._answer(HTTPStatus.OK, token.encode(), {_SECONDS: seconds})
            self.close_connection = True

    def do_GET(self) -> None:  # as http.server names it
        """Tell the machine about itself."""
        record = self._record()
        if record is None:
            return
        token = self.headers.get(_TOKEN)
        if token is None:
            may = record["tokens"] != "required"
        else:
            may = self.server.is_valid(self.client_address[0], token)
        if not may:
            self._answer(HTTPStatus.UNAUTHORIZED)
        else:
            found = _lookup(record, self.path.partition("?")[0])
            if found is None:
                self._answer(HTTPStatus.NOT_FOUND)
            else:
                self._answer(HTTPStatus.OK, found)

    def _record(self) -> dict[str, Any] | None:
        record = self.server.record(self.client_address[0])
        if record is None:
            self._answer(HTTPStatus.NOT_FOUND)
        return record

    def _answer(
        self, status: HTTPStatus, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: paths would fill the log, and tell nobody anything."""


def _lookup(record: dict[str, Any], path: str) -> bytes | None:
    """Return what is at a path; of a folder the names in it."""
    words = [word for word in path.split("/") if word]
    if not words or not _VERSION.fullmatch(words[0]):
        return None if words else b"latest"
    user_data = record["user_data"]
    tree: dict[str, Any] = {
        "dynamic": record["dynamic"],
        "meta-data": record["meta_data"],
        **({"user-data": base64.b64decode(user_data)} if user_data is not None else {}),
    }
    found: Any = tree
    for word in words[1:]:
        if not isinstance(found, dict) or word not in found:
            return None
        found = found[word]
    if not isinstance(found, dict):
        return found if isinstance(found, bytes) else str(found).encode()
    if words[1:] == ["meta-data", "public-keys"]:
        return "\n".join(f"{number}={name}" for number, name in record["key_names"]).encode()
    folders = (f"{k}/" if isinstance(v, dict) and len(words) > 1 else k for k, v in found.items())
    return "\n".join(folders).encode()


def main(folder: str) -> int:
    """Serve until told to stop."""
    server = MetadataServer((ADDRESS, PORT), Path(folder))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)  # noqa: T201  # what the emulator waits for
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
