"""Changes of one service, of everything that the swarm knows about it.

Source: Docker Engine API 1.40, "Update a service".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError, NotFound

from constructs_lib.swarm.errors import SwarmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker import DockerClient

_TRIES: Final = 10


def change(
    engine: DockerClient, service: str, edit: Callable[[dict[str, Any]], None]
) -> dict[str, Any] | None:
    """Change what a service is to be.

    Args:
        engine: A manager.
        service: The service's id.
        edit: Changes the specification that it is given.

    Returns:
        What it is to be now; None where there is no such service.

    Raises:
        SwarmError: Somebody else changes it again and again.
        docker.errors.DockerException: The engine does not do as asked.
    """
    api: Any = engine.api
    for _ in range(_TRIES):
        try:
            there = api.inspect_service(service)
        except NotFound:
            return None
        spec: dict[str, Any] = there["Spec"]
        edit(spec)
        try:
            # The SDK's own method takes a service apart, and knows not all of its parts.
            api._raise_for_status(  # noqa: SLF001
                api._post_json(  # noqa: SLF001
                    api._url("/services/{0}/update", service),  # noqa: SLF001
                    data=spec,
                    params={"version": there["Version"]["Index"]},
                )
            )
        except APIError as error:
            # The swarm counts changes, and refuses one that was made of an older state.
            if "out of sequence" not in str(error.explanation or error):
                raise
        else:
            return spec
    raise SwarmError(
        f"service {service}: must take a change, got {_TRIES} changes by others meanwhile; try "
        "again"
    )
