"""What helps a swarm that has lost the majority of its managers.

One manager that is left begins the swarm anew with what it knows: services, secrets, configs,
networks and workers stay, and the swarm keeps its id. The other managers that are left give up what
they have, and join it.

Source: Docker, "Administer and maintain a swarm", section "Recover from losing the quorum".
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from constructs_lib.files.lock import exclusive_lock
from constructs_lib.swarm.entries import Entry, entries, remove
from constructs_lib.swarm.errors import SwarmError, told
from constructs_lib.swarm.managers import ELECTION_SECONDS, Answer, Problem, ask, settled
from constructs_lib.swarm.node import volume_labels

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from constructs_lib.swarm.membership import Joining
    from constructs_lib.swarm.node import SwarmNode

_BEGIN_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What was done.

    Attributes:
        survivor: The manager that began the swarm anew.
        joined: The names of those that joined it again.
        lost: The names of the managers that are gone, and are no part of the swarm any more.
        nodes: All nodes that the swarm has now.
    """

    survivor: str
    joined: tuple[str, ...]
    lost: tuple[str, ...]
    nodes: tuple[Entry, ...]


def recover(
    joining: Joining,
    nodes: Mapping[str, SwarmNode],
    *,
    survivor: str | None = None,
    lost: Collection[str] = (),
    seconds: float = ELECTION_SECONDS,
) -> Recovery:
    """Begin the swarm anew with a manager that is left, and let the others join it.

    Args:
        joining: Where the managers are, and how machines join.
        nodes: The managers' descriptions by their names.
        survivor: The name of the manager to begin with; the first that is left where unset. What
            was changed last may be known to some of them only.
        lost: The names of the managers that do not answer, and are known to be gone. One that is
            alive, and merely cannot be reached from here, would go on with the others beside it,
            and there would be two swarms of the same services.
        seconds: How long to wait for managers that may be choosing a leader.

    Returns:
        What was done.

    Raises:
        SwarmError: There is nothing to recover, nobody to recover it with, a manager does not
            answer and was not named, or the swarm does not begin.
    """
    with exclusive_lock(joining.lock):
        answers = settled(joining.managers, joining.certificates, seconds=seconds)
        chosen = choose_survivor(answers, survivor=survivor, lost=lost)
        _begin_anew(joining, chosen)
        joining.report(f"{chosen.endpoint.name}: began the swarm anew with what it knows")
        others = [answer for answer in answers if answer is not chosen]
        here = [answer for answer in others if answer.certificates is not None]
        for answer in here:
            if answer.problem is not Problem.NO_SWARM:
                _leave(answer)
                joining.report(f"{answer.endpoint.name}: gave up what it had of the swarm")
        volumes = _remove_managers(joining, chosen, keep=chosen.endpoint.name)
    joined = []
    for answer in here:
        name = answer.endpoint.name
        # Its disk is what it was, and a service whose volume is on it has to find it again.
        joining.ensure(nodes[name], answer.endpoint, keep=volumes.get(name))
        joined.append(name)
    with chosen.engine(seconds=_BEGIN_SECONDS) as engine:
        return Recovery(
            survivor=chosen.endpoint.name,
            joined=tuple(joined),
            lost=tuple(answer.endpoint.name for answer in others if answer not in here),
            nodes=entries(engine),
        )


def choose_survivor(
    answers: Collection[Answer], *, survivor: str | None, lost: Collection[str]
) -> Answer:
    """Choose the manager that the swarm begins anew with.

    Args:
        answers: What came of asking each manager.
        survivor: As `recover` takes it.
        lost: As `recover` takes it.

    Raises:
        SwarmError: As `recover` says.
    """
    well = [answer for answer in answers if answer.problem is None]
    if well:
        raise SwarmError(
            f"swarm: must have lost its majority of managers, got {well[0].endpoint}, which has "
            "one; there is nothing to recover"
        )
    silent = [a for a in answers if a.membership is None and a.endpoint.name not in lost]
    if silent:
        lines = "".join(f"\n  {answer.endpoint}: {answer.words}" for answer in silent)
        named = " ".join(f"--lost {answer.endpoint.name}" for answer in silent)
        raise SwarmError(
            "swarm: managers: must answer or be named as lost, got none of both of "
            f"{', '.join(answer.endpoint.name for answer in silent)}; see whether they run: one "
            f"that does may be of a majority. Where they are gone for good, say {named}{lines}"
        )
    left = [answer for answer in answers if answer.problem is Problem.NO_QUORUM]
    names = ", ".join(answer.endpoint.name for answer in left)
    if not left:
        raise SwarmError(
            "swarm: a manager must be left that has the swarm's data, got none; let all machines "
            "leave (docker swarm leave --force) or replace them, and deploy again"
        )
    found = [answer for answer in left if survivor in (None, answer.endpoint.name)]
    if not found:
        raise SwarmError(
            f"swarm: survivor: must be a manager that is left, got {survivor}; {names}"
        )
    return found[0]


def _begin_anew(joining: Joining, chosen: Answer) -> None:
    endpoint = chosen.endpoint
    with chosen.engine(seconds=_BEGIN_SECONDS) as engine:
        engine.api.init_swarm(
            force_new_cluster=True,
            advertise_addr=endpoint.private_address,
            data_path_addr=endpoint.private_address,
        )
    deadline = time.monotonic() + _BEGIN_SECONDS
    while (answer := ask(endpoint, joining.certificates)).problem is not None:
        if time.monotonic() >= deadline:
            raise SwarmError(f"{endpoint}: must begin the swarm anew, got: {told(answer.words)}")
        time.sleep(_PAUSE_SECONDS)


def _remove_managers(joining: Joining, chosen: Answer, *, keep: str) -> dict[str, dict[str, str]]:
    """Remove all other managers from the list: they are gone, or are about to join again.

    Returns:
        The labels of their volumes, by their names.
    """
    volumes: dict[str, dict[str, str]] = {}
    own = chosen.membership.node_id if chosen.membership is not None else ""
    with chosen.engine(seconds=_BEGIN_SECONDS) as engine:
        for found in entries(engine):
            if found.id != own and (found.is_manager or found.reachability):
                volumes.setdefault(found.name, {}).update(volume_labels(found.labels))
                remove(engine, found)
                joining.report(f"{found}: removed from the list of managers, which {keep} leads")
    return volumes


def _leave(answer: Answer) -> None:
    with answer.engine(seconds=_BEGIN_SECONDS) as engine:
        engine.api.leave_swarm(force=True)
