"""The commands that set-up runs: no standard input, the output in a log, no orphans."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from setup.errors import SetupError, StoppedError

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_TAIL_LINES = 25
_GRACE = 5.0
"""Seconds that commands have to end by themselves after they were told to."""


class Children:
    """The commands that run now. Steps run them from threads, and one call ends all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[subprocess.Popen[bytes], bool] = {}  # and whether it is spared
        self._ended: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        log: Path,
        cwd: Path,
        variables: Mapping[str, str],
        inherited: Sequence[int] = (),
        spared: bool = False,
        noise: re.Pattern[str] | None = None,
    ) -> None:
        """Run one command to its end.

        Args:
            command: The program and its arguments.
            log: Where its output is added.
            cwd: Its working directory.
            variables: Its whole environment.
            inherited: Descriptors that it keeps open.
            spared: Whether it goes on to its end where another step fails.
            noise: Lines of progress, which an error leaves out.

        Raises:
            SetupError: It cannot be run or its exit status is not 0. The text has the end of
                its output.
            StoppedError: It was ended by `end`, or not started any more.
        """
        words = [os.fspath(word) for word in command]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            output.write(f"$ {shlex.join(words)}\n".encode())
            output.flush()
            begin = output.tell()
            try:
                with self._started(
                    words,
                    cwd=cwd,
                    variables=variables,
                    output=output,
                    inherited=inherited,
                    spared=spared,
                ) as process:
                    status = process.wait()
            except OSError as error:
                msg = f"{words[0]}: must be a program that runs, got {error.strerror}"
                raise SetupError(msg) from error
        if status != 0:
            with log.open("rb") as output:
                output.seek(begin)
                said = output.read().decode(errors="replace").rstrip().splitlines()
            told = [line for line in said if noise is None or not noise.fullmatch(line)]
            lines = [
                f"{shlex.join(words[:4])}: exit status: must be 0, got {status}; the log is {log}",
                *(f"    {line}" for line in told[-_TAIL_LINES:]),
            ]
            raise SetupError("\n".join(lines))

    def read(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        cwd: Path,
        variables: Mapping[str, str],
        timeout: float = 30.0,
    ) -> str | None:
        """Return what a short command prints on its standard output.

        Args:
            command: The program and its arguments.
            cwd: Its working directory.
            variables: Its whole environment.
            timeout: Seconds until it is given up.

        Returns:
            The output; None where it cannot be run, fails or takes too long.

        Raises:
            StoppedError: It was ended by `end`, or not started any more.
        """
        words = [os.fspath(word) for word in command]
        try:
            with self._started(words, cwd=cwd, variables=variables) as process:
                try:
                    output, _ = process.communicate(timeout=timeout)
                except subprocess.TimeoutExpired:
                    return None
        except OSError:
            return None
        return None if process.returncode else output.decode(errors="replace")

    @property
    def stopped(self) -> bool:
        """Whether no command may be started any more."""
        return self._stopped

    def end(self, *, all_of_them: bool) -> None:
        """End the commands and whatever they have started, and let no other one start.

        They are asked to end and then killed: at once where a second interrupt cuts the
        waiting short.

        Args:
            all_of_them: Whether those end too that are to be spared where another step fails.
        """
        with self._lock:
            self._stopped = True
            self._ended = {p for p, spared in self._running.items() if all_of_them or not spared}
            groups = [process.pid for process in self._ended]
        for group in groups:
            _signal(group, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        try:
            while any(map(_lives, groups)) and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            for group in groups:
                _signal(group, signal.SIGKILL)

    @contextmanager
    def _started(
        self,
        words: list[str],
        *,
        cwd: Path,
        variables: Mapping[str, str],
        output: IO[bytes] | None = None,
        inherited: Sequence[int] = (),
        spared: bool = False,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command, and see that nothing is left of it at the end.

        Args:
            words: The program and its arguments.
            cwd: Its working directory.
            variables: Its whole environment.
            output: Where all of its output goes; None for its standard output to a pipe.
            inherited: Descriptors that it keeps open.
            spared: Whether it goes on to its end where another step fails.
        """
        with self._lock:
            if self._stopped:
                raise StoppedError
            # A session of its own: the terminal's interrupt reaches set-up alone, which then
            # ends the command and all that it started.
            process = subprocess.Popen(
                words,
                cwd=cwd,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output or subprocess.PIPE,
                stderr=subprocess.STDOUT if output else subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=tuple(inherited),
            )
            self._running[process] = spared
        try:
            yield process
        finally:
            if process.poll() is None:  # given up, not ended
                _signal(process.pid, signal.SIGKILL)
                process.wait()
            with self._lock:
                del self._running[process]
                was_ended = process in self._ended
            if process.stdout is not None:
                process.stdout.close()
        if was_ended:
            raise StoppedError


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
