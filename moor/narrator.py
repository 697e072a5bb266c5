"""Terraform's events, told to a person in the words of the plan."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moor.plan import StackPlan
    from moor.screen import Screen
    from moor.toolchain.events import Event

_HASH: Final = re.compile(r"_[0-9A-F]{8}$")
_DOING: Final = {
    "create": "creating",
    "update": "changing",
    "delete": "destroying",
    "read": "reading",
    "replace": "replacing",
}
_DONE: Final = {"create": "created", "update": "changed", "delete": "destroyed", "read": "read"}
_STYLES: Final = {"create": "green", "update": "yellow", "delete": "red"}
_LINES_OF_A_STEP: Final = 15


class Narrator:
    """Says what Terraform does.

    Args:
        screen: Where it is said.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._names: dict[str, str] = {}
        self._output: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_LINES_OF_A_STEP))

    def learn(self, plans: Iterable[StackPlan]) -> None:
        """Learn from plans what a person calls the resources."""
        for plan in plans:
            for change in plan.changes:
                self._names[change.address] = f"{change.noun} {change.name}"

    def take(self, stack: str, event: Event) -> None:
        """Say what has happened, where a person would want to know.

        Args:
            stack: The stack that it is about.
            event: What Terraform says.
        """
        if self._screen.verbose:
            self._screen.say(f"{stack}: {event.text}", style="dim")
        key = f"{stack} {event.address}"
        what = f"{stack}: {self.name(event.address)}"
        if event.kind == "apply_start" and event.action != "read":
            self._screen.start(key, f"{what}: {_DOING.get(event.action, event.action)}")
        elif event.kind == "provision_progress":
            line = str(event.data.get("hook", {}).get("output", "")).strip()
            if line:
                self._output[key].append(line)
                self._screen.note(key, line)
        elif event.kind in ("apply_complete", "apply_errored") and event.action != "read":
            took = self._screen.finish(key)
            output = self._output.pop(key, ())
            if event.kind == "apply_complete":
                self._screen.say(
                    f"{what}: {_DONE.get(event.action, event.action)} ({took:.1f} s)",
                    style=_STYLES.get(event.action, ""),
                )
            else:
                self._screen.say(f"{what}: failed after {took:.1f} s", style="bold red")
                for line in output:
                    self._screen.say(f"    {line}")

    def name(self, address: str) -> str:
        """Return what a person calls a resource."""
        return self._names.get(address) or _HASH.sub("", address.partition(".")[2] or address)
