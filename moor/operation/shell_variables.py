"""Environment variables as each shell is told them."""

from __future__ import annotations

import os
import shlex
from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Shell(StrEnum):
    """The families of shells that spell it in their own way."""

    SH = "sh"
    FISH = "fish"
    POWERSHELL = "powershell"


def guessed(variables: Mapping[str, str] = os.environ) -> Shell:
    """Return the shell that is most likely asking.

    Args:
        variables: The environment variables; `SHELL` is the user's login shell.
    """
    name = PurePath(variables.get("SHELL", "")).name
    if name == "fish":
        return Shell.FISH
    # Each PowerShell sets this for its own modules, and no other shell does.
    if name in ("pwsh", "powershell") or (not name and "PSModulePath" in variables):
        return Shell.POWERSHELL
    return Shell.SH


def setting(shell: Shell, variables: Mapping[str, str]) -> list[str]:
    """Return what sets variables, a line each.

    Args:
        shell: Who reads it.
        variables: The values by name.
    """
    return [_SET[shell](name, value) for name, value in variables.items()]


def unsetting(shell: Shell, names: Iterable[str]) -> list[str]:
    """Return what unsets variables, a line each.

    Args:
        shell: Who reads it.
        names: The names.
    """
    return [_UNSET[shell].format(name=name) for name in names]


def usage(shell: Shell, command: str) -> str:
    """Return how a shell runs what a command prints.

    Args:
        shell: The shell.
        command: The command.
    """
    return {
        Shell.SH: f'eval "$({command})"',
        Shell.FISH: f"{command} | source",
        Shell.POWERSHELL: f"{command} | Out-String | Invoke-Expression",
    }[shell]


def _fish(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _powershell(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


_SET = {
    Shell.SH: lambda name, value: f"export {name}={shlex.quote(value)}",
    Shell.FISH: lambda name, value: f"set -gx {name} {_fish(value)}",
    Shell.POWERSHELL: lambda name, value: f"$Env:{name} = {_powershell(value)}",
}
_UNSET = {
    Shell.SH: "unset {name}",
    Shell.FISH: "set -e {name}",
    Shell.POWERSHELL: "Remove-Item -ErrorAction SilentlyContinue Env:{name}",
}
