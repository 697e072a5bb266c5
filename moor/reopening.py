"""A Docker API that its machine has closed by itself, to be opened by the next deployment.

After each start of Docker the machine asks its own port as a stranger would, and closes it where
that is answered: see `constructs_lib/host/scripts/refuse-strangers.sh`. Terraform knows nothing of
that. The steps that open the API are run again then, and prove it anew.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from moor.failure import CommandError
from moor.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.session import Session
    from moor.toolchain.stack import Stack

_TIMEOUT: Final = 5.0
_AT_ONCE: Final = 16
_STEPS: Final = "DockerApi/Resource"


def is_closed(session: Session) -> bool:
    """Return whether the machine is up, and nothing on it speaks TLS where its API was.

    Args:
        session: The command.
    """
    try:
        outputs = Outputs.load(session.environment)
    except CommandError:
        return False
    port = urlsplit(outputs.docker_host).port
    return port is not None and _has_closed(outputs.public_ip, session.settings.aws.ssh.port, port)


def closed_nodes(session: Session) -> list[str]:
    """Return the nodes of a swarm that are up, and on which nothing speaks TLS where the API was.

    Args:
        session: The command.
    """
    try:
        nodes = Outputs.load(session.environment).nodes
    except CommandError:
        return []
    aws = session.settings.aws
    if not nodes:
        return []
    with ThreadPoolExecutor(min(len(nodes), _AT_ONCE)) as pool:
        closed = pool.map(
            lambda node: _has_closed(node.public_ip, aws.ssh.port, aws.docker_api.port),
            nodes.values(),
        )
        return [name for name, is_closed in zip(nodes, closed, strict=True) if is_closed]


def steps(stack: Stack, nodes: Sequence[str] = ()) -> list[str]:
    """Return the addresses of what opens the API.

    Args:
        stack: The stack with the machine.
        nodes: The nodes of a swarm; none where there is one machine alone.
    """
    wanted = {f"Nodes/{name}/{_STEPS}" for name in nodes} or {_STEPS}
    return stack.addresses(lambda path: path in wanted)


def _has_closed(host: str, ssh: int, docker: int) -> bool:
    # In this order: where the API answers, which is nearly always, that is all that is asked.
    return not _may_speak_tls(host, docker) and _says_ssh(host, ssh)


def _says_ssh(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), _TIMEOUT) as server:
        return server.recv(4) == b"SSH-"
    return False


def _may_speak_tls(host: str, port: int) -> bool:
    """Return whether a port speaks TLS, or does not say: only a refusal is one."""
    # Who it is does not matter here, and nothing is sent.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), _TIMEOUT) as plain:
            context.wrap_socket(plain).close()
    except TimeoutError:
        return True
    except OSError:
        return False
    return True
