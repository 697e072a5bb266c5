"""Builds one image on the machine, with Compose's own builder.

Terraform runs it (`python -m constructs_lib.compose.build`) when something has changed that goes
into the image, and shows what the builder says. It needs no engine here: BuildKit on the machine
builds, and asks this computer for the files of the context, for secrets and for SSH keys.

Source: "Docker Compose: docker compose build", and BuildKit's named contexts.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.plugin import MISSING, find_compose
from constructs_lib.host.endpoint import parser_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OF_OTHERS: Final = ("BUILDX_", "BUILDKIT_", "COMPOSE_", "DOCKER_")
"""What variables begin with that would have another builder, or another machine, do the work."""

_KEPT: Final = frozenset({"COMPOSE_BAKE", "DOCKER_CONFIG"})
"""Where this computer's user has the passwords of registries, and who builds."""


def variables(
    environment: Mapping[str, str], *, host: str, certificates: Path, state: Path
) -> dict[str, str]:
    """Return the environment of the builder's client.

    Args:
        environment: This process's.
        host: The machine's Docker API.
        certificates: The folder with `ca.pem`, `cert.pem` and `key.pem`.
        state: Where the client keeps what it remembers: no choice of a builder is there.
    """
    own = {k: v for k, v in environment.items() if k in _KEPT or not k.startswith(_OF_OTHERS)}
    return {
        **own,
        "BUILDX_CONFIG": str(state),
        "COMPOSE_ANSI": "never",
        "DOCKER_BUILDKIT": "1",
        "DOCKER_CERT_PATH": str(certificates),
        "DOCKER_HOST": host,
        "DOCKER_TLS_VERIFY": "1",
    }


def completed(document: Mapping[str, Any], bases: Sequence[str]) -> dict[str, Any]:
    """Put into a definition what is known at the deployment only.

    Args:
        document: The definition.
        bases: Images that the Dockerfile names, and what stands for each: `NAME=IMAGE`. So the
            image is built from exactly what the plan has seen, whatever the machine has under that
            name.
    """
    ((service, body),) = document["services"].items()
    contexts = dict(body["build"].get("additional_contexts") or {})
    for base in bases:
        name, _, image = base.partition("=")
        contexts[name] = f"docker-image://{image}"
    build = {**body["build"], **({"additional_contexts": contexts} if contexts else {})}
    return {**document, "services": {service: {**body, "build": build}}}


def main(arguments: Sequence[str] | None = None) -> str:
    """Become the builder's client.

    Returns:
        Why that is not possible.
    """
    parser = parser_of("constructs_lib.compose.build")
    parser.add_argument("--base", action="append", default=[])
    parser.add_argument("definition", type=Path)
    options = parser.parse_args(arguments)
    file: Path = options.definition
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        return f"{file}: must be readable, got {error.strerror}; synthesize again"
    # It may hold arguments that are nobody's business: it passes through no other file.
    with tempfile.TemporaryFile() as given:
        given.write(json.dumps(completed(document, options.base)).encode())
        given.seek(0)
        os.dup2(given.fileno(), sys.stdin.fileno())
    environment = variables(
        os.environ,
        host=f"tcp://{options.host}:{options.port}",
        certificates=options.certificates,
        # Beside the folder of secrets: what the client remembers is none, and anybody may read it.
        state=file.parents[2] / "buildx",
    )
    words = [*find_compose(), "--project-directory", str(file.parent), "--file", "-"]
    words += ["--progress", "plain", "build"]
    os.environ.clear()
    os.environ.update(environment)
    try:
        # In its place, so that who ends this ends that.
        os.execvp(words[0], words)
    except OSError:
        return MISSING


if __name__ == "__main__":
    sys.exit(main())
