"""What steps of a swarm's stack have written for Terraform, had back where this computer lacks it.

A secret's id and a pushed image's digest are in small files that a plan reads (see
`constructs_lib.terraform.output_file`). They are on the computer that deployed last. Another one,
or this one after a loss, asks the swarm and its registry, and only what they do not have is made
again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError

from constructs_lib.docker.reference import untagged
from constructs_lib.swarm import contents
from constructs_lib.swarm.content_name import KINDS, Kind
from constructs_lib.terraform.output_file import write_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

    from moor.toolchain.stack import Stack

_READ: Final = "terraform_remote_state"
_STEP: Final = "terraform_data"
_OTHER: Final = re.compile(rf"\$\{{{_STEP}\.([^.}}]+)\.id\}}")


def restore(engine: DockerClient, stack: Stack, folder: Path) -> list[str]:
    """Write what a plan reads, as the swarm knows it.

    Args:
        engine: A manager's engine.
        stack: The stack with the services, synthesized.
        folder: The folder of the files.

    Returns:
        The addresses of the steps that have to be taken again: what they made is gone.

    Raises:
        CommandError: The stack cannot be read.
        docker.errors.DockerException: The engine does not do as asked.
        OSError: A file cannot be written.
    """
    known: dict[Kind, dict[str, str]] = {}

    def identity_of(kind: Kind, name: str) -> str | None:
        if kind not in known:
            known[kind] = contents.everything(engine, kind)
        return known[kind].get(name)

    document = stack.document()
    steps = document.get("resource", {}).get(_STEP, {})
    again = []
    for body in document.get("data", {}).get(_READ, {}).values():
        file = Path(body.get("config", {}).get("path", ""))
        if not file.is_relative_to(folder) or not body.get("depends_on"):
            continue
        made_by = str(body["depends_on"][0]).removeprefix(f"{_STEP}.")
        if not _restored(engine, file, steps.get(made_by, {}), identity_of):
            file.unlink(missing_ok=True)
            again += [f"{_STEP}.{name}" for name in _origin(made_by, steps)]
    return again


def _restored(
    engine: DockerClient,
    file: Path,
    step: dict[str, Any],
    identity_of: Callable[[Kind, str], str | None],
) -> bool:
    """Write a file; returns whether the swarm has what it is about."""
    kind, _, name = file.stem.partition("-")
    if kind in KINDS:
        identity = identity_of(kind, name)
        if identity is not None:
            contents.write_identity(file, identity)
        return identity is not None
    image = step["provisioner"][0]["local-exec"]["command"]
    api: Any = engine.api
    try:
        found = api.inspect_distribution(image)
    except APIError:
        # The registry does not have it, or is not there itself.
        return False
    if not file.is_file():
        write_output(file, f"{untagged(image)}@{found['Descriptor']['digest']}")
    return True


def _origin(name: str, steps: dict[str, Any]) -> Iterator[str]:
    """Yield the step that makes something from the beginning: an image is built, then pushed."""
    build = _OTHER.fullmatch(str(steps[name].get("triggers_replace", {}).get("build", "")))
    yield name if build is None else build[1]
