"""Another machine in the place of the one that there is: with its address, and with its data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from constructs_lib.files.private_file import write_private
from constructs_lib.settings.nodes import FIRST, nodes_of
from constructs_lib.settings.values import AmiId, InstanceType
from moor import typed
from moor.failure import CommandError, WrongUseError
from moor.toolchain.stack import CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.deployment import Deployment
    from moor.session import Session
    from moor.toolchain.stack import Stack

NEWEST: Final = "newest"
"""The machine image that the settings' pattern finds."""

_MACHINE: Final = "aws_instance"


def replace(
    deployment: Deployment, names: Sequence[str], *, approve: bool, lose_volumes: bool
) -> None:
    """Make another machine for an environment of one machine, and start what ran on the former.

    The former is shut down, and its containers end with it as each of them wants; the data volume
    goes to the new one, whose Docker starts them again. Whatever fails, the next deployment goes
    on from there.

    Args:
        deployment: The deployment, prepared.
        names: The machine's name, or none.
        approve: Whether nobody is asked.
        lose_volumes: Whether the data may be lost, where there is no data volume.

    Raises:
        WrongUseError: There is no such machine.
        CommandError: Its data would be lost, it cannot be replaced, or that was not approved.
        StoppedError: Somebody asked to end.
    """
    session, stack = deployment.session, deployment.stacks[0]
    wrong = [typed.unknown("machine", name, [FIRST]) for name in names if name != FIRST]
    if wrong:
        raise WrongUseError("\n".join(wrong))
    (machine,) = nodes_of(session.settings)
    if machine.data_volume is None and not lose_volumes:
        raise CommandError(
            f"{session.environment.settings_file}: aws.data_volume: must be set for a machine to "
            "be replaced without loss, got none; add it and deploy, or say --lose-volumes where "
            "all that is on the machine may go"
        )
    deployment.renew(stack.addresses(lambda path: path == "Machine/Resource"))
    deployment.up(approve=approve)


def checked_image(value: str | None, session: Session, names: Sequence[str]) -> str | None:
    """Return the id of a machine image that was asked for; None for what the settings say.

    Args:
        value: `newest`, an id, or nothing.
        session: The command.
        names: The machines that get it.

    Raises:
        WrongUseError: It is neither, or the settings name one image.
    """
    if value in (None, NEWEST):
        pinned = [
            node.image.id
            for node in nodes_of(session.settings)
            if node.name in names and node.image.id is not None
        ]
        if value == NEWEST and pinned:
            raise WrongUseError(
                f"--image: must not be newest where {session.environment.settings_file} names "
                f"one in aws.image.id, got {pinned[0]} there; remove that, or give an id here"
            )
        return None
    return _checked("--image", value, AmiId, "newest, or the id of an image such as ami-0abc")


def checked_type(value: str | None) -> str | None:
    """Return an instance type that was asked for; None for what the settings say.

    Raises:
        WrongUseError: It is none.
    """
    if value is None:
        return None
    return _checked("--type", value, InstanceType, "an instance type such as t3.small")


def ask_for(
    stack: Stack, machines: Sequence[str], *, image: str | None, instance_type: str | None
) -> None:
    """Write into a synthesized stack what a replacement has otherwise than the settings.

    The next synthesis writes what the settings say again.

    Args:
        stack: The first stack.
        machines: The addresses of the machines.
        image: The machine image's id.
        instance_type: The instance type.
    """
    wanted = {"ami": image, "instance_type": instance_type}
    changes = {key: value for key, value in wanted.items() if value is not None}
    if not changes:
        return
    document = stack.document()
    for address in machines:
        document["resource"][_MACHINE][address.partition(".")[2]].update(changes)
    write_private(stack.folder / CONFIGURATION, json.dumps(document, indent=2).encode())


def told_of_type(session: Session, instance_type: str | None, names: Sequence[str]) -> str:
    """Return what is to be done about an instance type that the settings do not say; or nothing."""
    nodes = [n for n in nodes_of(session.settings) if n.name in names]
    others = sorted({n.instance_type for n in nodes if n.instance_type != instance_type})
    if instance_type is None or not others:
        return ""
    up = typed.command(session.environment, "up")
    return (
        f"{session.environment.settings_file}: instance_type still says {', '.join(others)}: write "
        f"{instance_type} there, or the next `{up}` changes it back"
    )


def _checked(option: str, value: str, kind: Any, what: str) -> str:  # noqa: ANN401  (an Annotated)
    try:
        found: str = TypeAdapter(kind).validate_python(value)
    except ValidationError:
        raise WrongUseError(f"{option}: must be {what}, got {value!r}") from None
    return found
