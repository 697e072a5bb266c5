"""Pushes an image that was built on a manager to a registry, for all nodes to pull.

Terraform runs it (`python -m constructs_lib.swarm.push`) after the build. The engine that has built
the image sends it: to the swarm's own registry, which only nodes reach, or to one of the
settings, with the password that this computer's user has given to `docker login`. What the
registry calls the image is written to a file, by which services name it.

Source: Docker Engine API 1.40, "Push an image".
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docker import auth

from constructs_lib.docker.reference import untagged
from constructs_lib.host.endpoint import parser_of
from constructs_lib.host.step_program import StepError, run_step
from constructs_lib.terraform.output_file import write_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker import DockerClient

_ANSWER_SECONDS: Final = 600
"""How long the engine may be silent: it says nothing while it packs a large layer."""


class PushError(StepError):
    """A registry does not take an image."""


def push(engine: DockerClient, image: str) -> str:
    """Push an image.

    Args:
        engine: The engine that has it.
        image: Its reference, with a tag.

    Returns:
        Its reference by digest, `NAME@sha256:…`.

    Raises:
        PushError: The registry does not take it, or does not say what it has.
        docker.errors.DockerException: The engine does not do as asked.
        OSError: The engine does not answer.
    """
    name = untagged(image)
    registry, _ = auth.resolve_repository_name(name)
    said: dict[str, str] = {}
    digest = ""
    for line in engine.api.push(
        name,
        tag=image.removeprefix(f"{name}:"),
        auth_config=_password(registry),
        stream=True,
        decode=True,
    ):
        if "error" in line:
            raise PushError(f"{image}: must be taken by its registry, got: {line['error']}")
        digest = str((line.get("aux") or {}).get("Digest", digest))
        _tell(line, said)
    if not digest:
        raise PushError(f"{image}: must be given a digest by its registry, got none")
    return f"{name}@{digest}"


def _password(registry: str) -> dict[str, Any]:
    """Return what this computer's user has given to `docker login`; nothing is asked without."""
    return auth.load_config().resolve_authconfig(registry) or {}


def _tell(line: dict[str, Any], said: dict[str, str]) -> None:
    """Print what a layer has come to, once each."""
    layer, status = str(line.get("id", "")), str(line.get("status", ""))
    passing = ("Pushing", "Waiting", "Preparing", "Retrying")
    if not layer or status.startswith(passing) or said.get(layer) == status:
        return
    said[layer] = status
    print(f"{layer}: {status}", flush=True)  # noqa: T201  (Terraform shows it)


def main(arguments: Sequence[str] | None = None) -> int:
    """Push an image, and write down what the registry calls it.

    Returns:
        The exit status.
    """
    parser = parser_of("constructs_lib.swarm.push")
    parser.add_argument("--file", type=Path, required=True, help="where its name is written")
    parser.add_argument("image")
    options = parser.parse_args(arguments)

    def pushed(engine: DockerClient) -> list[str]:
        reference = push(engine, options.image)
        write_output(options.file, reference)
        return [reference]

    must = f"{options.image}: must be taken by its registry"
    return run_step(options, pushed, seconds=_ANSWER_SECONDS, must=must)


if __name__ == "__main__":
    sys.exit(main())
