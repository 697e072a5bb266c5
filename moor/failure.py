"""How a command ends when it cannot go on."""

from __future__ import annotations

import signal


class CommandError(Exception):
    """A command cannot go on; the text is complete, for a person to read."""


class WrongUseError(CommandError):
    """What was typed cannot be meant; the text says what can."""


class StoppedError(CommandError):
    """Somebody asked the command to end.

    Attributes:
        signal: The signal that came last.
        killed: Whether what was under way was killed, instead of coming to its end.
    """

    def __init__(
        self, number: signal.Signals = signal.SIGINT, *, killed: bool = False, state: str = ""
    ) -> None:
        """Say what state things are in.

        Args:
            number: The signal that came last.
            killed: Whether what was under way was killed.
            state: What was done and what was not; empty where nothing was changed.
        """
        word = "killed" if killed else "interrupted"
        super().__init__(f"{word}: {state or 'nothing was changed'}")
        self.signal = number
        self.killed = killed
