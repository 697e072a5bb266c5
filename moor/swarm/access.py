"""The swarm of an environment, found by its settings and what the last deployment told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from constructs_lib.settings.certificates import pki_of
from constructs_lib.settings.nodes import nodes_of
from moor import reopening
from moor.failure import WrongUseError
from moor.outputs import Outputs
from moor.swarm import machines
from moor.swarm.live_cluster import LiveCluster
from moor.swarm.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moor.outputs import Node
    from moor.screen import Screen
    from moor.session import Session
    from moor.swarm.cluster import Cluster


def live_cluster(session: Session, say: Callable[[str], None]) -> LiveCluster:
    """Return the swarm of an environment; nobody is asked yet.

    Args:
        session: The command.
        say: Takes a line for a person.

    Raises:
        WrongUseError: There is one machine alone.
        CommandError: Nothing is deployed.
    """
    settings, environment = session.settings, session.environment
    pki = pki_of(environment, settings)
    if not Outputs.load(environment).nodes:
        raise WrongUseError(
            f"environment {environment.name}: must be a swarm for this command, got one machine "
            "alone"
        )
    return LiveCluster(
        wanted=nodes_of(settings),
        nodes=lambda: Outputs.load(environment).nodes,
        port=settings.aws.docker_api.port,
        certificates=(pki.certificates_dir, pki.next_dir),
        pki=environment.pki,
        say=say,
    )


def upkeep_of(session: Session, screen: Screen) -> Upkeep | None:
    """Return what is done for the nodes of an environment; None where it has one machine alone.

    Args:
        session: The command.
        screen: Where progress is told.
    """
    settings = session.settings
    if not settings.is_swarm:
        return None

    def open_cluster(_nodes: Mapping[str, Node]) -> tuple[Cluster, str]:
        cluster = live_cluster(session, screen.say)
        return cluster, cluster.for_terraform()

    return Upkeep(
        session=session,
        screen=screen,
        wanted={node.name: node.is_manager for node in nodes_of(settings)},
        open_cluster=open_cluster,
        state_of=partial(machines.state, session),
        closed=partial(reopening.closed_nodes, session),
    )
