"""How those who write to a data volume are stopped for a moment, and started again."""

from __future__ import annotations

import contextlib
import json
import shlex
from typing import TYPE_CHECKING, Any, Final, Protocol

from constructs_lib.files.private_file import write_private
from moor import machine_engine
from moor.backup.machine import Guard
from moor.failure import CommandError
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from docker import DockerClient
    from docker.models.containers import Container

    from constructs_lib.settings.environment import Environment
    from moor.backup.machine import Machine
    from moor.session import Session

STOPPED: Final = "stopped-for-a-backup.json"
"""The file with what is stopped while it is: whoever finds it starts that."""


class Halt(Protocol):
    """Those who write, to be stopped and started again."""

    def stop(self) -> None:
        """Stop them, one after the other where they wait for each other.

        Raises:
            CommandError: One of them does not end.
            docker.errors.DockerException: An engine does not answer.
        """

    def start(self) -> list[str]:
        """Start them again, as far as it goes.

        Returns:
            The problems, a line each.
        """

    @property
    def stopped(self) -> tuple[str, ...]:
        """The names of those who were stopped so far."""


class Containers:
    """The containers of one machine alone.

    Args:
        session: The command.
        client: The machine's engine.
        machine: The machine.
        containers: Those who write, in the order in which they start.
        say: Takes a line for a person.
    """

    def __init__(
        self,
        session: Session,
        client: DockerClient,
        machine: Machine,
        containers: Sequence[Container],
        say: Callable[[str], None],
    ) -> None:
        self._file = _file(session.environment)
        self._client, self._machine = client, machine
        self._containers, self._say = containers, say
        self._stopped: list[str] = []

    @property
    def stopped(self) -> tuple[str, ...]:
        """The names of the containers that were stopped so far."""
        return tuple(self._stopped)

    def stop(self) -> None:
        """Stop them, the last one first."""
        names = [str(container.name) for container in self._containers]
        write_private(self._file, json.dumps(names).encode())
        Guard(self._machine).arm(f"docker start {shlex.join(names)}")
        for container in reversed(self._containers):
            self._say(f"{container.name}: stops for a moment")
            self._stopped.insert(0, str(container.name))
            container.stop()

    def start(self) -> list[str]:
        """Start them again."""
        problems: list[str] = []
        for name in self._stopped:
            with noted(problems, f"{name}: must run again"):
                self._client.containers.get(name).start()
        if not problems:
            self._file.unlink(missing_ok=True)
            with noted(problems, "the machine's own timer must be stopped"):
                Guard(self._machine).disarm()
        return problems


def resume(session: Session, say: Callable[[str], None]) -> None:
    """Start the containers that a backup has stopped which was killed.

    Args:
        session: The command.
        say: Takes a line for a person.

    Raises:
        CommandError: The machine does not answer.
    """
    names = _noted_names(session.environment)
    if not names:
        return
    try:
        with contextlib.closing(machine_engine.connect(session)) as client:
            for name in names:
                say(f"{name}: started again, since a backup that was killed had stopped it")
                filters: dict[str, Any] = {"name": f"^/{name}$"}
                for container in client.containers.list(all=True, filters=filters):
                    container.start()
    except ENGINE_ERRORS as error:
        raise CommandError(f"{', '.join(names)}: must run again, got: {error}") from None
    _file(session.environment).unlink(missing_ok=True)


@contextlib.contextmanager
def noted(problems: list[str], what: str) -> Iterator[None]:
    """Note a failure, and go on.

    Args:
        problems: Takes a line of it.
        what: What must be, for an engine that does not say it.
    """
    try:
        yield
    except CommandError as error:
        problems.append(str(error))
    except ENGINE_ERRORS as error:
        problems.append(f"{what}, got: {error}")


def _file(environment: Environment) -> Path:
    return environment.directory / STOPPED


def _noted_names(environment: Environment) -> list[str]:
    try:
        return [str(name) for name in json.loads(_file(environment).read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError):
        return []
