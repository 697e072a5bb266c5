"""Waits for containers during a deployment, and shows why one never gets there.

Terraform runs it (`python -m constructs_lib.compose.wait`) after the containers of a service
have started, and before those start that depend on it. The provider could wait too, but it
tells nothing of the reason, and throws away a container that is only slow.

Source: Docker Engine API 1.40, "Inspect a container" and "Get container logs".
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError

from constructs_lib.compose.last_words import last_words
from constructs_lib.host.endpoint import parser_of
from constructs_lib.host.step_program import StepError, run_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from docker import DockerClient

_POLL_SECONDS: Final = 0.25
_WORDS: Final = {
    "healthy": "healthy",
    "healthy_if_checked": "healthy",
    "completed": "completed",
}


class NotReadyError(StepError):
    """A container is not what it was waited for to become, and never will be."""


def wait(
    engine: DockerClient,
    name: str,
    *,
    until: str,
    timeout_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Wait for one container.

    Args:
        engine: The Docker engine on the machine.
        name: The container's name or id.
        until: `healthy`, `healthy_if_checked`, which asks for no check, or `completed`.
        timeout_seconds: How long to wait at most.
        clock: Tells the time in seconds.
        sleep: Waits some seconds.

    Returns:
        One line that says what has become of it.

    Raises:
        NotReadyError: It is not there, became unhealthy, ended, or took too long; with its log.
        docker.errors.DockerException: The engine does not do as asked.
        OSError: The engine does not answer.
    """
    begin = clock()
    while True:
        try:
            container = engine.api.inspect_container(name)
        except APIError as error:
            msg = f"{name}: must be on the machine, got {error.explanation or error}"
            raise NotReadyError(msg) from None
        state = container["State"]
        name = container["Name"].lstrip("/")
        if until == "healthy_if_checked" and state.get("Health") is None:
            return f"{name} has no healthcheck, in the file and in its image"
        done, problem = _verdict(state, until)
        if done:
            return f"{name} is {_WORDS[until]} after {clock() - begin:.1f} s"
        if not problem and clock() - begin > timeout_seconds:
            within = f"must be {_WORDS[until]} within {timeout_seconds:.0f} s"
            problem = f"{within}, got {_described(state)}"
        if problem:
            raise NotReadyError(_explained(engine, container, f"{name}: {problem}"))
        sleep(_POLL_SECONDS)


def _verdict(state: dict[str, Any], until: str) -> tuple[bool, str]:
    ended = state["Status"] in ("exited", "dead") and not state.get("Restarting")
    if until == "completed":
        if ended and state["ExitCode"] == 0:
            return True, ""
        return False, f"must end without an error, got {_described(state)}" if ended else ""
    health = state.get("Health")
    if health is None:
        return False, (
            "must have a healthcheck, since another service waits until it is healthy, got none "
            "in the file and in the image; give it one"
        )
    if health["Status"] == "healthy":
        return True, ""
    if health["Status"] == "unhealthy":
        return False, "must be healthy, got unhealthy"
    return False, f"must be healthy, got {_described(state)}" if ended else ""


def _described(state: dict[str, Any]) -> str:
    health = state.get("Health")
    if state["Status"] == "running" and health:
        return str(health["Status"])
    if state["Status"] in ("exited", "dead"):
        return f"{state['Status']} with code {state['ExitCode']}"
    return str(state["Status"])


def _explained(engine: DockerClient, container: dict[str, Any], problem: str) -> str:
    return "\n".join([problem, *last_words(engine, container)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Wait for containers, all at once.

    Returns:
        The exit status.
    """
    parser = parser_of("constructs_lib.compose.wait")
    parser.add_argument("--until", choices=list(_WORDS), required=True)
    parser.add_argument("--timeout", type=float, required=True)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args(arguments)
    deadline = time.monotonic() + options.timeout

    def waited(engine: DockerClient) -> Iterator[str]:
        for name in options.names:
            left = max(1.0, deadline - time.monotonic())
            yield wait(engine, name, until=options.until, timeout_seconds=left)

    return run_step(options, waited)


if __name__ == "__main__":
    sys.exit(main())
