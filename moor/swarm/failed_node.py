"""A node that did not come up, or does not join: what its machine says on its console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moor import first_boot, typed
from moor.failure import CommandError
from moor.swarm import impact, machines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from moor.session import Session
    from moor.toolchain.events import Diagnostic
    from moor.toolchain.stack import Stack
    from moor.toolchain.terraform_cli import Terraform

_MACHINE: Final = "aws_instance"


def explanation(
    session: Session, stack: Stack, terraform: Terraform, diagnostics: Iterable[Diagnostic]
) -> str:
    """Return the end of the consoles of the nodes whose steps failed; empty where none is known.

    Never fails: it is asked when something has failed already.

    Args:
        session: The command.
        stack: The stack that was applied.
        terraform: Reads the stack's state.
        diagnostics: What Terraform has said of the failure.
    """
    try:
        places = impact.places_of(stack)
        failed = {
            places[d.address][0]: None
            for d in diagnostics
            if d.severity == "error" and places.get(d.address)
        }
        ids = _machines(stack, terraform) if failed else {}
    except CommandError:
        return ""
    lines: list[str] = []
    for name in failed:
        if name in ids:
            lines += _told(session, name, ids[name])
    return "\n".join(lines)


def _told(session: Session, name: str, machine: str) -> Sequence[str]:
    console = machines.console(session, machine)
    end = machines.end_of(console)
    if not end:
        return [f"node {name}: the console of its machine {machine} shows nothing yet"]
    head = f"node {name}: the console of its machine {machine} ends with:"
    lines = [head, *(f"  {line}" for line in end)]
    if first_boot.is_without_user_data(console):
        again = typed.program(session.environment, f"host replace {name}")
        lines.append(
            f"node {name}: it booted without its user data, since the metadata service came too "
            f"late; `{again}` makes another machine"
        )
    return lines


def _machines(stack: Stack, terraform: Terraform) -> dict[str, str]:
    """Return the ids of the nodes' machines that the state knows, by the nodes' names."""
    places = impact.places_of(stack)
    return {
        places[address][0]: str(instance.get("attributes", {}).get("id", ""))
        for resource in terraform.state(stack).get("resources", [])
        if resource.get("mode") == "managed" and resource.get("type") == _MACHINE
        for address in [f"{_MACHINE}.{resource.get('name')}"]
        if address in places
        for instance in resource.get("instances", [])
    }
