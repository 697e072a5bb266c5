"""The outputs of the last deployment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from constructs_lib.terraform.stacks import AWS, DOCKER
from moor import typed
from moor.failure import CommandError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from constructs_lib.settings.environment import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of a swarm, as the first stack tells of it.

    Attributes:
        public_ip: Its address.
        private_ip: Its address among the nodes, which outlives the machine.
        instance_id: The machine's id in EC2.
        ssh: The command that opens a shell on it.
    """

    public_ip: str
    private_ip: str
    instance_id: str
    ssh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the two stacks tell about themselves.

    Attributes:
        public_ip: The machine's address; of a swarm the first manager's.
        docker_host: The Docker API there: `tcp://ADDRESS:PORT`.
        ssh: The command that opens a shell there.
        services: Each service's URL by its name.
        nodes: The machines of a swarm by their names; none where there is one machine alone.
    """

    public_ip: str
    docker_host: str
    ssh: str
    services: dict[str, str]
    nodes: Mapping[str, Node] = field(default_factory=dict)

    @classmethod
    def load(cls, environment: Environment) -> Self:
        """Read the outputs that the last deployment wrote.

        Raises:
            CommandError: There was none, or it did not come to the end of a stack.
        """
        file = outputs_file(environment)
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            aws, docker = document[AWS], document.get(DOCKER, {})
            return cls(
                public_ip=aws["public_ip"],
                docker_host=aws["docker_host"],
                ssh=aws["ssh"],
                services={
                    name.removesuffix("_url"): url
                    for name, url in docker.items()
                    if name.endswith("_url")
                },
                nodes={name: _node(raw) for name, raw in aws.get("nodes", {}).items()},
            )
        except FileNotFoundError:
            reason = "nothing is deployed"
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = f"{file} is not complete"
        first = typed.command(environment, "up")
        raise CommandError(f"environment {environment.name}: {reason}; run {first} first")

    def node(self, name: str) -> Node:
        """Return a machine of the swarm.

        Args:
            name: Its name.

        Raises:
            WrongUseError: There is no such node; with the nearest names.
        """
        if name not in self.nodes:
            raise WrongUseError(typed.unknown("node", name, self.nodes))
        return self.nodes[name]


def _node(raw: Mapping[str, Any]) -> Node:
    return Node(
        public_ip=raw["public_ip"],
        private_ip=raw["private_ip"],
        instance_id=raw["instance_id"],
        ssh=raw["ssh"],
    )


def outputs_file(environment: Environment) -> Path:
    """Where deployments write the outputs of the stacks."""
    return environment.directory / "outputs.json"
