"""A machine's Docker API: whether it answers us, and what it tells of the machine."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from constructs_lib.host import engine
from constructs_lib.identity.pem import load_certificate
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from pathlib import Path

CONNECTION_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 2
_EXPIRED: Final = 10
"""`X509_V_ERR_CERT_HAS_EXPIRED` of OpenSSL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What a machine's Docker API says.

    Attributes:
        problem: Why it says nothing, in words; empty where it answers.
        is_reached: Whether a connection came about at all.
        system: The release of the operating system.
        kernel: The kernel's.
        version: Docker's.
        root: Docker's data root.
        certificate_ends: When the machine's certificate ends, aware; None where none was seen.
    """

    problem: str = ""
    is_reached: bool = True
    system: str = ""
    kernel: str = ""
    version: str = ""
    root: str = ""
    certificate_ends: datetime | None = None


def ask(host: str, port: int, certificates: Path) -> Api:
    """Ask a machine's Docker API.

    Args:
        host: The machine's address.
        port: The API's TCP port.
        certificates: The folder with `ca.pem`, `cert.pem` and `key.pem`.

    Returns:
        What it says; it raises nothing.
    """
    where = f"the Docker API at {host}:{port}"
    try:
        ends = _handshake(host, port, certificates)
    except OSError as error:
        problem, is_reached = _failure(error)
        return Api(problem=f"{where}: {problem}", is_reached=is_reached)
    try:
        client = engine.connect(f"tcp://{host}:{port}", certificates, timeout=_ANSWER_SECONDS)
        with contextlib.closing(client):
            info = client.info()
    except ENGINE_ERRORS as error:
        return Api(
            problem=f"{where}: must answer, got: {_refusal(error, certificates)}",
            certificate_ends=ends,
        )
    return Api(
        system=str(info.get("OperatingSystem", "")),
        kernel=str(info.get("KernelVersion", "")),
        version=str(info.get("ServerVersion", "")),
        root=str(info.get("DockerRootDir", "")),
        certificate_ends=ends,
    )


def _failure(error: OSError) -> tuple[str, bool]:
    """Say why there is no connection, and whether somebody was reached at all."""
    match error:
        case ssl.SSLCertVerificationError(verify_code=code) if code == _EXPIRED:
            told = "its certificate must be valid, got one that has expired"
        case ssl.SSLCertVerificationError():
            told = (
                "must answer with this environment's certificate, got another one "
                f"({error.verify_message})"
            )
        case ssl.SSLError():
            told = f"must speak TLS with us, got: {error.reason or error}"
        case TimeoutError():
            return f"must be reached, got no connection in {CONNECTION_SECONDS:g} s", False
        case ConnectionRefusedError():
            told = (
                "must be open, got a refused connection; Docker may not run there, or has closed "
                "its API by itself"
            )
            return told, False
        case _:
            return f"must be reached, got: {error.strerror or error}", False
    return told, True


def _handshake(host: str, port: int, certificates: Path) -> datetime | None:
    """Return when the server's certificate ends."""
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    # The empty password keeps OpenSSL from asking for one on the terminal.
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem", password="")
    with (
        socket.create_connection((host, port), CONNECTION_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as server,
    ):
        certificate = server.getpeercert() or {}
    end = certificate.get("notAfter")
    if not isinstance(end, str):
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC)


def _refusal(error: Exception, certificates: Path) -> str:
    """Say why an engine does not answer that has shown its certificate."""
    # TLS 1.3 tells of a client that is not wanted when the handshake is over, and a connection
    # that ends may swallow that.
    try:
        ours = load_certificate((certificates / "cert.pem").read_bytes())
    except (OSError, ValueError):
        ours = None
    if ours is not None and ours.not_valid_after_utc <= datetime.now(UTC):
        return "it refuses this computer's certificate, which has expired"
    text = " ".join(str(error).split())
    return "it refuses this computer's certificate" if "alert" in text.lower() else text[:160]
