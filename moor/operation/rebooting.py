"""Machines that are rebooted, and waited for until all services are as they should be again."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moor import status, typed
from moor.failure import CommandError
from moor.health import problems
from moor.operation import containers, power
from moor.operation.engines import UnreachableError
from moor.operation.power import Action
from moor.outputs import Node, Outputs
from moor.swarm import host_work, machines, restart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from moor.health import Row
    from moor.operation.containers import Placed
    from moor.operation.hosts import Host
    from moor.screen import Screen
    from moor.session import Session
    from moor.swarm.upkeep import Upkeep

_API_SECONDS: Final = 180.0
_SERVICES_SECONDS: Final = 180.0
_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Took:
    """How long a reboot took.

    Attributes:
        machines: From the request until each machine answered over SSH again, by name, in
            seconds.
        services: From then on until all services were as they should be.
        total: From the beginning to the end: that long services were not all there at most.
    """

    machines: dict[str, float]
    services: float
    total: float


def alone(session: Session, host: Host, screen: Screen) -> Took:
    """Reboot the one machine that there is, and wait for it and its services.

    Args:
        session: The command, which holds the environment's lock.
        host: The machine.
        screen: Where progress is told.

    Raises:
        CommandError: It does not reboot, does not come back, or services do not.
    """
    begin = time.monotonic()
    node = Node(
        public_ip=host.address,
        private_ip="",
        instance_id=host.instance_id,
        ssh=shlex.join(host.ssh),
    )
    before = restart.mark_of(node)
    if not before:
        raise CommandError(
            f"{host}: must answer over SSH before it is rebooted, so that its return can be told, "
            "got no answer; `moor doctor` looks why"
        )
    running = [one for one in containers.find(session) if one.is_running]
    # The machine ends them itself as it goes down: a command that is killed leaves nothing stopped.
    asked = time.monotonic()
    try:
        with screen.phase(f"{host.name} reboots"):
            machines.reboot(session, host.instance_id)
            restart.wait(node, before, name=host.name)
        back = time.monotonic()
        with screen.phase("containers start"):
            _start(session, running)
    except CommandError as error:
        raise CommandError(
            f"{error}\n  services may have ended with it: "
            f"`{typed.command(session.environment, 'up')}` starts them"
        ) from None
    _services(session, screen)
    end = time.monotonic()
    return Took({host.name: back - asked}, end - back, end - begin)


def _start(session: Session, running: Sequence[Placed]) -> None:
    """Start what ran before, as soon as the engine answers: Docker does not start all by itself."""
    begin = time.monotonic()
    while True:
        try:
            power.each(session, running, Action.START)
        except UnreachableError:
            if time.monotonic() - begin > _API_SECONDS:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def nodes(session: Session, upkeep: Upkeep, names: Sequence[str], screen: Screen) -> Took:
    """Reboot nodes of a swarm, one at a time, each without its tasks, and wait for all services.

    Args:
        session: The command, which holds the environment's lock.
        upkeep: The nodes.
        names: Those to reboot.
        screen: Where progress is told.

    Raises:
        CommandError: One does not come back; those after it were left alone.
    """
    begin = time.monotonic()
    took: dict[str, float] = {}

    asked: dict[str, float] = {}

    def mark_of(node: Node) -> str:
        mark = restart.mark_of(node)
        # Whoever reboots it may wait for that, too, as the sandbox does.
        asked[node.instance_id] = time.monotonic()
        return mark

    def wait(node: Node, before: str, *, name: str) -> None:
        restart.wait(node, before, name=name)
        took[name] = time.monotonic() - asked[node.instance_id]

    outputs = Outputs.load(session.environment)
    host_work.reboot(session, upkeep, outputs, names, wait=wait, mark_of=mark_of)
    back = time.monotonic()
    _services(session, screen)
    end = time.monotonic()
    return Took(took, end - back, end - begin)


def _services(session: Session, screen: Screen) -> None:
    """Wait until everything runs that should, and its engine answers before that."""
    outputs = Outputs.load(session.environment)

    def tick(rows: list[Row]) -> None:
        waiting = [row.expected.name for row in rows if row.verdict != "good"]
        screen.note("services", f"waiting for {', '.join(waiting)}" if waiting else "")
        screen.tick()

    screen.start("services", "do all services run again?")
    try:
        rows = _until_good(session, outputs, tick)
    finally:
        screen.finish("services")
    wrong = list(problems(rows, seconds=_SERVICES_SECONDS))
    if wrong:
        raise CommandError("\n".join(wrong))


def _until_good(session: Session, outputs: Outputs, tick: Callable[[list[Row]], None]) -> list[Row]:
    begin = time.monotonic()
    while True:
        left = _SERVICES_SECONDS - (time.monotonic() - begin)
        try:
            rows = status.rows(session, outputs, patience_seconds=max(left, 0), tick=tick)
        except CommandError:
            # Docker comes up some seconds after the machine.
            if time.monotonic() - begin > _API_SECONDS:
                raise
        else:
            # What has ended is wrong for a deployment; after a boot it may only be on its way.
            if left <= 0 or all(row.verdict == "good" for row in rows):
                return rows
        time.sleep(_PAUSE_SECONDS)
