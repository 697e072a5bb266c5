"""The moment of a snapshot: whoever writes to the data volume has been told, or is stopped.

A service with `x-backup` runs on: its `pre` brings its data into order, and its `post` runs when
the snapshot has begun, whatever has failed in between. Every other service with something writable
on the volume is stopped, and started again whatever happens: by us; else by the next command, which
finds it noted; else by the machine itself, after ten minutes. In a swarm the service itself is
held from the node: what one stops there starts anew.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.order import in_order
from moor.backup import halt
from moor.backup.ending import ending_asked
from moor.backup.halt import noted
from moor.failure import CommandError
from moor.operation.containers import SERVICE
from moor.recovery import PROJECT
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from docker import DockerClient
    from docker.models.containers import Container

    from constructs_lib.compose.model import BackupCommands
    from moor.backup.halt import Halt
    from moor.backup.machine import Machine
    from moor.session import Session

_ON_THE_VOLUME: Final = ("/var/lib/docker/", "/var/lib/moor/", "/mnt/moor/")
_NO_NAME: Final = re.compile(r"[0-9a-f]{64}")
"""What the engine itself calls a volume that nobody has given a name."""

_OUTPUT_LINES: Final = 8


@dataclass(slots=True, kw_only=True)
class Stillness:
    """What was done for the moment.

    Attributes:
        stopped: The names of the containers, or the services, that were stopped.
        told: The names of those that ran a command instead.
        seconds: How long the first of them was down, until the last one ran again; 0 where none
            was stopped.
    """

    stopped: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    seconds: float = 0.0


def writes(container: Container, *, lasting: bool = False) -> bool:
    """Return whether a container has something on the data volume that it may write to.

    Its own layer does not count: what is in it is lost with each new container anyway.

    Args:
        container: The container.
        lasting: Whether a volume without a name counts as little: a task's next container, which
            may come at any time, has another one.
    """
    return any(
        mount.get("RW")
        and (
            (
                mount.get("Type") == "volume"
                and not (lasting and _NO_NAME.fullmatch(str(mount.get("Name", ""))))
            )
            or (
                mount.get("Type") != "volume"
                and f"{mount.get('Source', '')}/".startswith(_ON_THE_VOLUME)
            )
        )
        for mount in container.attrs.get("Mounts") or ()
    )


@contextlib.contextmanager
def still(
    session: Session,
    client: DockerClient,
    machine: Machine,
    say: Callable[[str], None],
    *,
    node: str | None = None,
) -> Iterator[Stillness]:
    """Have the data on a machine's volume be whole for as long as this is entered.

    Args:
        session: The command.
        client: The machine's engine.
        machine: The machine.
        say: Takes a line for a person.
        node: Its name in the swarm; None where there is one machine alone.

    Raises:
        CommandError: A command before the snapshot failed, or not everything runs again.
        StoppedError: Somebody asked to end; everything runs again.
    """
    hooked, writers = _parts(session, client, in_swarm=node is not None)
    stop: Halt | None = None
    if writers and node is None:
        stop = halt.Containers(session, client, machine, writers, say)
    elif writers and node is not None:
        from moor.backup import service_halt  # noqa: PLC0415  # for a swarm only

        stop = service_halt.Services(session, node, writers, say)
    moment = _Moment(machine, hooked, stop)
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
        self, machine: Machine, hooked: list[tuple[Container, BackupCommands]], stop: Halt | None
    ) -> None:
        self.result = Stillness()
        self._machine, self._hooked, self._halt = machine, hooked, stop
        self._begun: list[tuple[Container, tuple[str, ...]]] = []
        self._begin = 0.0

    def prepare(self) -> None:
        """Have everything that writes be told, or stopped, and all of it be on the volume."""
        for container, commands in self._hooked:
            self._begun.append((container, commands.post))
            self.result.told.append(str(container.name))
            _run(container, "pre", commands.pre)
        if self._halt is not None:
            self._begin = time.monotonic()
            self._halt.stop()
        self._machine.write_down()

    def recover(self) -> list[str]:
        """Undo it, as far as it goes; returns what does not."""
        problems: list[str] = []
        if self._halt is not None and self._begin:
            problems += self._halt.start()
            self.result.seconds = time.monotonic() - self._begin
            self.result.stopped = list(self._halt.stopped)
        for container, post in self._begun:
            with noted(problems, f"{container.name}: x-backup.post must run"):
                _run(container, "post", post)
        return problems


def resume(session: Session, say: Callable[[str], None]) -> None:
    """Start what a backup has stopped that was killed.

    Args:
        session: The command.
        say: Takes a line for a person.

    Raises:
        CommandError: The machine does not answer.
    """
    halt.resume(session, say)
    if session.settings.is_swarm:
        from moor.backup import service_halt  # noqa: PLC0415  # for a swarm only

        service_halt.resume(session, say)


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
    session: Session, client: DockerClient, *, in_swarm: bool
) -> tuple[list[tuple[Container, BackupCommands]], list[Container]]:
    """Return what runs and is told of the snapshot, and what runs and is stopped for it."""
    hooked, writers = [], []
    for name, found in containers(session, client).items():
        service = session.services.services.get(name)
        for container in found:
            if container.status != "running":
                continue
            if service is not None and service.backup is not None:
                hooked.append((container, service.backup))
            elif in_swarm:
                if writes(container, lasting=True):
                    writers.append(container)
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
