"""Graphviz, which draws the pictures of `make graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setup import debian
from setup.errors import SetupError
from setup.step import Step

if TYPE_CHECKING:
    from collections.abc import Mapping


class Graphviz(Step):
    """The command `dot`. Without it all but `make graph` works, so it is never an error."""

    name = "graphviz"

    def inputs(self) -> Mapping[str, object]:
        """Return whether it is there, so that its removal or arrival is noticed."""
        return {"dot": self._find() is not None}

    def is_intact(self) -> bool:
        """Return true: where it could not be installed, the notice is not repeated."""
        return True

    def run(self) -> str:
        """Install it where that is possible."""
        if self._find() is None and debian.can_install():
            try:
                debian.install(self, "graphviz")
            except SetupError as error:
                self.say(str(error).splitlines()[0])
        if self._find() is None:
            return "notice: no dot command; `make graph` needs it (install the package graphviz)"
        return "dot is there"

    def _find(self) -> str | None:
        return debian.find_program("dot", self.context.variables.get("PATH"))
