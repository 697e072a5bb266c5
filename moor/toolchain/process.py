"""A program that works for a command: watched as it goes, and never left half-way by accident.

What it prints goes to a file, and is read from there. A pipe would kill Terraform, and with it
what it knows of the resources that it has just made, as soon as the reader is gone. Where this
process is killed the kernel interrupts the program, which then comes to an end in order.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from moor.failure import CommandError, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

_POLL_SECONDS: Final = 0.03
_SET_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks a command to end: a person, a supervisor, and a terminal that goes away."""

_libc: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True, kw_only=True)
class Process:
    """A program that runs.

    Attributes:
        name: What it is called in messages, such as `terraform plan (aws)`.
        log: The file with all that it prints.
        on_line: Takes each line that it prints, without its end.
    """

    name: str
    log: Path
    on_line: Callable[[str], None]
    _popen: subprocess.Popen[bytes]
    _position: int
    _rest: bytes = field(default=b"", repr=False)

    @classmethod
    def start(
        cls,
        words: Sequence[str],
        *,
        name: str,
        folder: Path,
        variables: Mapping[str, str],
        log: Path,
        on_line: Callable[[str], None] = lambda _line: None,
        inherited: Sequence[int] = (),
        fresh: bool = False,
    ) -> Process:
        """Start a program, in a process group of its own.

        Args:
            words: The program and its arguments.
            name: What it is called in messages.
            folder: Its working directory.
            variables: Its whole environment.
            log: The file that gets what it prints; readable by its owner alone.
            on_line: Takes each line that it prints, while `wait_for` waits for it.
            inherited: Descriptors that it keeps open.
            fresh: Whether what others have printed into that file is forgotten.

        Raises:
            CommandError: It cannot be started.
        """
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(log, flags | (os.O_TRUNC if fresh else 0), 0o600)
        try:
            position = os.fstat(descriptor).st_size
            popen = subprocess.Popen(
                list(words),
                cwd=folder,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                pass_fds=tuple(inherited),
                # Ctrl-C is for us: the program is told by us, once, and not by the terminal too.
                start_new_session=True,
                # No threads here, which could hold a lock that the copy then waits for.
                preexec_fn=_interrupted_with_its_parent,  # noqa: PLW1509
                umask=0o077,
            )
        except OSError as error:
            raise CommandError(
                f"{name}: {words[0]}: must be a program that runs, got: {error.strerror}; "
                "run `make setup`"
            ) from error
        finally:
            os.close(descriptor)
        return cls(name=name, log=log, on_line=on_line, _popen=popen, _position=position)

    @property
    def status(self) -> int | None:
        """Its exit status, negative where a signal ended it; None while it runs."""
        return self._popen.poll()

    def interrupt(self) -> None:
        """Ask it to come to an end."""
        with contextlib.suppress(ProcessLookupError):
            self._popen.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it at once, and what it has started."""
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def read(self) -> None:
        """Hand on the lines that it has printed since the last time."""
        with self.log.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        self._position += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.on_line(line.decode(errors="replace"))

    def end_of_lines(self) -> None:
        """Hand on all that is left, once it has ended."""
        self.read()
        if self._rest:
            self.on_line(self._rest.decode(errors="replace"))
            self._rest = b""

    def must_have_ended_well(self) -> None:
        """Refuse an end by a signal.

        Raises:
            CommandError: A signal ended it; with the name of the signal.
        """
        status = self.status
        if status is not None and status < 0:
            raise CommandError(
                f"{self.name}: must come to its end by itself, got killed by "
                f"{signal.Signals(-status).name}; the log is {self.log}"
            )


def _interrupted_with_its_parent() -> None:
    """Have the kernel interrupt this process when its parent dies. Runs between fork and exec."""
    _libc.prctl(_SET_DEATH_SIGNAL, signal.SIGINT)
    # A shell may have started us with the signal ignored, which a program inherits.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Interrupts:
    """Counts the requests to end, while it is entered.

    Attributes:
        count: How many have come.
        last: The last one's signal.
    """

    def __init__(self) -> None:
        self.count = 0
        self.last = signal.SIGINT
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Begin to count."""
        for number in _INTERRUPTS:
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        """Do again what was done before."""
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal() returned

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.last = signal.Signals(number)


def wait_for(
    processes: Sequence[Process],
    *,
    interrupts: Interrupts | None = None,
    tick: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda _line: None,
) -> None:
    """Wait until all of some programs have ended, and read along.

    The first request to end interrupts them, so that they end in order; the second one kills.

    Args:
        processes: The programs.
        interrupts: Counts the requests; an own one by default.
        tick: Called every few hundredths of a second.
        say: Takes a line for a person.

    Raises:
        StoppedError: A request to end came. All of the programs have ended by then.
    """
    with contextlib.ExitStack() as stack:
        asked = interrupts or stack.enter_context(Interrupts())
        stack.callback(_kill_all, processes)
        before = asked.count
        told = 0
        for _ in _until_ended(processes):
            for process in processes:
                process.read()
            tick()
            came = asked.count - before
            if came > told:
                told = came
                if came == 1:
                    say(
                        "interrupted: waiting until what is under way has come to an end "
                        "(once more kills it)"
                    )
                    for process in processes:
                        process.interrupt()
                else:
                    _kill_all(processes)
        for process in processes:
            process.end_of_lines()
        tick()
        if asked.count > before:
            raise StoppedError(asked.last, killed=told > 1)


def _until_ended(processes: Sequence[Process]) -> Iterator[None]:
    while True:
        ended = all(process.status is not None for process in processes)
        yield
        if ended:
            return
        time.sleep(_POLL_SECONDS)


def _kill_all(processes: Sequence[Process]) -> None:
    for process in processes:
        process.kill()
