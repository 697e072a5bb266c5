"""Trying a snapshot: its services start on a throw-away machine, and their own checks are asked."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moor import health
from moor.backup import throw_away
from moor.backup.aws import Ec2
from moor.backup.backed_up import machine_of, must_have_a_volume
from moor.backup.throw_away import ThrowAway
from moor.failure import CommandError
from moor.health import Expected, Row
from moor.recovery import PROJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.backup.machine import Machine
    from moor.backup.snapshot import Snapshot
    from moor.screen import Screen
    from moor.session import Session

_SERVICE: Final = "com.docker.compose.service"
_LEAST_SECONDS: Final = 5.0


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
            rows = _ask(session, shell, screen, within=within)
        seconds = time.monotonic() - begin
    return Verdict(snapshot=snapshot, rows=tuple(rows), seconds=seconds)


def _ask(session: Session, shell: Machine, screen: Screen, *, within: float) -> list[Row]:
    shell.run("sudo systemctl start docker.service", seconds=within)
    expected = {one.name: one for one in health.expectations(session.services, {})}
    found = _containers(session, shell)
    order = [name for name in expected if name in found]
    order += [name for name in found if name not in expected]
    starts = [
        name
        for name in order
        if found[name]["State"]["Status"] != "running"
        and not (name in expected and expected[name].ends)
    ]
    if starts:
        # All of them are tried, and what does not start is seen below.
        shell.run(f"sudo docker start {shlex.join(starts)} >/dev/null || true", seconds=within)
    begin = time.monotonic()

    def look() -> list[Row]:
        rows = [_row(name, raw, expected) for name, raw in _containers(session, shell).items()]
        if time.monotonic() - begin < _LEAST_SECONDS:
            # What ends at once has run for a moment, too.
            rows = [_waiting(row) for row in rows]
        screen.tick()
        return rows

    return health.watch_rows(look, patience_seconds=within)


def _containers(session: Session, shell: Machine) -> dict[str, dict[str, Any]]:
    label = shlex.quote(f"label={PROJECT}={session.services.name}")
    text = shell.run(
        f"ids=$(sudo docker ps --all --quiet --no-trunc --filter {label}); "
        'test -z "$ids" || sudo docker inspect $ids'
    )
    every: Sequence[dict[str, Any]] = json.loads(text) if text.strip() else []
    named = {str(raw["Name"]).lstrip("/"): raw for raw in every}
    return dict(sorted(named.items()))


def _row(name: str, raw: dict[str, Any], expected: dict[str, Expected]) -> Row:
    """Judge a container as it is: of whatever configuration it was then."""
    found = health.found_in(raw, {})
    service = str(raw["Config"]["Labels"].get(_SERVICE, name))
    known = expected.get(name)
    wanted = Expected(
        name=name,
        service=service,
        config_hash=found.config_hash,
        ends=known.ends if known is not None else False,
    )
    return health.judge(wanted, found)


def _waiting(row: Row) -> Row:
    if row.verdict != "good" or "(healthy)" in row.state or row.expected.ends:
        return row
    return Row(
        expected=row.expected, state=row.state, verdict="pending", problem="must stay so, got less"
    )
