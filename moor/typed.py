"""What a person types: commands as they are spelled here, and names that are nearly right."""

from __future__ import annotations

import difflib
import shlex
from typing import TYPE_CHECKING

from constructs_lib.settings.environment import DEFAULT_NAME, VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from constructs_lib.settings.environment import Environment


def command(environment: Environment, target: str) -> str:
    """Return the `make` command of a target, as one types it for an environment."""
    return f"{_variable(environment)}make {target}"


def program(environment: Environment, words: str) -> str:
    """Return a call of the program itself, which takes options that `make` would not hand on."""
    return f"{_variable(environment)}.venv/bin/moor {words}"


def _variable(environment: Environment) -> str:
    usual = environment.root / "environments" / f"{environment.name}.yaml"
    if environment.settings_file != usual:
        return f"{VARIABLE}={shlex.quote(str(environment.settings_file))} "
    return "" if environment.name == DEFAULT_NAME else f"{VARIABLE}={environment.name} "


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return what to say of a name that nothing has.

    Args:
        kind: What it should be the name of.
        name: The name.
        known: The names that there are.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        remedy = f"did you mean {' or '.join(near)}?"
    elif names:
        remedy = f"there are {', '.join(names)}"
    else:
        remedy = "there are none"
    return f"{kind}: must be the name of one, got {name!r}; {remedy}"
