"""Run commands, and take their time and memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

TIMES: Final = 3
"""How often those run in a round that take little time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of a command, or the medians of several.

    Attributes:
        wall: Seconds from start to end.
        cpu: Seconds of processor time, with all child processes.
        memory: MiB of the largest process at its peak.
    """

    wall: float
    cpu: float
    memory: float

    @classmethod
    def median(cls, samples: Sequence[Self]) -> Self:
        """Give the median of each figure."""
        return cls(
            wall=statistics.median(s.wall for s in samples),
            cpu=statistics.median(s.cpu for s in samples),
            memory=statistics.median(s.memory for s in samples),
        )


def run(command: Sequence[str], *, folder: Path, variables: Mapping[str, str]) -> Sample:
    """Run one command to its end.

    Raises:
        RuntimeError: Its exit status is not 0. The text has the end of what it printed.
    """
    begin = time.perf_counter()
    # Text that nobody reads would fill the pipe and stop it: a file is never full.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            tail = output.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{command[0]}: must end with 0, got {process.returncode}:\n{tail}")
    return Sample(wall=wall, cpu=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss / 1024)


def alternate(
    subjects: Mapping[str, Callable[[], Sample]],
    *,
    rounds: int,
    report: Callable[[str], None],
    often: Collection[str] = (),
) -> dict[str, Sample]:
    """Run each subject in turn, again and again, so that all meet the same load.

    Args:
        subjects: What to run, by name. Each runs once before it counts.
        rounds: How often each one counts.
        report: Takes a line on the progress.
        often: Which of them run, in turn, `TIMES` times in each round: they take little time,
            and the less they take the more a busy moment of the computer matters.

    Returns:
        The medians, by name.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in subjects}
    again = [name for name in subjects if name in often] * (TIMES - 1)
    for number in range(rounds + 1):
        for name in (*subjects, *again):
            sample = subjects[name]()
            if number:
                samples[name].append(sample)
                report(f"{number}/{rounds} {name}: {sample.wall:.2f} s, {sample.memory:.0f} MiB")
    return {name: Sample.median(found) for name, found in samples.items()}
