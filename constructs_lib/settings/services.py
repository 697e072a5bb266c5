"""The services of an environment: its Compose files, with its variables, on its machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.aws.firewall import openings
from constructs_lib.compose.reader import load_project
from constructs_lib.settings.nodes import nodes_of
from constructs_lib.swarm.check import check_placement
from constructs_lib.swarm.node import SwarmNode

if TYPE_CHECKING:
    from constructs_lib.compose.model import ComposeProject
    from constructs_lib.settings.environment import Environment
    from constructs_lib.settings.settings import Settings


def load_services(environment: Environment, settings: Settings) -> ComposeProject:
    """Read and check the services of an environment.

    Raises:
        ComposeError: They cannot be used; with every problem.
    """
    project = load_project(
        settings.services,
        name=settings.project,
        variables=_variables(environment, settings),
        openings=openings(settings.aws),
        strict=settings.unset_variables == "error",
        swarm=settings.is_swarm,
    )
    if settings.is_swarm:
        nodes = [
            SwarmNode(name=node.name, is_manager=node.is_manager, labels=node.labels)
            for node in nodes_of(settings)
        ]
        check_placement(project, nodes)
    return project


def _variables(environment: Environment, settings: Settings) -> dict[str, str]:
    """Return what the Compose files may use as `${NAME}`, beside what Compose itself knows."""
    return {"ENVIRONMENT": environment.name, **settings.variables}
