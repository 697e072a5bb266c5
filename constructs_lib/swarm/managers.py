"""Which manager of the swarm is asked: one that answers, and that others follow.

Every manager has the whole API, and passes on to the leader what it cannot do itself. So any will
do that is reachable from here and is one of a majority.

Source: Docker Engine API 1.40, "Get system information".
"""

from __future__ import annotations

import contextlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, cast

import requests
from docker.errors import APIError, DockerException

from constructs_lib.host.engine import connect
from constructs_lib.swarm.errors import SwarmError, told, without_tokens
from constructs_lib.swarm.quorum import majority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from docker import DockerClient

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
ELECTION_SECONDS: Final = 30.0
"""How long managers that answer may be without a majority: so long may they choose a leader."""

INACTIVE: Final = "inactive"
ACTIVE: Final = "active"
PENDING: Final = "pending"

_MOST_AT_ONCE: Final = 16
_PAUSE_SECONDS: Final = 0.5
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")


class Problem(StrEnum):
    """Why a manager cannot be used."""

    REFUSED = "refused"
    """Nothing listens at the address, or nothing leads there."""
    SILENT = "silent"
    """No answer in time."""
    CERTIFICATE = "certificate"
    """The machine does not take our certificate, or we do not take the machine's."""
    NO_SWARM = "no swarm"
    """The machine is in no swarm."""
    WORKER = "worker"
    """The machine is a worker."""
    NO_QUORUM = "no quorum"
    """It is a manager, and too few others are."""
    OTHER = "other"
    """Something else, which its words tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEndpoint:
    """Where a node's Docker API is.

    Attributes:
        name: The node's name in the settings.
        address: Where it is reached from here.
        private_address: Where the other nodes reach it.
        port: TCP port of the API.
    """

    name: str
    address: str
    private_address: str
    port: int

    @property
    def docker_host(self) -> str:
        """The address as `DOCKER_HOST` takes it."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"tcp://{host}:{self.port}"

    def __str__(self) -> str:
        """Return its name and where it is."""
        return f"{self.name} ({self.address}:{self.port})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """What an engine says of its own swarm.

    Attributes:
        state: `inactive`, `pending`, `active`, `error` or `locked`.
        node_id: Its id in the swarm; empty where it is in none.
        is_manager: Whether it takes part in managing the swarm.
        cluster_id: The swarm's id, which managers with quorum know; else empty.
        error: What it complains of.
        managers: How many managers it says there are.
        remote_managers: The addresses, without ports, of the managers that it knows.
        ahead: How far the engine's clock is ahead of ours, as far as it can be told.
    """

    state: str
    node_id: str
    is_manager: bool
    cluster_id: str
    error: str
    managers: int
    remote_managers: frozenset[str]
    ahead: timedelta = timedelta(0)

    @classmethod
    def of(cls, info: Mapping[str, Any], now: datetime) -> Membership:
        """Read it from what an engine tells of itself.

        Args:
            info: What `GET /info` answers.
            now: What time it is here, aware.
        """
        swarm = info.get("Swarm") or {}
        remote = swarm.get("RemoteManagers") or ()
        return cls(
            state=swarm.get("LocalNodeState") or INACTIVE,
            node_id=swarm.get("NodeID") or "",
            is_manager=bool(swarm.get("ControlAvailable")),
            cluster_id=(swarm.get("Cluster") or {}).get("ID") or "",
            error=swarm.get("Error") or "",
            managers=int(swarm.get("Managers") or 0),
            remote_managers=frozenset(
                str(m["Addr"]).rpartition(":")[0].strip("[]") for m in remote
            ),
            ahead=_ahead(info.get("SystemTime") or "", now),
        )

    @classmethod
    def of_engine(cls, client: DockerClient) -> Membership:
        """Read it from an engine.

        Args:
            client: The engine.

        Raises:
            docker.errors.DockerException: It refuses.
            requests.RequestException: It does not answer.
        """
        return cls.of(client.info(), datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of asking one machine.

    Attributes:
        endpoint: The machine.
        membership: What it says; None where it did not answer.
        certificates: The folder of certificates that it took; None where it did not answer.
        problem: Why it cannot be used as a manager; None where it can.
        words: The problem in words.
    """

    endpoint: NodeEndpoint
    membership: Membership | None = None
    certificates: Path | None = None
    problem: Problem | None = None
    words: str = ""

    @property
    def is_in_between(self) -> bool:
        """Whether it may soon be usable by itself: a leader is chosen in seconds."""
        pending = self.membership is not None and self.membership.state == PENDING
        return pending or self.problem is Problem.NO_QUORUM

    @contextlib.contextmanager
    def engine(self, *, seconds: float = ANSWER_SECONDS) -> Iterator[DockerClient]:
        """Yield a client of its engine, closed at the end.

        Args:
            seconds: How long an answer may take.

        Raises:
            SwarmError: It did not answer.
        """
        if self.certificates is None:
            raise SwarmError(f"{self.endpoint}: must answer, got: {self.words}")
        with open_engine(self.endpoint, self.certificates, seconds=seconds) as client:
            yield client


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """A manager that answers, and is one of a majority.

    Attributes:
        endpoint: Where it is.
        certificates: The folder of certificates that it takes.
        cluster_id: The id of the swarm.
        passed_over: Those before it in the list that cannot be used, with the reasons.
    """

    endpoint: NodeEndpoint
    certificates: Path
    cluster_id: str
    passed_over: Sequence[Answer] = field(default=())

    def __str__(self) -> str:
        """Say which it is, and why it is none before it."""
        others = "".join(f"; {a.endpoint.name}: {a.words}" for a in self.passed_over)
        return f"{self.endpoint}{others}"

    @contextlib.contextmanager
    def engine(self, *, seconds: float = ANSWER_SECONDS) -> Iterator[DockerClient]:
        """Yield a client of its engine, closed at the end.

        Args:
            seconds: How long an answer may take.
        """
        with open_engine(self.endpoint, self.certificates, seconds=seconds) as client:
            yield client


class NoManagerError(SwarmError):
    """No manager can be used.

    Attributes:
        answers: What came of asking each.
    """

    def __init__(self, answers: Sequence[Answer]) -> None:
        lines = [f"  {answer.endpoint}: {answer.words}" for answer in answers]
        remedy = ""
        if any(answer.problem is Problem.NO_QUORUM for answer in answers):
            remedy = (
                "; too few managers are left to agree: bring one back, or run: moor swarm recover"
            )
        elif answers and all(answer.problem is Problem.NO_SWARM for answer in answers):
            remedy = "; no machine is in a swarm yet: deploy, which makes it"
        text = f"swarm: managers: one of them must answer and have a majority, got none{remedy}"
        super().__init__("\n".join((text, *lines)))
        self.answers = tuple(answers)

    @property
    def has_lost_quorum(self) -> bool:
        """Whether there is a swarm, and too few of its managers."""
        return any(answer.problem is Problem.NO_QUORUM for answer in self.answers)


@contextlib.contextmanager
def open_engine(
    endpoint: NodeEndpoint, certificates: Path, *, seconds: float = ANSWER_SECONDS
) -> Iterator[DockerClient]:
    """Yield a client of a node's engine, closed at the end; nothing is sent yet.

    Args:
        endpoint: Where it is.
        certificates: The folder with `ca.pem`, `cert.pem` and `key.pem`.
        seconds: How long an answer may take.
    """
    client = connect(endpoint.docker_host, certificates)
    # A machine that is gone answers nothing at all, and is known for that long before one that
    # is busy would have answered.
    client.api.timeout = cast("int", (CONNECT_SECONDS, seconds))
    try:
        yield client
    finally:
        client.close()


def ask(
    endpoint: NodeEndpoint,
    certificates: Sequence[Path],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Answer:
    """Ask one machine what it is in its swarm.

    Args:
        endpoint: The machine.
        certificates: Folders of certificates to try, in this order: what was prepared may be
            what the machine takes already, or not yet. One that does not exist is passed over.
        clock: Returns the time, aware.
    """
    answer = Answer(
        endpoint=endpoint, problem=Problem.CERTIFICATE, words="there is no certificate to show"
    )
    for folder in certificates:
        if not folder.is_dir():
            continue
        try:
            with open_engine(endpoint, folder) as client:
                info = client.info()
                membership = Membership.of(info, clock())
                problem, words = _problem(membership, endpoint)
                if problem is None:
                    problem, words = _unfollowed(client)
        except (DockerException, requests.RequestException, OSError) as error:
            problem, words = classify(error)
            answer = Answer(endpoint=endpoint, problem=problem, words=words)
            if problem is Problem.CERTIFICATE:
                continue
            return answer
        return Answer(
            endpoint=endpoint,
            membership=membership,
            certificates=folder,
            problem=problem,
            words=words,
        )
    return answer


def survey(endpoints: Sequence[NodeEndpoint], certificates: Sequence[Path]) -> tuple[Answer, ...]:
    """Ask several machines at once.

    Args:
        endpoints: The machines.
        certificates: As `ask` takes them.

    Returns:
        The answers, in the order of the machines.
    """
    if not endpoints:
        return ()
    with ThreadPoolExecutor(min(len(endpoints), _MOST_AT_ONCE)) as pool:
        return tuple(pool.map(lambda endpoint: ask(endpoint, certificates), endpoints))


def settled(
    endpoints: Sequence[NodeEndpoint],
    certificates: Sequence[Path],
    *,
    seconds: float = ELECTION_SECONDS,
) -> tuple[Answer, ...]:
    """Ask several machines, and again for as long as they may be choosing a leader.

    Args:
        endpoints: The machines.
        certificates: As `ask` takes them.
        seconds: How long managers without a majority, and machines that are about to join, are
            waited for.

    Returns:
        The answers, in the order of the machines.
    """
    deadline = time.monotonic() + seconds
    while True:
        answers = survey(endpoints, certificates)
        waits = any(answer.is_in_between for answer in answers)
        usable = any(answer.problem is None for answer in answers)
        if usable or not waits or time.monotonic() >= deadline:
            return answers
        time.sleep(_PAUSE_SECONDS)


def choose(answers: Sequence[Answer], *, avoid: str | None = None) -> Manager:
    """Choose the first manager that can be used.

    Args:
        answers: What came of asking each, in the order of preference.
        avoid: The name of a node that is chosen only where no other can be used: what is to be
            done to a node is better asked of another.

    Raises:
        NoManagerError: None can be used; the text has the reason of each.
        SwarmError: They are managers of different swarms.
    """
    usable = [a for a in answers if a.problem is None and a.membership is not None]
    swarms = {a.membership.cluster_id: a for a in reversed(usable) if a.membership is not None}
    if len(swarms) > 1:
        each = reversed(swarms.items())
        found = ", ".join(f"{answer.endpoint} of swarm {cluster}" for cluster, answer in each)
        raise SwarmError(
            f"swarm: managers: must be of one swarm, got {found}; let those leave that do not "
            "belong to it (docker swarm leave --force), and deploy again"
        )
    for answer in sorted(usable, key=lambda a: a.endpoint.name == avoid):
        if answer.membership is not None and answer.certificates is not None:
            before = list(answers)[: list(answers).index(answer)]
            return Manager(
                endpoint=answer.endpoint,
                certificates=answer.certificates,
                cluster_id=answer.membership.cluster_id,
                passed_over=tuple(a for a in before if a.problem is not None),
            )
    raise NoManagerError(answers)


def answering(
    endpoints: Sequence[NodeEndpoint],
    certificates: Sequence[Path],
    *,
    avoid: str | None = None,
    seconds: float = ELECTION_SECONDS,
) -> Manager:
    """Find a manager that answers, and is one of a majority.

    Args:
        endpoints: The managers, in the order of preference; all are asked at once.
        certificates: As `ask` takes them: usually `(pki.certificates_dir, pki.next_dir)`.
        avoid: As `choose` takes it.
        seconds: How long to wait while managers that answer choose a leader.

    Raises:
        NoManagerError: None can be used; the text has the reason of each, and the remedy.
        SwarmError: They are managers of different swarms.
    """
    return choose(settled(endpoints, certificates, seconds=seconds), avoid=avoid)


def classify(error: Exception) -> tuple[Problem, str]:
    """Tell why a request failed.

    Args:
        error: What the docker SDK or requests raised.
    """
    text = str(error.explanation or error) if isinstance(error, APIError) else str(error)
    low = text.lower()
    if "does not have a leader" in low or "too few managers" in low:
        return Problem.NO_QUORUM, told(text)
    if isinstance(error, APIError):
        return Problem.OTHER, told(text)
    if isinstance(error, requests.exceptions.SSLError) or any(
        word in low for word in ("certificate", "tls", "ssl", "alert")
    ):
        reason = _innermost(error)
        return Problem.CERTIFICATE, f"certificate refused ({reason})"
    if isinstance(error, requests.Timeout) or "timed out" in low:
        return Problem.SILENT, "no answer in time"
    if isinstance(error, requests.ConnectionError | OSError):
        return Problem.REFUSED, f"no connection ({_innermost(error)})"
    return Problem.OTHER, told(text)


def _problem(membership: Membership, endpoint: NodeEndpoint) -> tuple[Problem | None, str]:
    """Tell what keeps a machine from being asked as a manager, by its own words."""
    if membership.state == INACTIVE:
        return Problem.NO_SWARM, "is in no swarm"
    error = without_tokens(" ".join(membership.error.split()))
    if membership.state == PENDING and endpoint.private_address in membership.remote_managers:
        # One that was started again, and finds too few others.
        return Problem.NO_QUORUM, "is a manager that waits for a majority of them"
    if membership.state != ACTIVE:
        reason = told(error) if error else "no reason"
        return Problem.OTHER, f"its part in the swarm is {membership.state}: {reason}"
    if not membership.is_manager:
        return Problem.WORKER, "is a worker"
    if error or not membership.cluster_id:
        return Problem.NO_QUORUM, f"has no majority: {error or 'it knows no swarm'}"
    return None, ""


def _unfollowed(client: DockerClient) -> tuple[Problem | None, str]:
    """Tell whether too few others follow: a leader that lost them does not say so at once."""
    nodes = client.api.nodes(filters={"role": "manager"})
    states = [(node.get("ManagerStatus") or {}).get("Reachability") for node in nodes]
    managers = [state for state in states if state is not None]
    reachable = managers.count("reachable")
    if managers and reachable < majority(len(managers)):
        return (
            Problem.NO_QUORUM,
            f"has no majority: {reachable} of {len(managers)} managers are reachable",
        )
    return None, ""


def _innermost(error: BaseException) -> str:
    """Return the words of what is beneath a chain of errors, which says it without its wrapping."""
    found, seen = error, {id(error)}
    while True:
        reasons = (getattr(found, "reason", None), *found.args, found.__cause__, found.__context__)
        inner = next(
            (r for r in reasons if isinstance(r, BaseException) and id(r) not in seen), None
        )
        if inner is None:
            break
        found = inner
        seen.add(id(found))
    text = getattr(found, "strerror", None) or str(found) or type(found).__name__
    return " ".join(str(text).split())


def _host(address: str) -> str:
    """Return the address without the port, and without what encloses one of version 6."""
    return address.rpartition(":")[0].strip("[]")


def _ahead(text: str, now: datetime) -> timedelta:
    """Return how far an engine's clock is ahead; nothing where it tells no time."""
    # Nanoseconds are more digits than are read here.
    if found := _TIME.fullmatch(text):
        return datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")) - now
    return timedelta(0)
