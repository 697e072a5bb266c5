"""An environment as it is now, asked in the time that a person waits for a screen."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from moor import health, last_words, status, typed
from moor.failure import CommandError
from moor.outputs import Outputs
from moor.overview import certificates, fullness, machines
from moor.overview.answers import Answers
from moor.overview.certificates import SOON_DAYS, Certificate
from moor.overview.within import Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from constructs_lib.settings.environment import Environment
    from moor.health import Row
    from moor.overview.machines import Machine
    from moor.plan import StackPlan
    from moor.session import Session
    from moor.swarm.cluster import Member

SECONDS: Final = 2.0
"""How long answers are waited for."""

FULL_PERCENT: Final = 95
NEARLY_FULL_PERCENT: Final = 85


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """An environment as it is now.

    Attributes:
        environment: The environment.
        outputs: What the last deployment told.
        machines: The machines.
        certificates: The certificates.
        rows: The services; None where nobody could be asked.
        members: The members of a swarm.
        lost: Why nothing is known of the services, in one line; empty where something is.
        plans: What Terraform says of both stacks; None where it was not asked.
        fills: What fills the disks that are full, by the machine's name and the disk's path.
    """

    environment: Environment
    outputs: Outputs
    machines: Sequence[Machine]
    certificates: Sequence[Certificate] = ()
    rows: Sequence[Row] | None = None
    members: Sequence[Member] = ()
    lost: str = ""
    plans: Sequence[StackPlan] | None = field(default=None)
    fills: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """What is wrong, one line each; none is what makes it green."""
        # One thing that is wrong may be why several others are.
        return list(dict.fromkeys(self._problems()))

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def _problems(self) -> Iterator[str]:
        told = [machine.problem for machine in self.machines if machine.problem]
        yield from told
        if self.lost and not told:
            yield self.lost
        for machine in self.machines:
            for disk in machine.host.disks:
                if disk.percent >= FULL_PERCENT:
                    filled = self.fills.get((machine.name, disk.path))
                    doctor = typed.program(self.environment, "doctor")
                    yield (
                        f"{machine.name}: the disk of {disk.path} must have room, got "
                        f"{disk.percent}% taken{f': {filled}' if filled else ''}; look with: "
                        f"{doctor}"
                    )
        for one in self.certificates:
            if one.is_over:
                yield (
                    f"the certificate of {one.of} must be valid, got one that ended on "
                    f"{one.ends:%Y-%m-%d}; `moor up` makes another"
                )
        yield from health.problems(
            self.rows or (),
            seconds=0,
            look=lambda row: last_words.command(self.environment, row.expected.service),
        )
        for plan in self.plans or ():
            for change in plan.drifted:
                yield (
                    f"{plan.stack}: {change.noun} {change.name} must be what was deployed, got it "
                    "changed behind Terraform's back; `moor plan` shows what"
                )

    @property
    def due(self) -> list[str]:
        """What has to be done soon, and is not wrong yet; one line each."""
        found = [
            f"{machine.name}: a reboot is due, for {machine.host.reboot}"
            for machine in self.machines
            if machine.host.reboot
        ]
        found += [
            f"the certificate of {one.of} ends in {one.days} days"
            for one in self.certificates
            if not one.is_over and one.days < SOON_DAYS
        ]
        found += [
            f"{machine.name}: {disk.percent}% of the disk of {disk.path} are taken"
            for machine in self.machines
            for disk in machine.host.disks
            if NEARLY_FULL_PERCENT <= disk.percent < FULL_PERCENT
        ]
        for plan in self.plans or ():
            others = len(plan.changes) - len(plan.drifted)
            if others:
                found.append(f"{plan.stack}: {others} changes of the configuration are to deploy")
        return found


def look(session: Session, *, seconds: float = SECONDS) -> Overview:
    """Look at an environment.

    Args:
        session: The command.
        seconds: How long to wait for answers at most.

    Raises:
        CommandError: Nothing is deployed.
        ValueError: The settings or services cannot be read.
    """
    deadline = time.monotonic() + seconds
    outputs = Outputs.load(session.environment)
    # Read here and below, where what is wrong with them is raised, and not in a thread.
    _ = session.settings
    asked = Question(lambda: machines.ask(session, outputs, seconds=seconds))
    answers = Answers(outputs.services.values(), deadline)
    _ = session.services
    services = Question(lambda: status.rows(session, outputs, ask=answers.of))
    members = Question(lambda: status.members_of(session, outputs))
    # It asks EC2 in the end, where a machine does not answer.
    there = asked.answer(deadline + seconds) or []
    rows, lost = _rows(services, deadline, is_reached=any(not one.problem for one in there))
    try:
        known = members.answer(deadline) or ()
    except CommandError:
        known = ()
    ends = {
        one.name if outputs.nodes else "the machine": one.api.certificate_ends
        for one in there
        if one.api.certificate_ends is not None
    }
    return Overview(
        environment=session.environment,
        outputs=outputs,
        machines=there,
        certificates=certificates.of(session.environment.certificates, ends),
        rows=rows,
        members=known,
        lost=lost,
        fills=fullness.ask(session, there, FULL_PERCENT, time.monotonic() + seconds),
    )


def _rows(
    services: Question[list[Row]], deadline: float, *, is_reached: bool
) -> tuple[list[Row] | None, str]:
    if not is_reached:
        return None, "services: must be seen, got no machine that answers"
    try:
        rows = services.answer(max(deadline, time.monotonic() + 0.5))
    except CommandError as error:
        return None, str(error)
    if rows is None:
        return None, "services: must be told by the engine in time, got silence; it may be busy"
    return rows, ""
