"""What is printed: plain lines, the same in a terminal and in a log."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME_WIDTH = 15


def say(subject: str, text: str) -> None:
    """Print one line.

    Args:
        subject: The step, or another word for what the line is about.
        text: The rest.
    """
    sys.stdout.write(f"set-up  {subject:<{_NAME_WIDTH}}  {text}\n")
    sys.stdout.flush()


def say_up_to_date(names: Iterable[str]) -> None:
    """Print one line for all of the steps that had nothing to do."""
    if text := ", ".join(names):
        say("up to date", text)


def complain(text: str) -> None:
    """Print an error."""
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
