"""Which values of Compose files do not stand in the files themselves.

A password is often in `.env`, an `env_file` or the shell, so that it is in no repository. What
comes from there is told apart from what the files say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.failures import failures
from constructs_lib.compose.places import Written
from constructs_lib.compose.reader import ask_compose, environ_of, read_config, values_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where values come from.

    Attributes:
        outside: The variables that the files use and do not define, with what they are worth.
        written: The variables of each service that stand in the files, with their values; what a
            service has beside them comes from an `env_file` or the shell.
    """

    outside: Mapping[str, str] = field(default_factory=dict, repr=False)
    written: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict, repr=False)


def origins(
    files: Sequence[Path],
    *,
    name: str,
    variables: Mapping[str, str],
    plain: Collection[str],
    environment: Mapping[str, str] | None = None,
) -> Origins:
    """Ask Compose where the values of files come from.

    Args:
        files: The Compose files.
        name: The project's name.
        variables: What the files may use as `${NAME}`, before the caller's environment.
        plain: Those of the variables whose values stand in a file of the project's own.
        environment: The caller's environment; that of this process by default.

    Raises:
        ComposeError: The files cannot be read.
    """
    folder = files[0].parent.resolve()
    environ = {**environ_of(variables, environment), "PWD": str(folder)}
    asked = ask_compose(files, name, folder, environ, "--variables")
    if asked.returncode != 0:
        raise ComposeError(failures(asked.stderr, Written(files)))
    used = json.loads(asked.stdout or "{}")
    elsewhere = sorted({*used} - {*plain} - {"COMPOSE_PROJECT_NAME"})
    document, _ = read_config(files, name, environ, folder, "--no-env-resolution")
    return Origins(
        outside=values_of(elsewhere, name, folder, environ) if elsewhere else {},
        written={
            service: body.get("environment") or {}
            for service, body in (document.get("services") or {}).items()
        },
    )
