"""What set-up raises."""

from __future__ import annotations


class SetupError(Exception):
    """A step cannot be done.

    The text is for the person at the terminal: `SUBJECT: FIELD: what must be, got VALUE;
    remedy`. It may have more lines, where the first is the error and the rest is the end of a
    command's output.
    """


class StoppedError(Exception):
    """A step ends before its time, because another one failed or set-up is interrupted."""
