"""The tokens that let machines join: changed whenever one was used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import requests
from docker.errors import APIError

from constructs_lib.swarm.errors import SwarmError, told

if TYPE_CHECKING:
    from docker import DockerClient

_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.5


def rotate_tokens(client: DockerClient) -> None:
    """Change both tokens that let machines join; the ones before let nobody in.

    Args:
        client: A manager's engine.

    Raises:
        SwarmError: They cannot be changed.
    """
    problem = ""
    for _ in range(_ATTEMPTS):
        try:
            swarm = client.api.inspect_swarm()
            client.api.update_swarm(
                swarm["Version"]["Index"],
                swarm["Spec"],
                rotate_worker_token=True,
                rotate_manager_token=True,
            )
        except (APIError, requests.RequestException) as error:
            # A manager that has just joined makes the others choose a leader now and then.
            problem = str(error)
            time.sleep(_PAUSE_SECONDS)
        else:
            return
    raise SwarmError(f"swarm: join tokens: must be changed after a join, got: {told(problem)}")
