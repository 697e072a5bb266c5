"""The Docker engine of one machine, asked with the certificate that it takes.

What keeps an engine from answering is told apart, since each has another remedy: nobody is there,
nobody answers, somebody else answers, or our own certificate is over.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from docker.errors import APIError

from constructs_lib.identity.pem import load_certificate
from constructs_lib.swarm.managers import CONNECT_SECONDS, NodeEndpoint, Problem, classify
from constructs_lib.swarm.managers import open_engine as _open
from moor import typed
from moor.failure import CommandError
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker import DockerClient

    from constructs_lib.settings.environment import Environment
    from moor.operation.hosts import Host

_SECONDS: Final = 30.0
_PING_SECONDS: Final = 10.0


class UnreachableError(CommandError):
    """An engine cannot be asked.

    Attributes:
        problem: Why.
    """

    def __init__(self, text: str, problem: Problem) -> None:
        super().__init__(text)
        self.problem = problem


@contextlib.contextmanager
def engine(
    environment: Environment, host: Host, *, seconds: float = _SECONDS
) -> Iterator[DockerClient]:
    """Yield a client of a machine's engine, which has answered; it is closed at the end.

    Args:
        environment: The environment.
        host: The machine.
        seconds: How long an answer may take.

    Raises:
        UnreachableError: It does not answer, or breaks off; the text says why and what to do.
        CommandError: It refuses what is asked of it in the block.
    """
    endpoint = NodeEndpoint(
        name=host.name,
        address=host.address,
        private_address=host.private_address,
        port=host.port,
    )
    certificates = _accepted(environment, host, endpoint)
    with _open(endpoint, certificates, seconds=seconds) as client:
        try:
            yield client
        except APIError as error:
            reason = classify(error)[1]
            raise CommandError(f"{host}: the engine must do it, got: {reason}") from None
        except ENGINE_ERRORS as error:
            raise _unreachable(environment, host, certificates, error) from None


def without_limit(client: DockerClient) -> None:
    """Let a client wait for an answer as long as it takes, once it is connected.

    Args:
        client: The client.
    """
    client.api.timeout = cast("int", (CONNECT_SECONDS, None))


def _accepted(environment: Environment, host: Host, endpoint: NodeEndpoint) -> Path:
    """Find the certificates that a machine takes: while they are changed it is one or the other."""
    first: UnreachableError | None = None
    for folder in host.certificates:
        if not (folder / "cert.pem").is_file():
            continue
        try:
            with _open(endpoint, folder, seconds=_PING_SECONDS) as client:
                api: Any = client.api
                api.ping()
        except (*ENGINE_ERRORS, OSError) as error:
            first = first or _unreachable(environment, host, folder, error)
            if first.problem is not Problem.CERTIFICATE:
                break
        else:
            return folder
    if first is not None:
        raise first
    up = typed.command(environment, "up")
    raise UnreachableError(
        f"{host.certificates[0]}: must hold the client's certificate, got none; run {up}",
        Problem.CERTIFICATE,
    )


def _unreachable(
    environment: Environment, host: Host, certificates: Path, error: Exception
) -> UnreachableError:
    problem, words = classify(error)
    subject = f"{host.name} ({host.address}:{host.port})"
    look = typed.program(environment, "doctor")
    if problem is Problem.CERTIFICATE:
        if (end := ended(certificates)) is not None:
            text = (
                f"{certificates / 'cert.pem'}: must be valid now, got one that ended on "
                f"{end:%F}; `{typed.command(environment, 'up')}` makes another"
            )
        else:
            text = (
                f"{subject}: must be known by this environment's certificates, got: {words}; "
                f"another machine may have the address now, or another computer has replaced "
                f"the certificates: `{look}` looks which"
            )
    elif problem is Problem.SILENT:
        text = f"{subject}: the Docker API must answer, got nothing in time; `{look}` looks why"
    else:
        text = f"{subject}: the Docker API must answer, got {words}; `{look}` looks why"
    return UnreachableError(text, problem)


def ended(certificates: Path) -> datetime | None:
    """Return when the client's certificate ended; None where it is valid, or cannot be read.

    Args:
        certificates: The folder that it is in.
    """
    try:
        end = load_certificate((certificates / "cert.pem").read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None
    return end if end <= datetime.now(UTC) else None
