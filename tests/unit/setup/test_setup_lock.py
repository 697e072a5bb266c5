"""One set-up at a time."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from setup.lock import exclusive

if TYPE_CHECKING:
    from setup.project import Project


def test_the_second_says_who_it_waits_for_and_waits(project: Project) -> None:
    said = threading.Event()
    entered = threading.Event()
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        said.set()

    def second() -> None:
        with exclusive(project.lock, report):
            entered.set()

    with exclusive(project.lock, lines.append):
        thread = threading.Thread(target=second)
        thread.start()
        assert said.wait(10)
        assert not entered.is_set()
    assert entered.wait(10)
    thread.join()
    assert lines == [
        f"another set-up is running (process {os.getpid()}); waiting for it to end",
    ]


def test_one_after_the_other_says_nothing(project: Project) -> None:
    lines: list[str] = []
    for _ in range(2):
        with exclusive(project.lock, lines.append):
            pass
    assert lines == []
