"""What services that failed have said at last, so that nobody has to go and look for it.

Nothing here fails: it is asked when something has failed already.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from constructs_lib.compose.last_words import last_words
from moor import machine_engine, typed
from moor.failure import CommandError
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from docker import DockerClient

    from constructs_lib.settings.environment import Environment
    from moor.health import Row
    from moor.session import Session
    from moor.toolchain.events import Diagnostic
    from moor.toolchain.stack import Stack

_SERVICES = "Compose/Services/"
_TOLD = "the end of its output:"
"""What is in an error already that a step of the deployment has explained."""


def command(environment: Environment, service: str) -> str:
    """Return the one command that tells more of a service."""
    return typed.program(environment, f"logs {service}")


def of(session: Session, rows: Iterable[Row]) -> dict[str, list[str]]:
    """Return the last words of containers, or of a swarm's services, by their names.

    Args:
        session: The command.
        rows: What has become of them.
    """
    return _asked(session, [row.expected.name for row in rows if row.state != "missing"])


def of_failure(session: Session, stack: Stack, diagnostics: Iterable[Diagnostic]) -> str:
    """Return what the services said that Terraform's errors are about, and where to look further.

    Args:
        session: The command.
        stack: The stack that was applied.
        diagnostics: What Terraform has said.
    """
    try:
        places = dict(stack.paths())
    except CommandError:
        return ""
    explained: dict[str, bool] = {}
    for found in diagnostics:
        path = places.get(found.address, "")
        if found.severity == "error" and path.startswith(_SERVICES):
            named = path.removeprefix(_SERVICES).partition("/")[0]
            explained[named] = explained.get(named, False) or _TOLD in found.detail
    if not explained:
        return ""
    lines = []
    project = session.services
    for name, is_told in explained.items():
        service = project.services.get(name)
        if service is None:
            continue
        if not is_told:
            names = (
                [f"{project.name}_{name}"]
                if session.settings.is_swarm
                else service.container_names(project.name)
            )
            for container, told in _asked(session, names).items():
                lines += [f"{container}:", *told] if told else []
        lines.append(f"look further at {name} with: {command(session.environment, name)}")
    return "\n".join(lines)


def _asked(session: Session, names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with contextlib.suppress(CommandError, *ENGINE_ERRORS, OSError):
        if names:
            with contextlib.closing(machine_engine.connect(session)) as client:
                for name in names:
                    found[name] = _of_one(session, client, name)
    return found


def _of_one(session: Session, client: DockerClient, name: str) -> list[str]:
    if session.settings.is_swarm:
        from constructs_lib.swarm import converge  # noqa: PLC0415  # for a swarm only

        with contextlib.suppress(converge.NotConvergedError, *ENGINE_ERRORS):
            return [f"  {line}" for line in converge.last_words(client, name)]
        return []
    with contextlib.suppress(*ENGINE_ERRORS):
        container: Mapping[str, object] = client.api.inspect_container(name)
        return [f"  {line}" for line in last_words(client, container)]
    return []
