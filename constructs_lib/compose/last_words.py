"""What a container said at last: the results of its health checks, and the end of its output.

Source: Docker Engine API 1.40, "Inspect a container" and "Get container logs".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from docker import DockerClient

LOG_LINES: Final = 20
_CHECKS: Final = 3
_LONGEST: Final = 300


def last_words(engine: DockerClient, container: Mapping[str, Any]) -> list[str]:
    """Return a container's last health checks and the end of its output; nothing for none.

    Args:
        engine: The engine that it is on.
        container: What the engine's "Inspect a container" says of it.

    Raises:
        docker.errors.DockerException: The engine does not do as asked.
        OSError: The engine does not answer.
    """
    lines = []
    checks = (container["State"].get("Health") or {}).get("Log") or []
    if checks:
        lines.append("its last health checks:")
        lines += [
            f"  {check['Start'][:19]} code {check['ExitCode']}: {_short(check['Output'])}"
            for check in checks[-_CHECKS:]
        ]
    try:
        log: bytes = engine.api.logs(container["Id"], tail=LOG_LINES)
    except APIError as error:
        # Some logging drivers cannot be read.
        log = f"({error.explanation or error})".encode()
    return lines + end_of_output(log)


def end_of_output(log: bytes) -> list[str]:
    """Return the last lines of a log with a headline; nothing where there are none.

    Args:
        log: The log.
    """
    lines = list(_plain(log.decode(errors="replace").strip().splitlines()))[-LOG_LINES:]
    return ["the end of its output:", *(f"  {line}" for line in lines)] if lines else []


def _plain(lines: Iterable[str]) -> Iterable[str]:
    """Return lines without what could move a terminal's cursor."""
    return ("".join(c for c in line if c.isprintable() or c == "\t") for line in lines)


def _short(output: str) -> str:
    text = " ".join("".join(_plain([" ".join(output.split())])).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
