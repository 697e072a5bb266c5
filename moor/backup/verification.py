"""Trying a snapshot: its services start on a throw-away machine, and their own checks are asked."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from moor import health
from moor.backup import throw_away
from moor.backup.aws import Ec2
from moor.backup.backed_up import machine_of, must_have_a_volume
from moor.backup.throw_away import ThrowAway
from moor.failure import CommandError
from moor.health import Expected, Row
from moor.operation.containers import SERVICE
from moor.recovery import PROJECT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from moor.backup.machine import Machine
    from moor.backup.snapshot import Snapshot
    from moor.screen import Screen
    from moor.session import Session

_LEAST_SECONDS: Final = 5.0
_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a trial has shown.

    Attributes:
        snapshot: What was tried.
        rows: What has become of each container that is in it.
        seconds: How long it took until the checks had answered, from the machine's start.
    """

    snapshot: Snapshot
    rows: tuple[Row, ...]
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether each container is as it should be, and there is one."""
        return bool(self.rows) and all(row.verdict == "good" for row in self.rows)


def verify(
    session: Session, screen: Screen, name: str, *, node: str | None = None, within: float
) -> Verdict:
    """Try a snapshot.

    Args:
        session: The command, which holds the environment's lock.
        screen: Where progress is told.
        name: The snapshot: an id, or `newest`.
        node: The machine that it must be of; any where unset.
        within: Seconds after which it has failed: for the machine, and for the services' checks.

    Raises:
        CommandError: It cannot be tried. What was made for it is gone.
        StoppedError: Somebody asked to end; likewise.
    """
    must_have_a_volume(session)
    ec2 = Ec2(session)
    snapshot = ec2.snapshot(name, node)
    there = machine_of(session, snapshot.node)
    model = [a["InstanceId"] for a in ec2.volume(snapshot.node)["Attachments"]]
    if not model:
        raise CommandError(f"machine {snapshot.node}: must run, got none with the data volume")
    throw_away.remove_all(session, ec2, screen.say)
    trial = ThrowAway(session, ec2, screen, snapshot)
    begin = time.monotonic()
    with throw_away.ending(trial):
        shell = trial.make(str(model[0]), there, seconds=within)
        with screen.phase("services start, and their checks are asked", done=""):
            rows = _ask(session, shell, snapshot, screen, within=within)
        seconds = time.monotonic() - begin
    return Verdict(snapshot=snapshot, rows=tuple(rows), seconds=seconds)


def _ask(
    session: Session, shell: Machine, snapshot: Snapshot, screen: Screen, *, within: float
) -> list[Row]:
    started: list[str] = []
    if session.settings.is_swarm:
        from moor.backup import swarm_trial  # noqa: PLC0415  # for a swarm only
        from moor.swarm import service_state  # noqa: PLC0415

        expected = service_state.expectations(session.services)
        started = swarm_trial.start(session, shell, snapshot, seconds=within)
    else:
        expected = health.expectations(session.services, {})
        _start(session, shell, expected, within=within)
    ends = {one.service for one in expected if one.ends}
    begin = time.monotonic()

    def look() -> list[Row]:
        found = _containers(session, shell)
        rows = [_row(name, raw, ends) for name, raw in found.items()]
        if session.settings.is_swarm:
            rows = last_tries(rows, started)
        if time.monotonic() - begin < _LEAST_SECONDS:
            # What ends at once has run for a moment, too.
            rows = [_waiting(row) for row in rows]
        screen.tick()
        return rows

    return health.watch_rows(look, patience_seconds=within)


def _start(
    session: Session, shell: Machine, expected: Sequence[Expected], *, within: float
) -> None:
    """Start the containers that are in the snapshot, those of the Compose file in its order."""
    shell.run("sudo systemctl start docker.service", seconds=within)
    ends = {one.service for one in expected if one.ends}
    order = [one.name for one in expected]
    found = _containers(session, shell)
    starts = [
        name
        for name in [*(n for n in order if n in found), *(n for n in found if n not in order)]
        if found[name]["State"]["Status"] != "running" and _service(name, found[name]) not in ends
    ]
    if starts:
        # All of them are tried, and what does not start is seen below.
        shell.run(f"sudo docker start {shlex.join(starts)} >/dev/null || true", seconds=within)


def _containers(session: Session, shell: Machine) -> dict[str, dict[str, Any]]:
    label = shlex.quote(f"label={PROJECT}={session.services.name}")
    text = shell.run(
        f"ids=$(sudo docker ps --all --quiet --no-trunc --filter {label}); "
        'test -z "$ids" || sudo docker inspect $ids'
    )
    every: list[dict[str, Any]] = json.loads(text) if text.strip() else []
    named = {str(raw["Name"]).lstrip("/"): raw for raw in every}
    return dict(sorted(named.items(), key=lambda pair: (pair[1]["Created"], pair[0])))


def last_tries(rows: Sequence[Row], started: Sequence[str]) -> list[Row]:
    """Return of each service of a swarm the row of its newest container.

    A task that has ended gives way to another one: what another service has to be there for first
    may be right at the second try, and is wrong at the third.

    Args:
        rows: One for each container, the oldest first.
        started: The services.
    """
    of_service: dict[str, list[Row]] = {name: [] for name in sorted(started)}
    for row in rows:
        of_service.setdefault(row.expected.service, []).append(row)
    found = []
    for name, tries in of_service.items():
        last = tries[-1] if tries else _to_come(name)
        if last.verdict == "bad" and len(tries) < _TRIES:
            last = replace(last, verdict="pending")
        found.append(last)
    return found


def _to_come(service: str) -> Row:
    wanted = Expected(name=service, service=service, config_hash="", ends=False)
    return Row(
        expected=wanted, state="none", verdict="pending", problem="must run, got no container"
    )


def _service(name: str, raw: dict[str, Any]) -> str:
    return str(raw["Config"]["Labels"].get(SERVICE, name))


def _row(name: str, raw: dict[str, Any], ends: Collection[str]) -> Row:
    """Judge a container as it is: of whatever configuration it was then."""
    found = health.found_in(raw, {})
    service = _service(name, raw)
    wanted = Expected(
        name=name, service=service, config_hash=found.config_hash, ends=service in ends
    )
    return health.judge(wanted, found)


def _waiting(row: Row) -> Row:
    if row.verdict != "good" or "(healthy)" in row.state or row.expected.ends:
        return row
    return Row(
        expected=row.expected, state=row.state, verdict="pending", problem="must stay so, got less"
    )
