"""A plan as a person reads it before approving it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from moor.plan import Action, AttributeChange, Change, StackPlan

_SIGNS: Final[dict[Action, tuple[str, str]]] = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "replace": ("±", "red"),
    "destroy": ("-", "red"),
    "import": ("=", "cyan"),
}
_WORDS: Final[dict[Action, str]] = {
    "create": "will be created",
    "update": "will be changed",
    "replace": "will be replaced",
    "destroy": "will be destroyed",
    "import": "will be taken over",
}


def show_plans(plans: Sequence[StackPlan], console: Console) -> None:
    """Print plans.

    Args:
        plans: The plans, in the order in which they are applied.
        console: Where to print.
    """
    for plan in plans:
        # Numbers of nothing would tell that nothing changes, which nobody knows yet.
        told = plan.summary if plan.changes or not plan.assumed else plan.assumed
        console.print(Text.assemble((f"{plan.stack:8}", "bold"), told))
        if plan.assumed and plan.changes:
            console.print(Text(f"  read from the configuration: {plan.assumed}", style="dim"))
        for row in _rows(plan):
            console.print(row)
        if plan.cost:
            console.print(Text(f"  costs {plan.cost}", style="bold"), soft_wrap=True)
    # Last, where who is asked for approval looks.
    for warning in (warning for plan in plans for warning in plan.warnings):
        console.print(Text(f"warning: {warning}", style="yellow"), soft_wrap=True)


def as_json(plans: Sequence[StackPlan]) -> dict[str, Any]:
    """Return plans for a script."""
    return {
        plan.stack: {
            "assumed": plan.assumed or None,
            "add": plan.count("create", "replace"),
            "change": plan.count("update"),
            "destroy": plan.count("destroy", "replace"),
            "outputs": list(plan.outputs),
            "warnings": list(plan.warnings),
            "cost": plan.cost or None,
            "changes": [
                {
                    "address": change.address,
                    "action": change.action,
                    "kind": change.noun,
                    "name": change.name,
                    "lost": change.lost or None,
                    "kept": change.kept or None,
                    "attributes": [
                        {
                            "name": a.name,
                            "before": a.before,
                            "after": a.after,
                            "replaces": a.replaces,
                        }
                        for a in change.attributes
                    ],
                }
                for change in plan.changes
            ],
        }
        for plan in plans
    }


def _rows(plan: StackPlan) -> Iterator[Text | Table]:
    for change in plan.changes:
        yield _headline(change)
        if change.attributes:
            yield _attributes(change.attributes)
    for name in plan.outputs:
        if not name.startswith("cross-stack-output"):
            yield Text(f"  ~ output {name}", style="dim")


def _headline(change: Change) -> Text:
    sign, style = _SIGNS[change.action]
    line = Text(f"  {sign} {change.noun} ", style=style) + Text(change.name, style=f"bold {style}")
    line += Text(f" {_WORDS[change.action]}", style=style)
    if change.lost:
        line += Text(f": {change.lost.upper()}", style="bold red")
    if change.kept:
        line += Text(f": {change.kept}", style="green")
    return line


def _attributes(attributes: Sequence[AttributeChange]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for a in attributes:
        change = Text.assemble((a.before, "red"), (" -> ", "dim"), (a.after, "green"))
        if a.replaces:
            change.append("  (cannot be changed in place)", style="dim")
        table.add_row(Text(f"      {a.name}"), change)
    return table
