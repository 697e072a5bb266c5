"""An environment on one screen that is drawn again and again, until somebody has seen enough."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from moor.failure import CommandError, WrongUseError
from moor.overview import overview, view

if TYPE_CHECKING:
    from rich.console import RenderableType

    from moor.session import Session

LEAST_SECONDS: Final = 1.0
"""Asking a machine more often than that is work for it, and news for nobody."""


def watch(session: Session, *, every_seconds: float) -> None:
    """Draw until the program is interrupted.

    Args:
        session: The command.
        every_seconds: How long to wait between two looks, 1 and more.

    Raises:
        WrongUseError: There is no terminal, or the time is too short.
        CommandError: Nothing is deployed.
        ValueError: The settings or services cannot be read.
    """
    if every_seconds < LEAST_SECONDS:
        raise WrongUseError(
            f"--every: must be {LEAST_SECONDS:g} second or more, got {every_seconds:g}"
        )
    if not session.console.is_terminal:
        raise WrongUseError(
            "watch: must have a terminal to draw on, got none; `moor status --json` is for scripts"
        )
    last = _screen(session)
    try:
        with Live(last, console=session.console, auto_refresh=False, screen=True) as live:
            live.refresh()
            while True:
                time.sleep(every_seconds)
                last = _screen(session)
                live.update(last, refresh=True)
    except KeyboardInterrupt:
        # That is how it ends, and the last look stays to be read.
        session.console.print(last)


def _screen(session: Session) -> RenderableType:
    foot = Text(f"\n{datetime.now().astimezone():%H:%M:%S}  ctrl-c ends", style="dim")
    try:
        seen = overview.look(session)
    except CommandError as error:
        # It may be there again at the next look: a deployment may be at work.
        return Group(Text(str(error), style="bold red"), foot)
    problems = [Text(line, style="red") for line in seen.problems]
    return Group(view.render(session, seen), *problems, foot)
