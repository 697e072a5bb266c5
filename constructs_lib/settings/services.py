"""The services of an environment: its Compose files, with its variables, on its machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from constructs_lib.aws.firewall import openings
from constructs_lib.compose.reader import load_project
from constructs_lib.settings.nodes import nodes_of
from constructs_lib.swarm.check import check_placement
from constructs_lib.swarm.node import SwarmNode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs_lib.compose.model import ComposeProject
    from constructs_lib.settings.environment import Environment
    from constructs_lib.settings.settings import Settings


FORMER: Final = "MOOR_FORMER_SERVICES"
"""The variable that names a Compose file to deploy instead of those of the settings."""


def load_services(
    environment: Environment, settings: Settings, variables: Mapping[str, str] | None = None
) -> ComposeProject:
    """Read and check the services of an environment.

    Args:
        environment: The environment.
        settings: Its settings.
        variables: The environment variables that Compose reads the files with; those of this
            process by default.

    Raises:
        ComposeError: They cannot be used; with every problem.
    """
    environ = os.environ if variables is None else variables
    former = environ.get(FORMER)
    project = load_project(
        settings.services if former is None else [Path(former)],
        folder=settings.services[0].parent,
        name=settings.project,
        variables=variables_of(environment, settings),
        environment=environ,
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


def variables_of(environment: Environment, settings: Settings) -> dict[str, str]:
    """Return what the Compose files may use as `${NAME}`, beside what Compose itself knows."""
    return {"ENVIRONMENT": environment.name, **settings.variables}
