"""The list of nodes that a swarm keeps, and how it is changed.

A node that is gone stays in the list until somebody removes it, and a machine that takes its place
is another entry. What ties an entry to a node of the settings is its label.

Source: Docker Engine API 1.40, "Nodes".
"""

from __future__ import annotations

import contextlib
import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from docker.errors import APIError, NotFound

from constructs_lib.swarm.errors import SwarmError, told
from constructs_lib.swarm.node import NAME_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker import DockerClient

READY: Final = "ready"
DOWN: Final = "down"
REACHABLE: Final = "reachable"
UNSPECIFIED: Final = "0.0.0.0"  # noqa: S104  (what an engine says where it knows no address)

_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.25
_ROLE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One node in the swarm's list.

    Attributes:
        id: The swarm's id of it.
        name: Its name in the settings; empty where nothing says it.
        hostname: The machine's own name.
        address: Where the others reach it; empty where unknown.
        is_manager: Whether it is to be a manager.
        is_leader: Whether it leads the managers.
        reachability: `reachable`, `unreachable` or `unknown`; empty for what is no manager.
        state: `ready`, `down`, `disconnected` or `unknown`.
        message: What the swarm says of the state; often nothing.
        availability: `active`, `pause` or `drain`.
        labels: Its labels, with those that are not for placement.
        engine: The version of its engine.
    """

    id: str
    name: str
    hostname: str
    address: str
    is_manager: bool
    is_leader: bool
    reachability: str
    state: str
    message: str
    availability: str
    labels: Mapping[str, str]
    engine: str

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> Entry:
        """Read it from what the API tells of a node."""
        spec, status = node["Spec"], node.get("Status") or {}
        description, manager = node.get("Description") or {}, node.get("ManagerStatus") or {}
        labels = spec.get("Labels") or {}
        # A manager that the leader does not reach has no address in its status.
        address = status.get("Addr") or ""
        if address in ("", UNSPECIFIED):
            address = str(manager.get("Addr") or "").rpartition(":")[0].strip("[]")
        return cls(
            id=node["ID"],
            name=labels.get(NAME_LABEL, ""),
            hostname=description.get("Hostname") or "",
            address=address,
            is_manager=spec.get("Role") == "manager",
            is_leader=bool(manager.get("Leader")),
            reachability=manager.get("Reachability") or "",
            state=status.get("State") or "unknown",
            message=status.get("Message") or "",
            availability=spec.get("Availability") or "active",
            labels=labels,
            engine=(description.get("Engine") or {}).get("EngineVersion") or "",
        )

    @property
    def is_reachable(self) -> bool:
        """Whether it takes part in managing the swarm now."""
        return self.reachability == REACHABLE

    def __str__(self) -> str:
        """Return its name, or what else tells it from others."""
        return self.name or self.hostname or self.id


def entries(client: DockerClient) -> tuple[Entry, ...]:
    """Return all nodes that the swarm knows, sorted by their names.

    Args:
        client: A manager's engine.
    """
    found = map(Entry.of, client.api.nodes())
    return tuple(sorted(found, key=lambda entry: (entry.name, entry.hostname, entry.id)))


def entry(client: DockerClient, node_id: str) -> Entry | None:
    """Return one node; None where the swarm does not know it."""
    try:
        return Entry.of(client.api.inspect_node(node_id))
    except NotFound:
        return None


def named(client: DockerClient, name: str) -> Entry:
    """Return the node of a name: of several the one that is ready.

    Args:
        client: A manager's engine.
        name: Its name in the settings, or its host name, or its id.

    Raises:
        SwarmError: The swarm knows no such node.
    """
    known = entries(client)
    found = [e for e in known if e.name == name] or [e for e in known if name in (e.hostname, e.id)]
    if not found:
        names = ", ".join(dict.fromkeys(map(str, known)))
        raise SwarmError(f"node {name}: must be one of the swarm, got none of that name; {names}")
    return min(found, key=lambda e: e.state != READY)


def change(client: DockerClient, node_id: str, edit: Callable[[dict[str, Any]], None]) -> bool:
    """Change what a node is to be.

    Args:
        client: A manager's engine.
        node_id: The node.
        edit: Changes the specification that it is given: `Role`, `Availability`, `Labels`.

    Returns:
        Whether anything was to change.

    Raises:
        SwarmError: Somebody else changes it again and again.
        docker.errors.APIError: The swarm refuses.
    """
    for _ in range(_ATTEMPTS):
        node = client.api.inspect_node(node_id)
        spec = copy.deepcopy(node["Spec"])
        spec["Labels"] = spec.get("Labels") or {}
        edit(spec)
        if spec == {**node["Spec"], "Labels": node["Spec"].get("Labels") or {}}:
            return False
        try:
            client.api.update_node(node_id, node["Version"]["Index"], cast("Any", spec))
        except APIError as error:
            # The swarm counts changes, and refuses one that was made of an older state.
            if "out of sequence" not in str(error):
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return True
    raise SwarmError(f"node {node_id}: must be changed, got other changes each time; try again")


def demote(client: DockerClient, node_id: str, *, seconds: float = _ROLE_SECONDS) -> None:
    """Make a node a worker, and wait until the managers no longer count it.

    Args:
        client: A manager's engine, if possible another one's.
        node_id: The node; one that is a worker stays as it is.
        seconds: How long to wait.

    Raises:
        SwarmError: It is still counted then.
    """
    change(client, node_id, lambda spec: spec.update(Role="worker"))
    _wait_for_role(client, node_id, is_manager=False, seconds=seconds)


def promote(client: DockerClient, node_id: str, *, seconds: float = _ROLE_SECONDS) -> None:
    """Make a node a manager, and wait until it is one that the others reach.

    Args:
        client: A manager's engine.
        node_id: The node; one that is a manager stays as it is.
        seconds: How long to wait.

    Raises:
        SwarmError: It is none then.
    """
    change(client, node_id, lambda spec: spec.update(Role="manager"))
    _wait_for_role(client, node_id, is_manager=True, seconds=seconds)


def remove(client: DockerClient, found: Entry, *, seconds: float = _ROLE_SECONDS) -> None:
    """Remove a node from the list; a manager is demoted before.

    Args:
        client: Another manager's engine.
        found: The node; one that is gone already is no error.
        seconds: How long to wait until the managers no longer count it.

    Raises:
        SwarmError: It cannot be removed.
    """
    deadline = time.monotonic() + seconds
    if found.reachability:
        # Not found is also what is said of one that the managers no longer count: after a
        # recovery it is a manager by its description only, and is removed as it is.
        with contextlib.suppress(NotFound):
            demote(client, found.id, seconds=seconds)
    while True:
        try:
            # By force: it is said to be ready for a while after its machine is gone.
            client.api.remove_node(found.id, force=True)
        except NotFound:
            return
        except APIError as error:
            if time.monotonic() >= deadline:
                text = told(str(error.explanation or error))
                raise SwarmError(f"node {found}: must be removed, got: {text}") from error
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def wait_until(
    client: DockerClient,
    node_id: str,
    condition: Callable[[Entry], bool],
    *,
    seconds: float,
    what: str,
) -> Entry:
    """Wait until a node is as it should be.

    Args:
        client: A manager's engine.
        node_id: The node.
        condition: Returns whether it is.
        seconds: How long to wait.
        what: What it must be, for the error.

    Returns:
        The node.

    Raises:
        SwarmError: It is not then; the text says what it is.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = entry(client, node_id)
        if found is not None and condition(found):
            return found
        if time.monotonic() >= deadline:
            got = "nothing of it" if found is None else _described(found)
            raise SwarmError(
                f"node {found or node_id}: must be {what} in {seconds:.0f} s, got {got}"
            )
        time.sleep(_PAUSE_SECONDS)


def _wait_for_role(client: DockerClient, node_id: str, *, is_manager: bool, seconds: float) -> None:
    wait_until(
        client,
        node_id,
        lambda e: e.is_reachable if is_manager else not e.reachability,
        seconds=seconds,
        what="a manager that the others reach" if is_manager else "no manager any more",
    )


def _described(found: Entry) -> str:
    parts = [found.state, found.message, found.reachability and f"{found.reachability} as manager"]
    return ", ".join(part for part in parts if part)
