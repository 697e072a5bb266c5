"""A step, and the stamps that tell which steps are current."""

from __future__ import annotations

import hashlib
import json
import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from setup import children
from setup.console import say, say_up_to_date
from setup.variables import child_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from setup.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all steps share.

    Attributes:
        project: The project's folder.
        variables: The environment of the caller.
        lock: The descriptor of the lock file, which commands inherit; None in tests.
    """

    project: Project
    variables: Mapping[str, str]
    lock: int | None = None


class Step(ABC):
    """One thing that set-up makes.

    Args:
        context: What all steps share.

    Attributes:
        name: What people type after `--only`.
        after: The steps that this one needs.
        interrupted: Whether the last run of this step did not come to its end.
    """

    name: ClassVar[str]
    after: ClassVar[tuple[str, ...]] = ()

    def __init__(self, context: Context) -> None:
        self.context = context
        self.project = context.project
        self.interrupted = False

    @abstractmethod
    def inputs(self) -> Mapping[str, object]:
        """Return all on which the result depends, as JSON takes it.

        Where a recipe itself changes in a way that makes old results wrong, change an entry.
        """

    @abstractmethod
    def is_intact(self) -> bool:
        """Return whether what this step made is still there."""

    @abstractmethod
    def run(self) -> str:
        """Do it.

        Returns:
            One line that says what is there now.

        Raises:
            SetupError: It cannot be done.
        """

    def say(self, text: str) -> None:
        """Print one line of progress."""
        say(self.name, text)

    def command(
        self,
        *words: str | os.PathLike[str],
        cwd: Path | None = None,
        variables: Mapping[str, str] | None = None,
        holds_lock: bool = True,
    ) -> None:
        """Run a command, with its output in this step's log.

        Args:
            *words: The program and its arguments.
            cwd: Its working directory; the project's folder by default.
            variables: What is added to its environment.
            holds_lock: Whether it keeps the lock where set-up is killed. Not for commands that
                start services: they would hold it for ever.

        Raises:
            SetupError: It fails.
        """
        lock = self.context.lock
        children.run(
            words,
            log=self.project.logs / f"{self.name}.log",
            cwd=cwd or self.project.root,
            variables=child_variables(self.project, self.context.variables) | dict(variables or {}),
            inherited=() if lock is None or not holds_lock else (lock,),
        )

    @property
    def _stamp(self) -> Path:
        return self.project.stamps / self.name

    @property
    def _started(self) -> Path:
        return self.project.stamps / f"{self.name}.started"

    def _digest(self) -> str:
        text = json.dumps(self.inputs(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def is_current(self) -> bool:
        """Return whether there is nothing to do."""
        try:
            stamp = self._stamp.read_text().strip()
        except OSError:
            return False
        return stamp == self._digest() and self.is_intact()

    def perform(self) -> None:
        """Run the step, print what it did and how long it took, and stamp it.

        Raises:
            SetupError: It cannot be done.
        """
        for folder in (self.project.stamps, self.project.logs, self.project.temporary):
            folder.mkdir(parents=True, exist_ok=True)
        self.interrupted = self._started.exists()
        self._started.touch()
        self._stamp.unlink(missing_ok=True)
        (self.project.logs / f"{self.name}.log").unlink(missing_ok=True)
        digest = self._digest()  # before the run: an input that changes meanwhile is not in it
        begin = time.monotonic()
        result = self.run()
        replace(self._stamp, digest + "\n")
        self._started.unlink()
        self.say(f"{result} ({time.monotonic() - begin:.1f} s)")


def perform_all(steps: Sequence[Step], *, redo: Sequence[str] = ()) -> None:
    """Run those steps that are not current, in the given order.

    Args:
        steps: The steps.
        redo: Names of steps that run even when current.

    Raises:
        SetupError: One of them cannot be done. Those after it are not run.
    """
    current: list[str] = []
    for step in steps:
        if step.name not in redo and step.is_current():
            current.append(step.name)
            continue
        say_up_to_date(current)
        current = []
        step.perform()
    say_up_to_date(current)


def replace(path: Path, text: str) -> None:
    """Write a file, such that a reader finds the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_text(text)
    temporary.replace(path)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, "missing" where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return "missing"
