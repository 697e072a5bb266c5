"""A step, and the stamps that tell which steps are current."""

from __future__ import annotations

import hashlib
import json
import os
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from setup.children import Children
from setup.console import Console
from setup.errors import StoppedError
from setup.variables import child_variables

if TYPE_CHECKING:
    import re
    import threading
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from setup.project import Project

_POLL = 0.2
"""Seconds after which a step that waits for its turn looks whether it is to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all steps share.

    Attributes:
        project: The project's folder.
        variables: The environment of the caller.
        lock: The descriptor of the lock file, which commands inherit; None in tests.
        children: The commands that run.
        console: Where steps print.
    """

    project: Project
    variables: Mapping[str, str]
    lock: int | None = None
    children: Children = field(default_factory=Children)
    console: Console = field(default_factory=Console)


class Step(ABC):
    """One thing that set-up makes. Steps run in threads, side by side.

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
        self._waited = 0.0

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
        """Print one line that stays."""
        self.context.console.say(self.name, text)

    def doing(self, text: str) -> None:
        """Tell what the step does now, such as "installing pipenv"."""
        self.context.console.doing(self.name, text)

    def command(
        self,
        *words: str | os.PathLike[str],
        cwd: Path | None = None,
        variables: Mapping[str, str] | None = None,
        on_system: bool = False,
        noise: re.Pattern[str] | None = None,
    ) -> None:
        """Run a command, with its output in this step's log.

        Args:
            *words: The program and its arguments.
            cwd: Its working directory; the project's folder by default.
            variables: What is added to its environment.
            on_system: Whether it installs packages of the operating system. It does not keep
                the lock where set-up is killed, because a service that it starts would hold
                that for ever; and it goes on where another step fails, because packages that
                are installed half-way have to be mended by hand.
            noise: Lines of progress, which an error leaves out.

        Raises:
            SetupError: It fails.
            StoppedError: Another step failed, or set-up is interrupted.
        """
        lock = self.context.lock
        self.context.children.run(
            words,
            log=self._log,
            cwd=cwd or self.project.root,
            variables=child_variables(self.project, self.context.variables) | dict(variables or {}),
            inherited=() if lock is None or on_system else (lock,),
            spared=on_system,
            noise=noise,
        )

    def read(
        self,
        *words: str | os.PathLike[str],
        cwd: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> str | None:
        """Return what a short command prints on its standard output; None where it fails.

        Args:
            *words: The program and its arguments.
            cwd: Its working directory; the project's folder by default.
            variables: What is added to its environment.

        Raises:
            StoppedError: Another step failed, or set-up is interrupted.
        """
        return self.context.children.read(
            words,
            cwd=cwd or self.project.root,
            variables=child_variables(self.project, self.context.variables) | dict(variables or {}),
        )

    def sleep(self, seconds: float) -> None:
        """Wait.

        Args:
            seconds: How long.

        Raises:
            StoppedError: Another step failed, or set-up is interrupted.
        """
        time.sleep(seconds)
        if self.context.children.stopped:
            raise StoppedError

    @contextmanager
    def turn(self, lock: threading.Lock) -> Iterator[None]:
        """Hold a lock that other steps take too. Waiting for it is not part of the step's time.

        Args:
            lock: What one step at a time may have.

        Raises:
            StoppedError: Another step failed, or set-up is interrupted.
        """
        if not lock.acquire(blocking=False):
            self.doing("waiting for its turn")
            begin = time.monotonic()
            while not lock.acquire(blocking=False):
                self.sleep(_POLL)
            self._waited += time.monotonic() - begin
        try:
            yield
        finally:
            lock.release()

    @property
    def _log(self) -> Path:
        return self.project.logs / f"{self.name}.log"

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
            StoppedError: Another step failed, or set-up is interrupted.
        """
        for folder in (self.project.stamps, self.project.logs, self.project.temporary):
            folder.mkdir(parents=True, exist_ok=True)
        self.interrupted = self._started.exists()
        self._started.touch()
        self._stamp.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)
        digest = self._digest()  # before the run: an input that changes meanwhile is not in it
        begin = time.monotonic()
        self._waited = 0.0
        self.context.console.begin(self.name, self._log)
        try:
            result = self.run()
        finally:
            self.context.console.end(self.name)
        replace(self._stamp, digest + "\n")
        self._started.unlink()
        self.say(f"{result} ({time.monotonic() - begin - self._waited:.1f} s)")


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
