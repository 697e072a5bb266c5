"""The moment of a snapshot: whoever writes to the data volume has been told, or is stopped.

A service with `x-backup` runs on: its `pre` brings its data into order, and its `post` runs when
the snapshot has begun, whatever has failed in between. Every other service with something writable
on the volume is stopped, and started again whatever happens: by us; else by the next command, which
finds it noted; else by the machine itself, after ten minutes.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.order import in_order
from constructs_lib.files.private_file import write_private
from moor import machine_engine
from moor.backup.ending import ending_asked
from moor.backup.machine import Guard
from moor.failure import CommandError
from moor.recovery import PROJECT
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from docker import DockerClient
    from docker.models.containers import Container

    from constructs_lib.settings.environment import Environment
    from moor.backup.machine import Machine
    from moor.session import Session

SERVICE: Final = "com.docker.compose.service"
_ON_THE_VOLUME: Final = ("/var/lib/docker/", "/var/lib/moor/", "/mnt/moor/")
_OUTPUT_LINES: Final = 8


@dataclass(slots=True, kw_only=True)
class Stillness:
    """What was done for the moment.

    Attributes:
        stopped: The names of the containers that were stopped.
        told: The names of those that ran a command instead.
        seconds: How long the first of them was down, until the last one ran again; 0 where none
            was stopped.
    """

    stopped: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    seconds: float = 0.0


def writes(container: Container) -> bool:
    """Return whether a container has something on the data volume that it may write to.

    Its own layer does not count: what is in it is lost with each new container anyway.
    """
    return any(
        mount.get("RW")
        and (
            mount.get("Type") == "volume"
            or f"{mount.get('Source', '')}/".startswith(_ON_THE_VOLUME)
        )
        for mount in container.attrs.get("Mounts") or ()
    )


@contextlib.contextmanager
def still(
    session: Session, client: DockerClient, machine: Machine, say: Callable[[str], None]
) -> Iterator[Stillness]:
    """Have the data on the volume be whole for as long as this is entered.

    Args:
        session: The command.
        client: The engine.
        machine: The machine.
        say: Takes a line for a person.

    Raises:
        CommandError: A command before the snapshot failed, or not everything runs again.
        StoppedError: Somebody asked to end; everything runs again.
    """
    moment = _Moment(session, client, machine, say)
    failure: CommandError | None = None
    problems: list[str] = []
    with ending_asked("no snapshot was made, and everything runs again") as asked:
        try:
            moment.prepare()
            yield moment.result
        except CommandError as error:
            failure = error
        except ENGINE_ERRORS as error:
            failure = CommandError(f"docker engine: services must stop, got: {error}")
        finally:
            # Nothing of this may be left out: a second request to end waits for it.
            asked.is_deferred = True
            problems = moment.recover()
    if failure is not None and not problems:
        raise failure
    if problems:
        raise CommandError("\n".join([*([str(failure)] if failure else []), *problems]))
    asked.must_not_have_come()


class _Moment:
    """What is done before the moment, and undone after it.

    Attributes:
        result: What was done.
    """

    def __init__(
        self,
        session: Session,
        client: DockerClient,
        machine: Machine,
        say: Callable[[str], None],
    ) -> None:
        self.result = Stillness()
        self._environment, self._client = session.environment, client
        self._machine, self._say = machine, say
        self._hooked, self._writers = _parts(session, client)
        self._begun: list[tuple[Container, tuple[str, ...]]] = []
        self._begin = 0.0

    def prepare(self) -> None:
        """Have everything that writes be told, or stopped, and all of it be on the volume."""
        for container, commands in self._hooked:
            self._begun.append((container, commands.post))
            self.result.told.append(str(container.name))
            _run(container, "pre", commands.pre)
        if self._writers:
            names = [str(container.name) for container in self._writers]
            _note(self._environment, names)
            Guard(self._machine).arm(names)
            self._begin = time.monotonic()
            for container in reversed(self._writers):
                self._say(f"{container.name}: stops for a moment")
                self.result.stopped.insert(0, str(container.name))
                container.stop()
        self._machine.write_down()

    def recover(self) -> list[str]:
        """Undo it, as far as it goes; returns what does not."""
        problems: list[str] = []
        for name in self.result.stopped:
            with _noted(problems, f"{name}: must run again"):
                self._client.containers.get(name).start()
        if self._begin:
            self.result.seconds = time.monotonic() - self._begin
        for container, post in self._begun:
            with _noted(problems, f"{container.name}: x-backup.post must run"):
                _run(container, "post", post)
        if self._writers and not problems:
            _forget(self._environment)
            with _noted(problems, "the machine's own timer must be stopped"):
                Guard(self._machine).disarm()
        return problems


def resume(session: Session, say: Callable[[str], None]) -> None:
    """Start what a backup has stopped that was killed.

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
                for container in client.containers.list(all=True, filters={"name": f"^/{name}$"}):
                    container.start()
    except ENGINE_ERRORS as error:
        raise CommandError(f"{', '.join(names)}: must run again, got: {error}") from None
    _forget(session.environment)


def containers(session: Session, client: DockerClient) -> dict[str, list[Container]]:
    """Return the project's containers by their services, in the order in which they start.

    Args:
        session: The command.
        client: The engine.
    """
    filters: dict[str, Any] = {"label": f"{PROJECT}={session.services.name}"}
    found: dict[str, list[Container]] = {
        service.name: [] for service in in_order(session.services.services)
    }
    every = client.containers.list(all=True, filters=filters, ignore_removed=True)
    for container in sorted(every, key=lambda one: str(one.name)):
        found.setdefault(str(container.labels.get(SERVICE, "")), []).append(container)
    return found


def _parts(
    session: Session, client: DockerClient
) -> tuple[list[tuple[Container, Any]], list[Container]]:
    """Return what runs and is told of the snapshot, and what runs and is stopped for it."""
    hooked, writers = [], []
    for name, found in containers(session, client).items():
        service = session.services.services.get(name)
        for container in found:
            if container.status != "running":
                continue
            if service is not None and service.backup is not None:
                hooked.append((container, service.backup))
            elif writes(container) and not container.attrs["HostConfig"].get("AutoRemove"):
                writers.append(container)
    return hooked, writers


def _run(container: Container, what: str, words: Sequence[str]) -> None:
    """Run a command in a container.

    Raises:
        CommandError: It failed.
    """
    if not words:
        return
    status, output = container.exec_run(list(words))
    if status:
        text = output.decode(errors="replace") if isinstance(output, bytes) else ""
        lines = text.strip().splitlines()[-_OUTPUT_LINES:]
        raise CommandError(
            "\n  ".join(
                [f"{container.name}: x-backup.{what} must succeed, got status {status}:", *lines]
            )
        )


@contextlib.contextmanager
def _noted(problems: list[str], what: str) -> Iterator[None]:
    """Note a failure, and go on."""
    try:
        yield
    except CommandError as error:
        problems.append(str(error))
    except ENGINE_ERRORS as error:
        problems.append(f"{what}, got: {error}")


def _file(environment: Environment) -> Path:
    return environment.directory / "stopped-for-a-backup.json"


def _note(environment: Environment, names: Sequence[str]) -> None:
    write_private(_file(environment), json.dumps(list(names)).encode())


def _noted_names(environment: Environment) -> list[str]:
    try:
        return [str(name) for name in json.loads(_file(environment).read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError):
        return []


def _forget(environment: Environment) -> None:
    _file(environment).unlink(missing_ok=True)
