"""The outputs of the last deployment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from constructs_lib.terraform.stacks import AWS, DOCKER
from moor import typed
from moor.failure import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.settings.environment import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the two stacks tell about themselves.

    Attributes:
        public_ip: The machine's address.
        docker_host: The Docker API: `tcp://ADDRESS:PORT`.
        ssh: The command that opens a shell on the machine.
        services: Each service's URL by its name.
    """

    public_ip: str
    docker_host: str
    ssh: str
    services: dict[str, str]

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
            )
        except FileNotFoundError:
            reason = "nothing is deployed"
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = f"{file} is not complete"
        first = typed.command(environment, "up")
        raise CommandError(f"environment {environment.name}: {reason}; run {first} first")


def outputs_file(environment: Environment) -> Path:
    """Where deployments write the outputs of the stacks."""
    return environment.directory / "outputs.json"
