"""The containers of the services as a person reads them, and as a script does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from moor.operation.containers import Placed

_ID_SHOWN: Final = 12
_STYLES: Final = {"running": "green", "exited": "yellow", "created": "yellow", "dead": "bold red"}


def table(found: Sequence[Placed], console: Console) -> Table:
    """Return what is shown of containers.

    Args:
        found: The containers.
        console: Where it is printed.
    """
    in_a_swarm = any(one.host.private_address for one in found)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("service", *(("node",) if in_a_swarm else ()), "state", "ports", "id", "image"):
        drawn.add_column(column, overflow="fold", no_wrap=not console.is_terminal)
    for one in found:
        number = f"-{one.number}" if one.number else ""
        style = "bold red" if "unhealthy" in one.status else _STYLES.get(one.state, "yellow")
        name = one.name if one.is_one_off else f"{one.service}{number}"
        drawn.add_row(
            Text(name),
            *([Text(one.host.name)] if in_a_swarm else []),
            Text(one.status or one.state, style=style),
            Text(", ".join(one.ports)),
            Text(one.id[:_ID_SHOWN]),
            Text(one.image),
        )
    return drawn


def as_json(found: Sequence[Placed]) -> list[dict[str, Any]]:
    """Return the same for a script.

    Args:
        found: The containers.
    """
    return [
        {
            "service": one.service,
            "number": one.number,
            "container": one.name,
            "id": one.id,
            "node": one.host.name,
            "state": one.state,
            "status": one.status,
            "image": one.image,
            "ports": list(one.ports),
            "created": one.created,
            "one_off": one.is_one_off,
        }
        for one in found
    ]
