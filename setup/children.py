"""The commands that set-up runs: no standard input, the output in a log, no orphans."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from setup.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TAIL_LINES = 25
_GRACE = 5.0
"""Seconds that a command has to end by itself after it was told to."""


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    log: Path,
    cwd: Path,
    variables: Mapping[str, str],
    inherited: Sequence[int] = (),
) -> None:
    """Run one command to its end.

    Args:
        command: The program and its arguments.
        log: Where its output is added.
        cwd: Its working directory.
        variables: Its whole environment.
        inherited: Descriptors that it keeps open.

    Raises:
        SetupError: It cannot be run or its exit status is not 0. The text has the end of its
            output.
    """
    words = [os.fspath(word) for word in command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        output.write(f"$ {shlex.join(words)}\n".encode())
        output.flush()
        begin = output.tell()
        try:
            # A session of its own: an interrupt ends the command and all that it started.
            process = subprocess.Popen(
                words,
                cwd=cwd,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(inherited),
            )
        except OSError as error:
            msg = f"{words[0]}: must be a program that runs, got {error.strerror}"
            raise SetupError(msg) from error
        try:
            status = process.wait()
        except BaseException:
            _end(process)
            raise
    if status != 0:
        with log.open("rb") as output:
            output.seek(begin)
            tail = output.read().decode(errors="replace").rstrip().splitlines()[-_TAIL_LINES:]
        lines = [
            f"{shlex.join(words[:4])}: exit status: must be 0, got {status}; the log is {log}",
            *(f"    {line}" for line in tail),
        ]
        raise SetupError("\n".join(lines))


def read(
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
    """
    try:
        result = subprocess.run(
            [os.fspath(word) for word in command],
            cwd=cwd,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and whatever it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    while time.monotonic() < deadline:
        if process.poll() is not None and not _group_lives(process.pid):
            return
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
