"""What Terraform remembers of an environment, read without running Terraform."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from moor.failure import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.settings.environment import Environment


def resource_count(environment: Environment) -> int:
    """Count the managed resources in the environment's local state files.

    Raises:
        CommandError: A state file is not readable as one.
    """
    return sum(
        len(resource.get("instances", []))
        for file in _files(environment)
        for resource in _document(file).get("resources", [])
        if resource.get("mode") == "managed"
    )


def set_aside(environment: Environment) -> Path:
    """Move the local state files into a folder of their own, and name that folder.

    For a sandbox whose emulated AWS is gone: the resources of the state exist no more.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    name = f"state-of-lost-sandbox-{stamp}"
    folder = environment.directory / name
    number = 1
    while folder.exists():
        number += 1
        folder = environment.directory / f"{name}-{number}"
    environment.state.rename(folder)
    return folder


def _files(environment: Environment) -> list[Path]:
    return sorted(environment.state.glob("*.tfstate"))


def _document(file: Path) -> dict[str, Any]:
    text = file.read_text(encoding="utf-8")
    if not text.strip():
        return {}
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise CommandError(
            f"{file}: must be a Terraform state, got something else; restore {file.name}.backup"
        )
    return document
