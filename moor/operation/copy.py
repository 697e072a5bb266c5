"""Files that are copied to a machine or from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from moor.failure import WrongUseError
from moor.operation import ssh
from moor.operation.hosts import host_of, must_be_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.settings.environment import Environment
    from moor.operation.hosts import Host


def place(text: str) -> tuple[str, str] | None:
    """Read where a path is: `:PATH` and `NODE:PATH` are on a machine.

    Args:
        text: What was typed.

    Returns:
        The node, empty where none was named, and the path there; None for a path of here, among
        them all that have a slash in front of their first colon, or exist here.
    """
    node, colon, path = text.partition(":")
    if not colon or "/" in node or (node and Path(text).exists()):
        return None
    return node, path


def machine_of(environment: Environment, paths: Sequence[str]) -> Host:
    """Return the machine that paths are on.

    Args:
        environment: The environment.
        paths: The sources, and the target.

    Raises:
        CommandError: Nothing is deployed.
        WrongUseError: None of the paths is on a machine, or they are on several.
    """
    places = [place(path) for path in paths]
    nodes = {found[0] for found in places if found is not None}
    if len(nodes) != 1:
        got = ", ".join(sorted(n or "the first one" for n in nodes)) or "only paths of here"
        raise WrongUseError(
            f"scp: must have paths of one machine, as :PATH or NODE:PATH, got {got}"
        )
    if places[-1] is not None and any(found is not None for found in places[:-1]):
        raise WrongUseError(
            "scp: must copy to the machine or from it, got both; `moor ssh` copies what is there"
        )
    return host_of(environment, nodes.pop())


def words(environment: Environment, paths: Sequence[str], *, recursive: bool = False) -> list[str]:
    """Return the words of the scp command that copies paths, the last one of which is the target.

    Args:
        environment: The environment.
        paths: The sources, and the target.
        recursive: Whether folders are copied, too.

    Raises:
        CommandError: scp is not there, nothing is deployed, or the machine's keys are not known.
        WrongUseError: None of the paths is on a machine, or they are on several.
    """
    places = [place(path) for path in paths]
    host = machine_of(environment, paths)
    must_be_known(environment, host)
    *options, target = ssh.copying(host)
    # A name here that has a colon in it is no host for scp where a slash comes first.
    spelled = [
        f"{target}:{found[1]}" if found is not None else _here(path)
        for path, found in zip(paths, places, strict=True)
    ]
    return [ssh.program("scp"), *options, *(["-r"] if recursive else []), "--", *spelled]


def become(environment: Environment, paths: Sequence[str], *, recursive: bool = False) -> None:
    """Become scp, as `words` spells it.

    Args:
        environment: The environment.
        paths: The sources, and the target.
        recursive: Whether folders are copied, too.

    Raises:
        CommandError: scp or the machine is not there, or its keys are not known.
        WrongUseError: None of the paths is on a machine, or they are on several.
    """
    whole = words(environment, paths, recursive=recursive)
    ssh.must_be_there(environment, machine_of(environment, paths))
    os.execv(whole[0], whole)


def _here(path: str) -> str:
    return f"./{path}" if ":" in path.partition("/")[0] else path
