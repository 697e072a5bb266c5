"""Services of a swarm that are held from a node for the moment of a snapshot.

What is held is noted on this computer, and on a manager's machine is a timer that ends it: nothing
stays held where a backup is killed. A deployment would put it right, too.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.files.private_file import write_private
from constructs_lib.swarm import hold
from constructs_lib.swarm.entries import named
from constructs_lib.swarm.hold import Held
from moor.backup.halt import noted
from moor.backup.machine import Guard, Machine
from moor.failure import CommandError
from moor.operation.hosts import host_of
from moor.swarm import access
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from docker.models.containers import Container

    from constructs_lib.settings.environment import Environment
    from moor.session import Session

SERVICE_ID: Final = "com.docker.swarm.service.id"
"""The label of a container that says whose task it is."""

_END_SECONDS: Final = 60.0
_START_SECONDS: Final = 180.0


class Services:
    """The services whose tasks on a node write to its data volume.

    Args:
        session: The command.
        node: The node's name.
        containers: Their containers on it.
        say: Takes a line for a person.
    """

    def __init__(
        self,
        session: Session,
        node: str,
        containers: Sequence[Container],
        say: Callable[[str], None],
    ) -> None:
        self._session, self._node, self._say = session, node, say
        self._ids = list(dict.fromkeys(str(one.labels[SERVICE_ID]) for one in containers))
        self._held: list[Held] = []
        self._machine: Machine | None = None

    @property
    def stopped(self) -> tuple[str, ...]:
        """The names of the services that were held so far."""
        return tuple(held.name for held in self._held)

    def stop(self) -> None:
        """Hold them, the last one first: none of a swarm's services waits for another to end."""
        environment = self._session.environment
        cluster = access.live_cluster(self._session, self._say)
        manager = cluster.answering().endpoint.name
        self._machine = Machine(environment=environment, host=host_of(environment, manager))
        with cluster.engine() as engine:
            node = named(engine, self._node).id
            looked = [hold.look(engine, one, node) for one in self._ids]
            every = [held for held in looked if held is not None]
            if not every:
                return
            _note(environment, every)
            Guard(self._machine).arm("; ".join(shlex.join(held.end) for held in every))
            for held in reversed(every):
                self._say(f"{held.name}: stops for a moment on {self._node}")
                self._held.insert(0, held)
                hold.begin(engine, held)
            hold.await_over(engine, every, seconds=_END_SECONDS)

    def start(self) -> list[str]:
        """Hold them no more, and wait until they run as before."""
        problems: list[str] = []
        if self._held:
            with noted(problems, f"{', '.join(self.stopped)}: must run again"):
                _release(self._session, self._held)
        if not problems:
            _file(self._session.environment).unlink(missing_ok=True)
            if self._machine is not None:
                with noted(problems, "the machine's own timer must be stopped"):
                    Guard(self._machine).disarm()
        return problems


def resume(session: Session, say: Callable[[str], None]) -> None:
    """Let services run that a backup has held which was killed.

    Args:
        session: The command.
        say: Takes a line for a person.

    Raises:
        CommandError: No manager answers, or they do not run.
    """
    services = _noted(session.environment)
    if not services:
        return
    for held in services:
        say(f"{held.name}: started again, since a backup that was killed had stopped it")
    try:
        _release(session, services)
    except ENGINE_ERRORS as error:
        names = ", ".join(held.name for held in services)
        raise CommandError(f"{names}: must run again, got: {error}") from None
    _file(session.environment).unlink(missing_ok=True)


def _release(session: Session, services: Sequence[Held]) -> None:
    cluster = access.live_cluster(session, lambda _line: None)
    with cluster.engine() as engine:
        given_up = [held for held in services if hold.is_held(engine, held)]
        # Two of them at the same data would be worse than one that is late.
        hold.await_over(engine, given_up, seconds=_END_SECONDS)
        for held in given_up:
            hold.end(engine, held)
        hold.await_back(engine, services, seconds=_START_SECONDS)


def _file(environment: Environment) -> Path:
    return environment.directory / "held-for-a-backup.json"


def _note(environment: Environment, services: Sequence[Held]) -> None:
    text = json.dumps([asdict(held) for held in services])
    write_private(_file(environment), text.encode())


def _noted(environment: Environment) -> list[Held]:
    try:
        found: list[dict[str, Any]] = json.loads(_file(environment).read_text(encoding="utf-8"))
        return [Held(**raw) for raw in found]
    except (FileNotFoundError, ValueError, TypeError):
        return []
