"""The nodes of a swarm as a person reads them, and as a script does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from constructs_lib.swarm.node import OWN_PREFIX, VOLUME_LABEL
from moor.swarm.roll import RESTING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Console

    from moor.outputs import Node
    from moor.swarm.cluster import Member

_STYLES: Final = {"ready": "green", "down": "bold red"}


def show(members: Iterable[Member], nodes: Mapping[str, Node], console: Console) -> None:
    """Print the nodes: those of the swarm, and those that have a machine and are not in it.

    Args:
        members: The swarm's members.
        nodes: The machines, as the last deployment told of them.
        console: Where to print.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("node", "role", "state", "availability", "address", "machine", "labels"):
        table.add_column(column, overflow="fold", no_wrap=not console.is_terminal)
    for row in as_json(members, nodes):
        role = f"{row['role']}, leads" if row["leader"] else str(row["role"] or "")
        state = str(row["state"])
        if row["role"] == "manager" and not row["reachable"]:
            state += ", not reached"
        labels = " ".join(
            [
                *(f"{k}={v}" if v else k for k, v in row["labels"].items()),
                *(f"{VOLUME_LABEL}{volume}" for volume in row["volumes"]),
            ]
        )
        availability = str(row["availability"] or "")
        if row["resting"]:
            availability += " for a while"
        table.add_row(
            Text(row["name"]),
            Text(role),
            Text(state, style=_STYLES.get(state, "yellow")),
            Text(availability, style="" if row["availability"] == "active" else "yellow"),
            Text(row["public_ip"] or ""),
            Text(row["instance_id"] or ""),
            Text(labels),
        )
    console.print(table)


def as_json(members: Iterable[Member], nodes: Mapping[str, Node]) -> list[dict[str, Any]]:
    """Return the same for a script, managers first.

    Args:
        members: The swarm's members.
        nodes: The machines, as the last deployment told of them.
    """
    known = sorted(members, key=lambda m: (not m.is_manager, m.name))
    rows = [_row(member.name, member, nodes.get(member.name)) for member in known]
    there = {member.name for member in known}
    rows += [_row(name, None, node) for name, node in nodes.items() if name not in there]
    return rows


def _row(name: str, member: Member | None, node: Node | None) -> dict[str, Any]:
    labels = {} if member is None else member.labels
    return {
        "name": name,
        "role": None if member is None else member.role,
        "leader": member is not None and member.is_leader,
        "reachable": member is not None and member.is_reachable,
        "state": "not in the swarm" if member is None else member.state,
        "availability": None if member is None else member.availability,
        "resting": RESTING in labels and member is not None and member.availability != "active",
        "public_ip": None if node is None else node.public_ip,
        "instance_id": None if node is None else node.instance_id,
        "volumes": [] if member is None else member.volume_names,
        "labels": {k: v for k, v in sorted(labels.items()) if not k.startswith(OWN_PREFIX)},
    }
