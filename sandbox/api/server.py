"""The emulator's process: the AWS API on a loopback port.

moto serves EC2, STS, IAM and S3 on the one port. Beside them stand two addresses of the
sandbox's own: `GET /moor-sandbox` tells what runs, and `POST /moor-sandbox/reconcile` makes
the books agree with the engine first. Every request has to be signed with the sandbox's key.
"""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.files.private_file import write_private
from sandbox.api.answers import Answers
from sandbox.api.books import issued_secret
from sandbox.api.emulator import Emulator
from sandbox.api.permissions import Permissions
from sandbox.api.signature import Gatekeeper, Secret
from sandbox.credentials import Credentials
from sandbox.errors import ENGINE_ERRORS, SandboxError
from sandbox.machines.registry import FOLDER, addresses
from sandbox.machines.registry_door import RegistryDoor, listeners
from sandbox.parameters import HOST, Parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from wsgiref.types import InputStream, StartResponse, WSGIEnvironment

    from sandbox.api.signature import Refusal

ROUTE: Final = "/moor-sandbox"
RECONCILE: Final = f"{ROUTE}/reconcile"

FLATCAR_OWNER: Final = "075585003325"
FLATCAR_NAME: Final = "Flatcar-stable-4459.2.1-hvm"

_AMIS: Final = {
    "x86_64": "ami-0f1a7ca4f1a7ca001",
    "arm64": "ami-0f1a7ca4f1a7ca002",
}


def amis() -> list[dict[str, object]]:
    """Return the machine images that the emulated API knows, in moto's form."""
    return [
        {
            "ami_id": ami,
            "name": FLATCAR_NAME,
            "description": f"Flatcar Container Linux stable ({architecture}), emulated",
            "owner_id": FLATCAR_OWNER,
            "public": True,
            "virtualization_type": "hvm",
            "architecture": architecture,
            "state": "available",
            "creation_date": "2025-11-12T00:00:00.000Z",
            "platform": None,
            "image_type": "machine",
            "hypervisor": "xen",
            "root_device_name": "/dev/xvda",
            "root_device_type": "ebs",
            "sriov": "simple",
        }
        for architecture, ami in _AMIS.items()
    ]


def serve(directory: Path) -> int:
    """Serve until told to stop.

    Args:
        directory: Holds `parameters.json` and `credentials`; moto's images are written beside
            them.

    Returns:
        The exit status.
    """
    parameters = Parameters.read(directory / "parameters.json")
    if parameters is None:
        _log(f"{directory / 'parameters.json'}: must be readable; start the sandbox with make up")
        return 1
    credentials = Credentials.read(directory / "credentials")
    if credentials is None:
        _log(f"{directory / 'credentials'}: must be readable; start the sandbox with make up")
        return 1
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, parameters.api_port))
    except OSError as error:
        _log(f"sandbox.api_port: must be free on {HOST}, got {parameters.api_port} ({error})")
        return 1
    listener.listen(128)
    images = directory / "amis.json"
    write_private(images, json.dumps(amis()).encode())
    # moto reads these when it is imported, which is therefore late.
    os.environ |= {
        "MOTO_AMIS_PATH": str(images),
        "MOTO_ENABLE_AMI_VALIDATION": "true",
        "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
        "MOTO_DISABLE_GLOBAL_CORS": "true",
        "MOTO_PORT": str(parameters.api_port),
    }
    emulator = Emulator(parameters, _log, directory)
    emulator.install()
    try:
        doors = listeners(addresses(parameters), parameters.registry_port)
    except OSError as error:
        port = parameters.registry_port
        _log(f"sandbox.registry_port: must be free, got {port} ({error})")
        return 1
    RegistryDoor(directory / FOLDER, doors, subnet=parameters.subnet, log=_log).open()
    _serve(listener, emulator, Gatekeeper(parameters.api_port, keys(credentials)))
    return 0


def keys(credentials: Credentials) -> Callable[[str], Secret | None]:
    """Return what knows the keys that may ask: the sandbox's own, and those it issued itself.

    Args:
        credentials: The sandbox's own key. Only its owner can make users and roles.
    """

    def secret_of(access_key: str) -> Secret | None:
        if access_key == credentials.access_key:
            return Secret(key=credentials.secret_key)
        return issued_secret(access_key)

    return secret_of


def _serve(listener: socket.socket, emulator: Emulator, gatekeeper: Gatekeeper) -> None:
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415  # reads the environment
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415

    # A line for each request would fill the log; errors reach the caller.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    host, port = listener.getsockname()
    server = make_server(
        host,
        port,
        Application(emulator, DomainDispatcherApplication(create_backend_app), gatekeeper, _log),
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=listener.fileno(),
    )

    def stop(_number: int, _frame: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    _log(f"serving on http://{host}:{port}, generation {emulator.generation}")
    server.serve_forever()
    _log("stopped")


class Application:
    """The WSGI application: the sandbox's own addresses, and moto for the rest.

    Args:
        emulator: What runs.
        moto: moto's application.
        gatekeeper: Who is let in.
        log: Takes one line.
    """

    def __init__(
        self,
        emulator: Emulator,
        moto: Callable[..., Iterable[bytes]],
        gatekeeper: Gatekeeper,
        log: Callable[[str], None],
    ) -> None:
        self._emulator = emulator
        self._answers = Answers(moto, log)
        self._gatekeeper = gatekeeper
        self._permissions = Permissions()
        self._refused: set[str] = set()
        self._log = log

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if not self._gatekeeper.is_for_us(environ):
            # As a web page would ask, from its own name or from one that it points here.
            return _answer(start_response, "403 Forbidden", {"error": "not for browsers"})
        if (refusal := self._gatekeeper.refuse_unknown(environ)) is not None:
            return self._refuse(start_response, refusal)
        # Read before the turn, so that a slow caller holds nobody up.
        body = _body(environ)
        if (refusal := self._gatekeeper.refuse_unsigned(environ, body)) is not None:
            return self._refuse(start_response, refusal)
        return self._obey(environ, body, start_response)

    def _obey(
        self, environ: WSGIEnvironment, body: bytes, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request of somebody who has the key."""
        path = environ.get("PATH_INFO", "")
        method = environ.get("REQUEST_METHOD", "")
        if path.startswith("/moto-api"):
            # Would forget all resources while their machines run on.
            return _answer(start_response, "404 Not Found", {"error": "not offered here"})
        if path == ROUTE and method == "GET":
            # Needs no turn, as it changes nothing: it tells what runs while something boots.
            told = self._emulator.describe() | {"permissions": self._permissions.asked}
            return _answer(start_response, "200 OK", told)
        with self._emulator.turn:
            if path == RECONCILE and method == "POST":
                try:
                    return _answer(start_response, "200 OK", self._emulator.reconcile())
                except (SandboxError, *ENGINE_ERRORS) as error:
                    return _answer(start_response, "503 Unavailable", {"error": str(error)})
            if (refusal := self._permissions.refuse(environ, body)) is not None:
                return self._refuse(start_response, refusal)
            return self._answers(environ | {"wsgi.input": io.BytesIO(body)}, body, start_response)

    def _refuse(self, start_response: StartResponse, refusal: Refusal) -> list[bytes]:
        if refusal.code not in self._refused:
            # Once: else whoever is refused could fill the disk with lines.
            self._refused.add(refusal.code)
            self._log(f"refused: {refusal.code}, for want of our key or of a permission")
        length = str(len(refusal.body))
        start_response(
            refusal.status, [("Content-Type", refusal.content_type), ("Content-Length", length)]
        )
        return [refusal.body]


def _body(environ: WSGIEnvironment) -> bytes:
    stream: InputStream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        return stream.read()  # in chunks, their whole length is told nowhere
    return stream.read(int(environ.get("CONTENT_LENGTH") or 0))


def _answer(start_response: StartResponse, status: str, data: dict[str, Any]) -> list[bytes]:
    body = json.dumps(data).encode()
    start_response(
        status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def _log(line: str) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    print(f"{stamp}Z {line}", file=sys.stderr, flush=True)  # noqa: T201  # the log file
