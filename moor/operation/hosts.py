"""The machines of an environment, of a swarm or alone, and how each of them is reached."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from moor import typed
from moor.failure import CommandError, WrongUseError
from moor.outputs import Outputs

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.settings.environment import Environment

ALONE: Final = "machine"
"""What one machine alone is called: it has no name in the settings."""

NEXT: Final = "next"
"""The folder beside the authority with what comes next; see `constructs_lib.identity.pki`."""

_ALIAS: Final = "HostKeyAlias="
_KNOWN: Final = "StrictHostKeyChecking=yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine that is deployed.

    Attributes:
        name: Its name in the settings; `machine` where there is one alone.
        address: Where it is reached from here.
        private_address: Where the other nodes reach it; empty where there is one alone.
        port: TCP port of its Docker API.
        instance_id: Its id in EC2.
        ssh: The words of the command that opens a shell on it.
        certificates: The folders of certificates to try, in this order: of what was prepared
            and is not installed yet, a machine may know the one or the other.
    """

    name: str
    address: str
    private_address: str
    port: int
    instance_id: str
    ssh: tuple[str, ...]
    certificates: tuple[Path, ...]

    @property
    def docker_host(self) -> str:
        """The address as `DOCKER_HOST` takes it."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"tcp://{address}:{self.port}"

    def __str__(self) -> str:
        """Return its name and where it is."""
        return f"{self.name} ({self.address})"


def hosts(environment: Environment) -> tuple[Host, ...]:
    """Return the machines that the last deployment told of, the first manager in front.

    Args:
        environment: The environment.

    Raises:
        CommandError: Nothing is deployed.
    """
    outputs = Outputs.load(environment)
    port = urlsplit(outputs.docker_host).port or 0
    folders = (environment.certificates, environment.pki / NEXT)
    if not outputs.nodes:
        words = tuple(shlex.split(outputs.ssh))
        alone = Host(
            name=ALONE,
            address=outputs.public_ip,
            private_address="",
            port=port,
            instance_id=_instance_of(words),
            ssh=words,
            certificates=folders,
        )
        return (alone,)
    found = (
        Host(
            name=name,
            address=node.public_ip,
            private_address=node.private_ip,
            port=port,
            instance_id=node.instance_id,
            ssh=tuple(shlex.split(node.ssh)),
            certificates=folders,
        )
        for name, node in outputs.nodes.items()
    )
    # They are told in the order of their names, and the first manager as the environment's own.
    return tuple(sorted(found, key=lambda host: host.address != outputs.public_ip))


def host_of(environment: Environment, name: str | None) -> Host:
    """Return one machine.

    Args:
        environment: The environment.
        name: A node's name; None or empty for the only machine, or the first manager.

    Raises:
        CommandError: Nothing is deployed.
        WrongUseError: There is no such node; with the nearest names.
    """
    there = hosts(environment)
    if not name:
        return there[0]
    for host in there:
        if host.name == name:
            return host
    if not is_swarm(there):
        raise WrongUseError(
            f"node: must be left out where there is one machine alone, got {name!r}"
        )
    raise WrongUseError(typed.unknown("node", name, [host.name for host in there]))


def is_swarm(there: tuple[Host, ...]) -> bool:
    """Return whether machines are the nodes of a swarm.

    Args:
        there: The machines of an environment.
    """
    return any(host.private_address for host in there)


def must_be_known(environment: Environment, host: Host) -> None:
    """Refuse to speak SSH to a machine whose host keys nobody asks for.

    Args:
        environment: The environment.
        host: The machine.

    Raises:
        CommandError: The deployment is of a version that did not know host keys.
    """
    if _KNOWN not in host.ssh:
        raise CommandError(
            "ssh: the machine's host keys must be known, got a deployment of the version before, "
            f"which did not ask for them; run {typed.command(environment, 'up')} first"
        )


def _instance_of(words: tuple[str, ...]) -> str:
    for word in words:
        if word.startswith(_ALIAS):
            return word.removeprefix(_ALIAS)
    return ""
