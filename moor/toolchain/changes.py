"""What a deployment changed, read from cdktf's output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_STACK: Final = re.compile(r"^(aws|docker) {2}")
_PLAN: Final = re.compile(
    r"Plan: (?:\d+ to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy"
)
_NOTHING: Final = "No changes."


def changes_by_stack(lines: Iterable[str]) -> dict[str, str]:
    """Find each stack's plan.

    Args:
        lines: cdktf's output. A line that begins with a stack's name says that the lines
            from it on are of that stack.

    Returns:
        By stack, a text such as `6 to add, 0 to change, 0 to destroy`. A stack whose plan
        was not reached is missing.
    """
    found: dict[str, str] = {}
    stack = ""
    for line in lines:
        if named := _STACK.match(line):
            stack = named[1]
        if plan := _PLAN.search(line):
            found[stack] = f"{plan[1]} to add, {plan[2]} to change, {plan[3]} to destroy"
        elif _NOTHING in line:
            found[stack] = "0 to add, 0 to change, 0 to destroy"
    return found
