"""The one kind of error that a command ends with."""

from __future__ import annotations


class CommandError(Exception):
    """A command cannot go on; the text is complete, for a person to read."""
