"""The Docker engine that an environment's services are seen at: the machine's, or a manager's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.host import engine
from moor.outputs import Outputs

if TYPE_CHECKING:
    from docker import DockerClient

    from moor.session import Session


def connect(session: Session) -> DockerClient:
    """Return a client of it; close it at the end.

    Args:
        session: The command.

    Raises:
        CommandError: Nothing is deployed, or no manager of the swarm answers.
    """
    outputs = Outputs.load(session.environment)
    if not outputs.nodes:
        return engine.connect(outputs.docker_host, session.environment.certificates)
    from moor.swarm import access  # noqa: PLC0415  # for a swarm only

    manager = access.live_cluster(session, lambda _line: None).answering()
    return engine.connect(manager.endpoint.docker_host, manager.certificates)
