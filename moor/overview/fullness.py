"""What fills the disks that are full: it is asked for these alone, since it takes its time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moor.failure import CommandError
from moor.overview.within import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.overview.machines import Machine
    from moor.session import Session


def ask(
    session: Session, machines: Sequence[Machine], percent: int, deadline: float
) -> dict[tuple[str, str], str]:
    """Return what fills each full disk, by the machine's name and the disk's path.

    Args:
        session: The command.
        machines: The machines, as they were seen.
        percent: From how much taken on a disk is full.
        deadline: Until when to wait, by the monotonic clock. What is not told by then is left out.
    """
    full = [(m, disk) for m in machines for disk in m.host.disks if disk.percent >= percent]
    if not full:
        return {}
    from moor.operation import disk_use  # noqa: PLC0415  # heavy
    from moor.operation.hosts import hosts  # noqa: PLC0415

    there = {host.address: host for host in hosts(session.environment)}
    seconds = max(1.0, deadline - time.monotonic())
    asked = {
        (machine.name, disk.path): Question(
            lambda host=there[machine.address], disk=disk: disk_use.ask(  # type: ignore[misc]  # the loop's own
                session.environment, host, disk, seconds=seconds
            )
        )
        for machine, disk in full
        if machine.address in there
    }
    found = {}
    for key, question in asked.items():
        try:
            told = question.answer(deadline)
        except CommandError:
            # That it is full is told all the same.
            continue
        if told:
            found[key] = told
    return found
