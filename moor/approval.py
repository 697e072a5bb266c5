"""Asking a person before something is changed that is not a sandbox's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from moor.failure import CommandError

if TYPE_CHECKING:
    from rich.console import Console

    from moor.session import Session


def must_be_attended(session: Session, *, approve: bool) -> None:
    """Refuse to change anything outside a sandbox that nobody could approve.

    Raises:
        CommandError: It would have to be asked, and nobody is there.
    """
    if session.settings.sandbox is None and not approve:
        _must_be_there(session)


def confirm(session: Session, question: str, console: Console | None = None) -> None:
    """Ask, and go on after a `yes` only.

    Args:
        session: The command.
        question: The question.
        console: Where it is asked; the command's by default.

    Raises:
        CommandError: The answer was another one, or nobody is there.
    """
    _must_be_there(session)
    (console or session.console).print(f"[bold]{question}[/] Type yes: ", end="")
    if sys.stdin.readline().strip() != "yes":
        raise CommandError("not approved: nothing of this was changed")


def _must_be_there(session: Session) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError(
            f"environment {session.environment.name}: must be approved at a terminal, got none; "
            "--approve, or APPROVE=1, approves beforehand"
        )
