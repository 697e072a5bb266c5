"""The end of a data volume, which nothing else brings about."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from moor import typed
from moor.aws_refusal import told
from moor.data_volumes import exist, kept_of_a_sandbox
from moor.failure import CommandError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.data_volumes import Volume
    from moor.session import Session


def give_up(session: Session, names: Sequence[str], *, answer: str | None = None) -> list[Volume]:
    """Delete data volumes, after somebody has typed the environment's name.

    Args:
        session: The command.
        names: The names of the machines that they belong to; all where there are none.
        answer: What was typed; it is read from the standard input where unset.

    Returns:
        What was deleted.

    Raises:
        WrongUseError: No volume belongs to such a machine.
        CommandError: There is none, one is attached to a machine, or another name was typed.
    """
    environment, console = session.environment, session.console
    every = _of_a_sandbox_that_is_down(session)
    is_down = every is not None
    if every is None:
        every = exist(session)
    nodes = {volume.node for volume in every}
    wrong = [typed.unknown("data volume", n, sorted(nodes)) for n in names if n not in nodes]
    if every and wrong:
        raise WrongUseError("\n".join(wrong))
    volumes = [volume for volume in every if not names or volume.node in names]
    if not volumes:
        raise CommandError(
            f"environment {environment.name}: must have a data volume to give up, got none"
        )
    down = typed.command(environment, "down")
    busy = [
        f"{volume.told}: must be attached to no machine, got {volume.machine}; `{down}` ends the "
        "machines, and keeps the data volumes"
        for volume in volumes
        if volume.machine
    ]
    if busy:
        raise CommandError("\n".join(busy))
    for volume in volumes:
        console.print(f"[bold red]all data is lost on the {volume.told}[/]", soft_wrap=True)
    if answer is None:
        console.print(f"[bold]Type {environment.name} to lose it:[/] ", end="")
        answer = sys.stdin.readline().strip()
    if answer != environment.name:
        raise CommandError(
            f"data give-up: must be told the environment's name, {environment.name}, got "
            f"{answer!r}; nothing was deleted"
        )
    for volume in volumes:
        if is_down:
            from sandbox.api import volumes as kept  # noqa: PLC0415  # brings the docker SDK

            kept.delete(environment.sandbox, volume.id)
        else:
            _delete(session, volume)
    return volumes


def _of_a_sandbox_that_is_down(session: Session) -> list[Volume] | None:
    if session.settings.sandbox is None:
        return None
    from sandbox.lifecycle import Sandbox  # noqa: PLC0415  # brings the docker SDK

    sandbox = Sandbox(session.environment, session.settings.sandbox, lambda _: None)
    return None if sandbox.status().running else kept_of_a_sandbox(session)


def _delete(session: Session, volume: Volume) -> None:
    from moor.aws_client import ec2  # noqa: PLC0415  # heavy

    with told(f"{volume.told}: must be deleted"):
        client = ec2(session.settings, session.environment.sandbox_credentials)
        client.delete_volume(VolumeId=volume.id)
