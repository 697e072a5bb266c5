"""What `--help` prints: usage as manuals spell it, and paragraphs as wide as the screen."""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperArgument, TyperCommand


class SpelledCommand(TyperCommand):
    """A command whose usage has its arguments as their `metavar` spells them.

    Typer puts braces, brackets and dots of its own around that, also where it has them already.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401  (a type of Typer's own)
        """Return the words of the usage that follow the command's name."""
        del ctx
        arguments = (one for one in self.params if isinstance(one, TyperArgument))
        return ["[OPTIONS]", *(one.metavar or str(one.name).upper() for one in arguments)]


def paragraphs(text: str | None) -> str | None:
    """Return a help text with each paragraph on one line, as Typer does to the first one alone.

    Args:
        text: A docstring.
    """
    if text is None:
        return None
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))
