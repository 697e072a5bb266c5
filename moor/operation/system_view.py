"""The machines' operating systems as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from moor.operation.system import System

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"))


def show(found: Sequence[tuple[str, System]], console: Console) -> None:
    """Print a block a machine: what it is, what its updates are at, when it reboots.

    Args:
        found: The machines' names, and what they say.
        console: Where to print.
    """
    for name, system in found:
        console.print(Text(name, style="bold"))
        rows = Table(box=None, pad_edge=False, show_header=False)
        rows.add_column(no_wrap=True)
        rows.add_column(overflow="fold")
        group = f", channel {system.group}" if system.has_updates and system.group else ""
        rows.add_row("  system", Text(f"{system.name}{group}"))
        rows.add_row("  kernel", Text(f"{system.kernel}, up {span(system.up_seconds)}"))
        style = "yellow" if system.needs_reboot else ""
        rows.add_row("  update", Text(system.state, style=style))
        rows.add_row("  reboots", Text(system.reboots))
        console.print(rows)


def span(seconds: float) -> str:
    """Return a length of time as a person reads it.

    Args:
        seconds: How long.
    """
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
