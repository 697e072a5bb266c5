"""The swarm itself, over the Docker API of whichever manager answers."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.swarm import entries, operations, withdrawal
from constructs_lib.swarm.errors import SwarmError
from constructs_lib.swarm.managers import (
    Manager,
    NodeEndpoint,
    NoManagerError,
    answering,
    ask,
    classify,
)
from constructs_lib.swarm.membership import Joining
from constructs_lib.swarm.node import SwarmNode
from constructs_lib.swarm.words import join_lock
from moor.failure import CommandError
from moor.swarm import results
from moor.swarm.cluster import LostQuorumError, Member
from moor.swarm.roll import RESTING
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from docker import DockerClient

    from constructs_lib.settings.nodes import Node as WantedNode
    from constructs_lib.swarm.entries import Entry
    from moor.outputs import Node
    from moor.toolchain.stack import Stack

DRAIN_SECONDS: Final = 120.0
"""How long a node's tasks may take to go; a service's own `stop_grace_period` may be as long."""

SETTLE_SECONDS: Final = 180.0
"""How long a node and its tasks may take to be back: images are pulled in that time."""

_LEAVE_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.5
_LOOKS: Final = 3
_MOST_NAMED: Final = 5


class LiveCluster:
    """A swarm that runs.

    Args:
        wanted: The nodes of the settings.
        nodes: Returns the machines, as the last deployment told of them.
        port: TCP port of the Docker APIs.
        certificates: The folders of certificates to try.
        pki: The folder of the certificate authority, beside which the lock of joining is.
        say: Takes a line for a person.
        settle_seconds: How long a node and its tasks may take to be back.
        drain_seconds: How long a node's tasks may take to go.
    """

    def __init__(
        self,
        *,
        wanted: Sequence[WantedNode],
        nodes: Callable[[], Mapping[str, Node]],
        port: int,
        certificates: Sequence[Path],
        pki: Path,
        say: Callable[[str], None],
        settle_seconds: float = SETTLE_SECONDS,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._wanted = {node.name: node for node in wanted}
        self._nodes = nodes
        self._port = port
        self._certificates = certificates
        self._pki = pki
        self._say = say
        self._settle_seconds = settle_seconds
        self._drain_seconds = drain_seconds
        self._short_before: set[str] | None = None

    @property
    def _endpoints(self) -> dict[str, NodeEndpoint]:
        """Where the nodes are now: a machine that is replaced may get another address."""
        return {
            name: NodeEndpoint(
                name=name,
                address=node.public_ip,
                private_address=node.private_ip,
                port=self._port,
            )
            for name, node in self._nodes().items()
        }

    @property
    def managers(self) -> list[NodeEndpoint]:
        """Where the managers are that the settings ask for, and that have a machine."""
        there = self._endpoints
        return [
            there[name] for name, node in self._wanted.items() if node.is_manager and name in there
        ]

    def answering(self, avoid: str | None = None) -> Manager:
        """Find a manager that answers, and is one of a majority.

        Args:
            avoid: A node that is asked only where no other can be.

        Raises:
            LostQuorumError: There is a swarm, and too few of its managers.
            CommandError: None answers; with the reason of each.
        """
        try:
            return answering(self._everybody(), self._certificates, avoid=avoid)
        except NoManagerError as error:
            kind = LostQuorumError if error.has_lost_quorum else CommandError
            raise kind(str(error)) from None
        except SwarmError as error:
            raise CommandError(str(error)) from None

    def for_terraform(self) -> str:
        """Find the manager that Terraform talks to, which knows the present certificate only.

        Returns:
            Its name. While certificates are changed it may be one that takes the next one only.

        Raises:
            LostQuorumError: There is a swarm, and too few of its managers.
            CommandError: None answers; with the reason of each.
        """
        try:
            return answering(self.managers, self._certificates[:1]).endpoint.name
        except NoManagerError as error:
            if error.has_lost_quorum:
                # Another certificate changes nothing of that, and each asking takes a minute.
                raise LostQuorumError(str(error)) from None
        except SwarmError:
            # Told by the next asking.
            pass
        return self.answering().endpoint.name

    def members(self) -> Sequence[Member]:
        """Return the members."""
        with self.engine() as engine:
            return [_member(entry) for entry in entries.entries(engine)]

    def drain(self, name: str, *, mark: bool = False, despite: bool = False) -> None:
        """Move a node's tasks away, and wait until they are gone, or as long as is sensible."""
        with self.engine(name) as engine:
            if self._short_before is None:
                self._short_before = set(shortages(engine))
            if mark:
                node = entries.named(engine, name)
                entries.change(
                    engine, node.id, lambda spec: spec["Labels"].update({RESTING: "yes"})
                )
            operations.drain(
                engine,
                name,
                seconds=self._drain_seconds,
                report=self._say,
                despite_quorum=name if despite else None,
            )

    def hold(self, name: str) -> None:
        """Give a node no further tasks, for a while; those that it has stay."""

        def edit(spec: dict[str, Any]) -> None:
            spec["Availability"] = "pause"
            spec["Labels"][RESTING] = "yes"

        with self.engine(name) as engine:
            entries.change(engine, entries.named(engine, name).id, edit)

    def activate(self, name: str) -> None:
        """Let a node take tasks again."""

        def edit(spec: dict[str, Any]) -> None:
            spec["Availability"] = "active"
            spec["Labels"].pop(RESTING, None)

        with self.engine(name) as engine:
            entries.change(engine, entries.named(engine, name).id, edit)

    def promote(self, name: str) -> None:
        """Make a node a manager."""
        with self.engine(name) as engine:
            operations.promote(engine, name)

    def demote(self, name: str, *, despite: bool = False) -> None:
        """Make a node a worker."""
        with self.engine(name) as engine:
            operations.demote(engine, name, despite_quorum=name if despite else None)

    def label(self, name: str, labels: Mapping[str, str | None]) -> None:
        """Set labels of a node."""
        with self.engine(name) as engine:
            operations.label(engine, name, labels)

    def remove(self, name: str, *, force: bool = True, despite: bool = False) -> None:
        """Take a node out of the swarm, and have its machine forget the swarm where it answers."""
        with self.engine(name) as engine:
            answers = entries.named(engine, name).state == entries.READY
            operations.remove_node(
                engine, name, force=force, despite_quorum=name if despite else None
            )
        if answers and name in self._endpoints:
            self._forget(self._endpoints[name])

    def _forget(self, machine: NodeEndpoint) -> None:
        # What the machine knows of the swarm may be on its data volume, and then the next machine
        # has it: at each start its engine would wait 20 s for a swarm that knows it no more
        # (Source: moby, daemon/cluster/cluster.go, `swarmConnectTimeout`).
        with (
            contextlib.suppress(SwarmError, *ENGINE_ERRORS),
            ask(machine, self._certificates).engine(seconds=_LEAVE_SECONDS) as engine,
        ):
            engine.api.leave_swarm(force=True)

    @property
    def joining(self) -> Joining:
        """What is needed to make machines members."""
        return Joining(
            managers=self.managers,
            certificates=self._certificates,
            lock=join_lock(self._pki),
            report=self._say,
        )

    @property
    def described(self) -> dict[str, SwarmNode]:
        """What the settings' nodes should be in the swarm, by their names."""
        return {
            name: SwarmNode(name=name, is_manager=node.is_manager, labels=node.labels)
            for name, node in self._wanted.items()
        }

    def join(self, name: str, keep: Mapping[str, str] | None = None) -> None:
        """Have a machine in the swarm under its name, with labels of the one before it."""
        with told(f"node {name}"):
            self.joining.ensure(self.described[name], self._endpoints[name])
        if keep:
            with self.engine() as engine:
                entries.change(
                    engine,
                    entries.named(engine, name).id,
                    lambda spec: spec["Labels"].update(keep),
                )

    def restore(self, stack: Stack, folder: Path) -> list[str]:
        """Write what a plan of the services reads; see `moor.swarm.results.restore`.

        Args:
            stack: The stack with the services, synthesized.
            folder: The folder of what it reads.

        Returns:
            The addresses of the steps that have to run again.

        Raises:
            CommandError: No manager answers, or does as asked.
        """
        with self.engine() as engine:
            return results.restore(engine, stack, folder)

    def withdraw(self, services: Sequence[str]) -> None:
        """Let services have no tasks; see `constructs_lib.swarm.withdrawal`.

        Args:
            services: The services' ids.

        Raises:
            CommandError: No manager answers, or tasks do not end.
        """
        with self.engine() as engine:
            withdrawal.withdraw(engine, services, seconds=self._drain_seconds)

    def settle(self, name: str) -> None:
        """Wait until a node is ready, and no service has less than before nodes were changed."""
        deadline = time.monotonic() + self._settle_seconds
        right = 0
        while True:
            reason = self._missing(name)
            # A node that takes tasks again gets those of global services a moment later.
            right = 0 if reason else right + 1
            if right == _LOOKS:
                return
            if reason and time.monotonic() >= deadline:
                raise CommandError(
                    f"node {name}: must be back within {self._settle_seconds:.0f} s, got {reason}; "
                    "the next nodes were left alone: see `moor status`, and deploy again"
                )
            time.sleep(_PAUSE_SECONDS)

    def _missing(self, name: str) -> str:
        """Return what is not as before yet, in words; empty where all is."""
        try:
            with self.engine(name) as engine:
                node = entries.named(engine, name)
                if node.state != entries.READY:
                    return f"a node that is {node.state}"
                if node.is_manager and not node.is_reachable:
                    return "a manager that the others do not reach"
                short = shortages(engine)
        except CommandError as error:
            return str(error)
        short = {k: v for k, v in short.items() if k not in (self._short_before or set())}
        if not short:
            return ""
        named = ", ".join(f"{k} ({v})" for k, v in list(short.items())[:_MOST_NAMED])
        return f"services that do not run in full: {named}"

    def _everybody(self) -> list[NodeEndpoint]:
        # One that was a manager and is to be none may be the only one that answers.
        others = [e for name, e in self._endpoints.items() if name not in self._wanted]
        return [*self.managers, *others]

    @contextlib.contextmanager
    def engine(self, avoid: str | None = None) -> Iterator[DockerClient]:
        """Yield a client of a manager that answers.

        Args:
            avoid: A node that is asked only where no other can be.

        Raises:
            CommandError: None answers, or what is done with it is refused.
        """
        manager = self.answering(avoid)
        with told(str(manager.endpoint)), manager.engine() as engine:
            yield engine


def shortages(engine: DockerClient) -> dict[str, str]:
    """Return the services of which fewer tasks run than should, with both numbers.

    Args:
        engine: A manager's engine.
    """
    api: Any = engine.api
    names = {service["ID"]: service["Spec"]["Name"] for service in api.services()}
    should: Counter[str] = Counter()
    run: Counter[str] = Counter()
    for task in api.tasks(filters={"desired-state": "running"}):
        name = names.get(task.get("ServiceID", ""))
        if name is not None:
            should[name] += 1
            run[name] += (task.get("Status") or {}).get("State") == "running"
    short = [name for name in sorted(should) if run[name] < should[name]]
    return {name: f"{run[name]} of {should[name]}" for name in short}


@contextlib.contextmanager
def told(subject: str) -> Iterator[None]:
    """Turn what an engine or the swarm refuses into an error for a person."""
    try:
        yield
    except SwarmError as error:
        raise CommandError(str(error)) from None
    except ENGINE_ERRORS as error:
        reason = classify(error)[1]
        raise CommandError(f"{subject}: the Docker API must do it, got: {reason}") from None


def _member(entry: Entry) -> Member:
    return Member(
        name=str(entry),
        state=entry.state,
        availability=entry.availability,
        # What is on its way to be none still counts among the managers.
        is_manager=entry.is_manager or bool(entry.reachability),
        is_leader=entry.is_leader,
        is_reachable=entry.is_reachable,
        labels=entry.labels,
    )
