"""What a database loses when its machine is replaced, restored or rebooted.

`python -m benchmarks.day_two [REPLACEMENTS]` deploys a PostgreSQL with a data volume to the
sandbox, lets somebody write into it all the time, and writes `docs/day-two-figures.md`. It ends
with status 1 where a row that was acknowledged is gone.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from benchmarks.day_two.database import Database, interrupted, waited
from benchmarks.day_two.writer import Writer
from moor.toolchain.toolchain import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE: Final = ROOT / "docs" / "day-two-figures.md"
REPLACEMENTS: Final = 20
_HANG_SECONDS: Final = 20.0
_FAULTS: Final = ("none", "moor killed", "machine killed", "AWS killed", "AWS hangs")
_DELAYS: Final = (6.0, 12.0, 18.0, 26.0)
"""When a fault comes, in seconds after the command began; another one in each round."""


_console = Console(highlight=False, markup=False, soft_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was seen of one event.

    Attributes:
        event: What happened.
        downtime_seconds: The longest time in which no row was acknowledged.
        repairs: How often `moor up` ran until it succeeded; 0 where nothing was to be repaired.
        rows: How many acknowledged rows there were to be found afterwards.
        lost: How many of them are gone.
        load: The one-minute load average before.
    """

    event: str
    downtime_seconds: float
    repairs: int
    rows: int
    lost: int
    load: float

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        return (
            self.event,
            f"{self.downtime_seconds:.1f}",
            str(self.repairs or ""),
            str(self.rows),
            str(self.lost),
            f"{self.load:.0f}",
        )


def observed(writer: Writer, event: str, act: Callable[[], int]) -> Row:
    """Let something happen under the writer.

    Args:
        writer: Who writes.
        event: What it is called.
        act: What brings it about; returns how often `moor up` had to repair something.
    """
    load, begin = os.getloadavg()[0], time.time() - 1.0
    repairs = act()
    writer.wait_for_another()
    row = Row(
        event=event,
        downtime_seconds=writer.downtime(begin),
        repairs=repairs,
        rows=len(writer.acknowledged()),
        lost=len(writer.lost()),
        load=load,
    )
    _console.print(" | ".join(row.cells))
    return row


def replaced(database: Database, fault: str, delay: float) -> int:
    """Replace the machine, with a fault in the middle; returns how often `up` was needed.

    Args:
        database: The database.
        fault: One of `_FAULTS`.
        delay: When it comes, in seconds after the begin.
    """
    process = database.start("host", "replace")
    with ExitStack() as stack:
        if fault != "none" and waited(process, delay):
            if fault == "moor killed":
                interrupted(process)
            elif fault == "machine killed":
                database.kill_machine()
            elif fault == "AWS killed":
                database.kill_emulator()
            else:
                stack.enter_context(database.hanging())
                time.sleep(_HANG_SECONDS)
        stack.close()
        told, _ = process.communicate() if process.returncode is None else ("", "")
    if process.returncode == 0:
        return 0
    last = (told or "").strip().splitlines()[-1:] or [fault]
    _console.print(f"  {last[0][:150]}")
    if fault == "AWS killed":
        # The sandbox's registry goes with it, and has its own images again, but not this one.
        database.publish(_console.print)
    return database.repair()


def restored(database: Database, writer: Writer) -> tuple[Row, str]:
    """Go back to a snapshot; returns what was seen, and the counts of rows in words."""
    database.moor("backup", "create")
    then = int(writer.ask("select count(*) from rows")[0])
    database.moor("up")
    load, begin = os.getloadavg()[0], time.time() - 1.0
    last = max(writer.acknowledged())
    before = sum(int(row) <= last for row in writer.ask("select id from rows"))
    database.moor("backup", "restore", "newest")
    writer.wait_for_another()
    # What was written between the snapshot and the restore is gone on purpose.
    writer.forget_until_the_gap(begin)
    after = sum(int(row) <= last for row in writer.ask("select id from rows"))
    row = Row(
        event="a restore of the newest snapshot",
        downtime_seconds=writer.downtime(begin),
        repairs=0,
        rows=len(writer.acknowledged()),
        lost=len(writer.lost()),
        load=load,
    )
    counts = (
        f"{then} rows at the end of the command that made the snapshot, {before} before the "
        f"restore, and {after} of these after it"
    )
    _console.print(f"{' | '.join(row.cells)}\n  {counts}")
    return row, counts


def page(rows: Sequence[Row], counts: str, *, version: str) -> str:
    """Write the page.

    Args:
        rows: What was seen.
        counts: The counts of rows around the restore, in words; empty where they are not known.
        version: PostgreSQL's version.
    """
    header = ("what happens", "seconds without a write", "`up` after it", "rows", "lost", "load")
    return "\n".join(
        [
            "# What a database loses",
            "",
            (
                "Written by `python -m benchmarks.day_two`; do not edit. PostgreSQL "
                f"{version} from Debian's package on one machine of the sandbox with a data "
                "volume, and PostgreSQL's own client, which inserts a row about five times a "
                "second and notes what was acknowledged. One computer with "
                f"{os.cpu_count()} processors. Each line is one event; `up` after it is how often "
                "`moor up` had to run until everything was as it should be. A fault comes in the "
                "middle of `moor host replace`, at another moment in each round. That AWS is "
                "killed means the sandbox's emulated one, and all machines with it; that it hangs "
                f"means that it answers nothing for {_HANG_SECONDS:.0f} s, a volume's detachment "
                "among it."
            ),
            "",
            *([f"Around the restore: {counts}.", ""] if counts else []),
            f"| {' | '.join(header)} |",
            f"| --- |{' ---: |' * (len(header) - 1)}",
            *(f"| {' | '.join(row.cells)} |" for row in rows),
            "",
        ]
    )


def main(replacements: int = REPLACEMENTS) -> int:
    """Measure, and write the page; returns the exit status.

    Args:
        replacements: How many replacements with faults.
    """
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder))
        try:
            database.publish(_console.print)
            database.moor("up")
            with Writer(database) as writer:
                rows, counts, version = _events(database, writer, replacements)
        finally:
            database.end()
    PAGE.write_text(page(rows, counts, version=version), encoding="utf-8")
    return 1 if any(row.lost for row in rows) else 0


def _events(database: Database, writer: Writer, number: int) -> tuple[list[Row], str, str]:
    def moor(*words: str) -> Callable[[], int]:
        def act() -> int:
            database.moor(*words)
            return 0

        return act

    def rotated() -> int:
        database.moor("certs", "rotate", "all")
        database.moor("up")
        return 0

    version = re.findall(r"[\d.]+", " ".join(writer.ask("show server_version")))[0]
    rows = [
        observed(writer, "the machine is replaced", moor("host", "replace")),
        observed(writer, "all certificates are rotated, and the next `up`", rotated),
        observed(writer, "the operating system reboots", moor("os", "reboot")),
    ]
    row, counts = restored(database, writer)
    rows.append(row)
    for n, fault in enumerate(islice(cycle(_FAULTS), number)):
        delay = _DELAYS[n // len(_FAULTS) % len(_DELAYS)]
        name = f"replacement {n + 1}" + (
            f", {fault} after {delay:.0f} s" if n % len(_FAULTS) else ""
        )
        rows.append(observed(writer, name, partial(replaced, database, fault, delay)))
    return rows, counts, version


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:2])))
