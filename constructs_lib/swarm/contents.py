"""Secrets and configs of a swarm, made over its API, so that no state has what is in them.

The provider's `docker_secret` keeps the content in Terraform's state. Here a step makes it
(`python -m constructs_lib.swarm.contents`), and writes what the engine calls it, and nothing else,
into a file that Terraform reads: see `constructs_lib.terraform.output_file`.

Source: Docker Engine API 1.40, "Create a secret".
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError

from constructs_lib.host.endpoint import parser_of
from constructs_lib.host.step_program import run_step
from constructs_lib.swarm.content_name import KINDS
from constructs_lib.terraform.output_file import read_output, write_output

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from docker import DockerClient

    from constructs_lib.swarm.content_name import Kind

PROJECT_LABEL: Final = "moor.project"
"""The label of what a project's deployment made."""

_CONFLICT: Final = 409


def ensure(
    engine: DockerClient, kind: Kind, *, name: str, project: str, content: bytes
) -> tuple[str, bool]:
    """Make a secret or config, unless it is there.

    Args:
        engine: A manager.
        kind: Which of the two.
        name: What it is called; its hash says what is in it.
        project: The project that it belongs to.
        content: What is in it.

    Returns:
        What the engine calls it, and whether it was made.

    Raises:
        docker.errors.DockerException: The engine does not do as asked.
    """
    there = find(engine, kind, name)
    if there is not None:
        return there, False
    data = {
        "Name": name,
        "Labels": {PROJECT_LABEL: project, "com.docker.stack.namespace": project},
        "Data": base64.b64encode(content).decode(),
    }
    api: Any = engine.api
    try:
        made = api._result(  # noqa: SLF001  (the SDK's own method takes no labels for both kinds)
            api._post_json(api._url(f"/{kind}s/create"), data=data),  # noqa: SLF001
            json=True,
        )
    except APIError as error:
        # Another step has been quicker.
        there = find(engine, kind, name) if error.status_code == _CONFLICT else None
        if there is None:
            raise
        return there, False
    return str(made["ID"]), True


def find(engine: DockerClient, kind: Kind, name: str) -> str | None:
    """Return what the engine calls a secret or config; None where there is none of that name."""
    return dict(_list(engine, kind, {"name": name})).get(name)


def everything(engine: DockerClient, kind: Kind) -> dict[str, str]:
    """Return by name what the engine calls the secrets or configs of all projects."""
    return dict(_list(engine, kind, {}))


def of_project(engine: DockerClient, kind: Kind, project: str) -> dict[str, str]:
    """Return by name what the engine calls the secrets or configs of a project."""
    return dict(_list(engine, kind, {"label": f"{PROJECT_LABEL}={project}"}))


def remove_others(engine: DockerClient, project: str, keep: Collection[str]) -> list[str]:
    """Remove the secrets and configs of a project that no service needs any more.

    Args:
        engine: A manager.
        project: The project.
        keep: Each that stays, as `secret NAME` or `config NAME`.

    Returns:
        A line for each that is no longer needed, with what became of it.
    """
    told = []
    api: Any = engine.api
    for kind in KINDS:
        for name, identity in sorted(of_project(engine, kind, project).items()):
            if f"{kind} {name}" in keep:
                continue
            try:
                api._raise_for_status(api._delete(api._url(f"/{kind}s/{identity}")))  # noqa: SLF001
            except APIError as error:
                told.append(f"{kind} {name} stays: {error.explanation or error}")
            else:
                told.append(f"{kind} {name} is removed")
    return told


def forget_others(folder: Path, keep: Collection[str]) -> None:
    """Remove the files that say what the engine calls things which are needed no longer.

    Args:
        folder: The folder of the files.
        keep: Each thing that stays, as `secret NAME` or `config NAME`.

    Raises:
        OSError: A file cannot be removed.
    """
    kept = {f"{word.replace(' ', '-', 1)}.tfstate" for word in keep}
    for file in folder.glob("*.tfstate"):
        if file.name not in kept:
            file.unlink(missing_ok=True)


def write_identity(file: Path, identity: str) -> None:
    """Write the file that Terraform reads, if it does not say so already.

    Raises:
        OSError: It cannot be written.
    """
    if read_output(file) != identity:
        write_output(file, identity)


def _list(engine: DockerClient, kind: Kind, filters: dict[str, str]) -> list[tuple[str, str]]:
    found = (engine.secrets if kind == "secret" else engine.configs).list(filters=filters)
    return [(str(item.name), str(item.id)) for item in found]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one secret or config, or remove those that are needed no longer.

    Returns:
        The exit status.
    """
    parser = parser_of("constructs_lib.swarm.contents")
    parser.add_argument("--project", required=True)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--name")
    parser.add_argument("--identity", type=Path, required=True, help="a file, or all their folder")
    parser.add_argument("words", nargs="*", help="the content's file, or what is kept")
    options = parser.parse_args(arguments)

    def tidied(engine: DockerClient) -> list[str]:
        said = remove_others(engine, options.project, options.words)
        forget_others(options.identity, options.words)
        return said

    def made(engine: DockerClient) -> list[str]:
        identity, is_new = ensure(
            engine,
            options.kind,
            name=options.name,
            project=options.project,
            content=Path(options.words[0]).read_bytes(),
        )
        write_identity(options.identity, identity)
        return [f"{options.kind} {options.name} {'is made' if is_new else 'is there'}"]

    return run_step(options, tidied if options.kind is None else made)


if __name__ == "__main__":
    sys.exit(main())
