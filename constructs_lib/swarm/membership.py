"""How a machine becomes a member of the swarm, and stays what the settings say.

May be repeated at any time, and changes only what is not so:

- a machine in no swarm joins the one that a manager answers for; the first manager begins one, but
  only where every other manager has answered and is in none: one that does not answer may have the
  swarm that is to be joined;
- the entry of a machine that was at its place before is removed first, and what it says of volumes
  is kept;
- a machine that was a member, and is no longer known as one, leaves what is left and joins again;
- a machine of another swarm is left alone: that is an error.

The token that lets a machine join is read, sent to it, and changed at once, so that what was sent
opens nothing afterwards. It is in no argument, file, log or message. One machine joins at a time.

Source: Docker Engine API 1.40, "Swarm".
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, ip_address
from typing import TYPE_CHECKING, Any, Final, NoReturn

import requests
from docker.errors import APIError

from constructs_lib.files.lock import exclusive_lock
from constructs_lib.swarm import kernel
from constructs_lib.swarm.entries import (
    READY,
    change,
    demote,
    entries,
    promote,
    remove,
    wait_until,
)
from constructs_lib.swarm.errors import JOIN_PORT, SwarmError, told
from constructs_lib.swarm.managers import (
    ACTIVE,
    INACTIVE,
    PENDING,
    Answer,
    Manager,
    Membership,
    NoManagerError,
    Problem,
    choose,
    settled,
)
from constructs_lib.swarm.node import (
    GIVEN_LABEL,
    NAME_LABEL,
    SwarmNode,
    volume_labels,
)
from constructs_lib.swarm.operations import check_removal
from constructs_lib.swarm.tokens import rotate_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from docker import DockerClient

    from constructs_lib.swarm.managers import NodeEndpoint

JOIN_SECONDS: Final = 60.0
"""How long a machine may take to be a member; an engine itself gives up waiting after 20 s."""

PENDING_SECONDS: Final = 60.0
"""How long a machine may look for the others of its swarm once its engine has answered."""

LARGEST_SKEW: Final = timedelta(minutes=30)
"""How far two clocks may be apart. Swarm's certificates begin an hour before they are made."""

_DEFAULT_POOL: Final = IPv4Network("10.0.0.0/8")
_OTHER_POOL: Final = IPv4Network("100.64.0.0/10")
"""Source: RFC 6598, addresses that are no private network's."""

_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What is needed to make machines members.

    Attributes:
        managers: Where the managers are, all of them; the first begins the swarm.
        certificates: Folders of certificates to try, as `survey` takes them.
        lock: The file whose lock lets one machine join at a time.
        report: Takes a line for each thing that was changed.
    """

    managers: Sequence[NodeEndpoint]
    certificates: Sequence[Path]
    lock: Path
    report: Callable[[str], None]

    def ensure(
        self, node: SwarmNode, here: NodeEndpoint, *, keep: Mapping[str, str] | None = None
    ) -> None:
        """Make one machine the member that it should be.

        Args:
            node: What it should be.
            here: Where it is.
            keep: The labels of its volumes, where the swarm has forgotten them.

        Raises:
            SwarmError: It cannot be; the text says why, and the remedy.
            docker.errors.DockerException: An engine refuses something else.
            requests.RequestException: An engine does not answer any more.
        """
        with exclusive_lock(self.lock):
            self._ensure(node, here, keep or {})

    def _ensure(self, node: SwarmNode, here: NodeEndpoint, keep: Mapping[str, str]) -> None:
        own, managers = self._asked(here)
        membership = _membership(own)
        among = [*managers, own] if node.is_manager else managers
        usable = [answer for answer in among if answer.problem is None]
        if membership.state == INACTIVE:
            if usable:
                self._join(node, own, choose(managers), managers, keep)
            else:
                self._begin(node, own, managers)
            return
        if not usable:
            raise NoManagerError(among)
        manager = choose(among)
        with manager.engine() as engine:
            known = any(entry.id == membership.node_id for entry in entries(engine))
            if known and membership.state == PENDING:
                # It was started just now, and will be what it was.
                with own.engine(seconds=JOIN_SECONDS) as restarted:
                    membership = _no_longer_pending(restarted)
            if known and membership.state == ACTIVE:
                self._correct(node, own, engine, keep)
                return
        self._check_former(own, manager, known=known)
        self._leave(own)
        own, managers = self._asked(here)
        self._join(node, own, choose(managers), managers, keep)

    def _asked(self, here: NodeEndpoint) -> tuple[Answer, list[Answer]]:
        """Ask the machine, and the managers beside it."""
        others = [manager for manager in self.managers if manager.name != here.name]
        own, *answers = settled([here, *others], self.certificates)
        return own, answers

    # Beginning and joining

    def _begin(self, node: SwarmNode, own: Answer, managers: Sequence[Answer]) -> None:
        """Begin a swarm, where nobody can have one."""
        here = own.endpoint
        free = all(answer.problem is Problem.NO_SWARM for answer in managers)
        if here.name != self.managers[0].name or not free:
            raise NoManagerError(managers or (own,))
        with own.engine(seconds=JOIN_SECONDS) as engine:
            try:
                engine.api.init_swarm(
                    advertise_addr=here.private_address,
                    data_path_addr=here.private_address,
                    default_addr_pool=pool_of(here.private_address),
                )
            except APIError as error:
                self._fail(here, "begin a swarm", error)
            node_id = _own_id(engine)
            self._settled(node, node_id, engine, own, {})
            self.report(f"{node.name}: began swarm {engine.info()['Swarm']['Cluster']['ID']}")

    def _join(
        self,
        node: SwarmNode,
        own: Answer,
        manager: Manager,
        managers: Sequence[Answer],
        keep: Mapping[str, str],
    ) -> None:
        here = own.endpoint
        _check_clock(own, managers, manager)
        with manager.engine() as leader, own.engine(seconds=JOIN_SECONDS) as engine:
            kept = {**keep, **self._remove_former(node, here, leader)}
            usable = [a.endpoint for a in managers if a.problem is None]
            addresses = [_with_port(e.private_address, JOIN_PORT) for e in usable]
            try:
                self._send_token(node, here, leader, engine, addresses)
            except (SwarmError, requests.RequestException):
                # It would go on trying, and be found in the middle of it.
                _leave_quietly(engine)
                raise
            self._settled(node, _own_id(engine), leader, own, kept)
        self.report(f"{node.name}: joined swarm {manager.cluster_id} as a {node.role}")

    def _send_token(
        self,
        node: SwarmNode,
        here: NodeEndpoint,
        leader: DockerClient,
        engine: DockerClient,
        addresses: list[str],
    ) -> None:
        tokens = leader.api.inspect_swarm()["JoinTokens"]
        problem = ""
        try:
            engine.api.join_swarm(
                addresses,
                tokens["Manager" if node.is_manager else "Worker"],
                advertise_addr=here.private_address,
                data_path_addr=here.private_address,
            )
        except APIError as error:
            problem = str(error.explanation or error)
        finally:
            # Both: both were read.
            rotate_tokens(leader)
        # The engine answers after 20 s, and goes on.
        state = _no_longer_pending(engine)
        if state.state != ACTIVE:
            reason = state.error or problem or f"it is {state.state}"
            self._fail_words(here, f"join by {', '.join(addresses)}", reason)

    def _settled(
        self,
        node: SwarmNode,
        node_id: str,
        leader: DockerClient,
        own: Answer,
        kept: Mapping[str, str],
    ) -> None:
        """Wait until the managers count the node, and give it its labels."""
        wait_until(
            leader,
            node_id,
            lambda e: e.state == READY and (e.is_reachable or not node.is_manager),
            seconds=JOIN_SECONDS,
            what="ready, and reachable as a manager" if node.is_manager else "ready",
        )
        self._label(node, node_id, leader, own, kept)

    # Correcting

    def _correct(
        self, node: SwarmNode, own: Answer, leader: DockerClient, keep: Mapping[str, str]
    ) -> None:
        node_id = _membership(own).node_id
        kept = dict(keep)
        for former in entries(leader):
            if former.id != node_id and former.name == node.name and former.state != READY:
                kept |= volume_labels(former.labels)
                remove(leader, former)
                self.report(f"{node.name}: removed the entry of the machine before")
        found = next(e for e in entries(leader) if e.id == node_id)
        if found.is_manager != node.is_manager:
            if node.is_manager:
                promote(leader, node_id)
            else:
                check_removal(entries(leader), found)
                demote(leader, node_id)
            self.report(f"{node.name}: made it a {node.role}")
        if self._label(node, node_id, leader, own, kept):
            self.report(f"{node.name}: corrected its labels")

    def _label(
        self,
        node: SwarmNode,
        node_id: str,
        leader: DockerClient,
        own: Answer,
        kept: Mapping[str, str],
    ) -> bool:
        with own.engine(seconds=JOIN_SECONDS) as engine:
            features = kernel.found(engine)
        wanted = {
            **kept,
            **node.labels,
            NAME_LABEL: node.name,
            **features,
            GIVEN_LABEL: ",".join(sorted(node.labels)),
        }
        return change(leader, node_id, lambda spec: spec.update(Labels=labelled(spec, wanted)))

    # Leaving

    def _remove_former(
        self, node: SwarmNode, here: NodeEndpoint, leader: DockerClient
    ) -> dict[str, str]:
        """Remove what the swarm has of the machine that was here before.

        This machine is in no swarm, so an entry of its address is of one that is gone, whatever
        the swarm still believes of it.

        Returns:
            The labels of the volumes that were there. This machine gets them: a service whose
            volume was there would find no node any more.
        """
        kept: dict[str, str] = {}
        for former in entries(leader):
            is_here = former.address == here.private_address
            if former.name == node.name and former.state == READY and not is_here:
                wait_until(
                    leader,
                    former.id,
                    lambda e: e.state != READY,
                    seconds=JOIN_SECONDS,
                    what=f"gone, since {here} is to be {node.name},",
                )
            if former.name == node.name or (is_here and not former.name):
                kept |= volume_labels(former.labels)
                remove(leader, former)
                self.report(f"{node.name}: removed the entry of the machine before")
        return kept

    def _check_former(self, own: Answer, manager: Manager, *, known: bool) -> None:
        """Refuse to let a machine leave a swarm that is not, or may not be, ours."""
        membership = _membership(own)
        here = own.endpoint
        if membership.state == "locked":
            raise SwarmError(
                f"{here}: its part in the swarm must be open, got locked; unlock it (docker swarm "
                "unlock), and deploy again"
            )
        ours = {endpoint.private_address for endpoint in self.managers}
        same = membership.cluster_id == manager.cluster_id
        if known or same or (membership.remote_managers and membership.remote_managers <= ours):
            return
        other = membership.cluster_id or (
            f"with managers at {', '.join(sorted(membership.remote_managers)) or 'no address'}"
        )
        raise SwarmError(
            f"{here}: must be in swarm {manager.cluster_id} of {manager.endpoint.name} or in none, "
            f"got swarm {other}; if that is not needed, let the machine leave it (docker swarm "
            "leave --force) or replace it, and deploy again"
        )

    def _leave(self, own: Answer) -> None:
        with own.engine(seconds=JOIN_SECONDS) as engine:
            engine.api.leave_swarm(force=True)
        self.report(f"{own.endpoint.name}: left the swarm, which does not know it any more")

    # Small things

    def _fail(self, here: NodeEndpoint, what: str, error: APIError) -> NoReturn:
        self._fail_words(here, what, str(error.explanation or error))

    def _fail_words(self, here: NodeEndpoint, what: str, words: str) -> NoReturn:
        # Without the cause: it may have been told what is sent.
        raise SwarmError(f"{here}: must {what}, got: {told(words)}") from None


def labelled(spec: dict[str, Any], wanted: dict[str, str]) -> dict[str, str]:
    """Return a node's labels with those that are wanted.

    Args:
        spec: The node's specification.
        wanted: The labels that the settings give, and our own. What the settings gave before and
            do not give now is taken away; what else is there stays.
    """
    labels = dict(spec.get("Labels") or {})
    for name in labels.get(GIVEN_LABEL, "").split(","):
        labels.pop(name, None)
    return labels | wanted


def pool_of(private_address: str) -> list[str] | None:
    """Return where the swarm's own networks get their addresses.

    Args:
        private_address: Of the first manager. Docker's pool is 10.0.0.0/8, and a network of it
            might be the one that the machines are on.

    Returns:
        None for Docker's own choice.
    """
    return [str(_OTHER_POOL)] if ip_address(private_address) in _DEFAULT_POOL else None


def _membership(own: Answer) -> Membership:
    if own.membership is None:
        raise SwarmError(f"{own.endpoint}: must answer, got: {own.words}")
    return own.membership


def _check_clock(own: Answer, managers: Sequence[Answer], manager: Manager) -> None:
    """Refuse clocks that differ, before certificates that are not valid yet are sent."""
    at = next(a.membership for a in managers if a.endpoint.name == manager.endpoint.name)
    ahead = _membership(own).ahead - (at.ahead if at is not None else timedelta(0))
    if abs(ahead) > LARGEST_SKEW:
        direction = "ahead of" if ahead > timedelta(0) else "behind"
        raise SwarmError(
            f"{own.endpoint}: clock: must be within {LARGEST_SKEW.seconds // 60} min of "
            f"{manager.endpoint.name}'s, got {abs(ahead).total_seconds() / 3600:.1f} h {direction} "
            "it; set the clock that is wrong (timedatectl), and deploy again"
        )


def _no_longer_pending(engine: DockerClient) -> Membership:
    """Wait while a machine looks for the others of its swarm."""
    deadline = time.monotonic() + PENDING_SECONDS
    while (found := Membership.of_engine(engine)).state == PENDING:
        if time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE_SECONDS)
    return found


def _own_id(engine: DockerClient) -> str:
    return Membership.of_engine(engine).node_id


def _leave_quietly(engine: DockerClient) -> None:
    try:
        engine.api.leave_swarm(force=True)
    except (APIError, requests.RequestException):
        # The reason why it could not join is what is told.
        return


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
