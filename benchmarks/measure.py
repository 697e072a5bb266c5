"""Run commands, and take their time and memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

_LAUNCHER: Final = Path(__file__).parent / "launcher.py"

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
        """Return the median of each figure."""
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
    # Text that nobody reads would fill the pipe and stop it: a file is never full.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as found:
        descriptor = found.fileno()
        launcher = subprocess.run(
            [sys.executable, "-I", "-S", str(_LAUNCHER), str(descriptor), *command],
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[descriptor],
            check=False,
        )
        found.seek(0)
        figures = found.read().split()
        code = int(figures[3]) if launcher.returncode == 0 else launcher.returncode
        if code != 0:
            output.seek(0)
            tail = output.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{command[0]}: must end with 0, got {code}:\n{tail}")
    wall, cpu, peak = (float(figure) for figure in figures[:3])
    return Sample(wall=wall, cpu=cpu, memory=peak / 1024)


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
