"""Whether all that the configuration says should run does run.

The configuration is asked, and not what happens to be on the machine: a service that is missing,
has too few replicas, is of an older configuration, unhealthy or silent is told as that.
"""

from __future__ import annotations

import http.client
import socket
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from constructs_lib.compose.model import ComposeProject, Service

Verdict = Literal["good", "pending", "bad"]

PATIENCE_SECONDS: Final = 120.0
"""How long a service may take after its container has started: real ones need a minute."""

SILENCE_SECONDS: Final = 10.0
"""How long a port that takes connections and answers none of them counts as not ready: what
speaks another protocol than HTTP is known by nothing else."""

_CONFIG_HASH: Final = "com.docker.compose.config-hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A container that should be there.

    Attributes:
        name: Its name.
        service: Its service.
        config_hash: The digest of its configuration.
        ends: Whether it may have come to a good end by itself.
        url: Where it should answer; empty where nothing can be asked.
        chosen: Its ports for which the engine chooses the machine's, such as `80/tcp`.
        fixed: The machine's ports that its service names.
        logs: The command that shows what it says, without its name.
    """

    name: str
    service: str
    config_hash: str
    ends: bool = False
    url: str = ""
    chosen: tuple[str, ...] = ()
    fixed: frozenset[int] = frozenset()
    logs: str = "docker logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A container that is there.

    Attributes:
        name: Its name.
        status: The engine's word: `running`, `exited`, ...
        health: Its health, in the engine's word; empty without a healthcheck.
        exit_code: How it ended, 0 while it runs.
        config_hash: The digest of the configuration that it was made from.
        image: What its image is called.
        published: The machine's ports that each of its own is published on.
        restarts: How often the engine has started it again by itself.
        since: Since when it has been as it is: ISO 8601, UTC; empty where nobody knows.
    """

    name: str
    status: str
    health: str = ""
    exit_code: int = 0
    config_hash: str = ""
    image: str = ""
    published: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    restarts: int = 0
    since: str = ""

    @property
    def state(self) -> str:
        """Its state in a word or two."""
        if self.status == "exited":
            return f"exited ({self.exit_code})"
        return f"{self.status} ({self.health})" if self.health else self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What has become of a container that should be there.

    Attributes:
        expected: What should be there.
        state: What is there, in a word or two.
        verdict: Whether that is right, may become right, or is wrong.
        answer: What it answers; empty where nothing was asked or heard.
        image: What its image is called.
        problem: What is wrong, in words; empty where nothing is.
        chosen: The ports that the engine has chosen, by the container's: no security group opens
            them.
        health: Its health, in the engine's word; empty without a healthcheck.
        restarts: How often it was started again by itself.
        since: Since when it has been as it is: ISO 8601, UTC; empty where nobody knows.
    """

    expected: Expected
    state: str
    verdict: Verdict
    answer: str = ""
    image: str = ""
    problem: str = ""
    chosen: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    health: str = ""
    restarts: int = 0
    since: str = ""


def expectations(project: ComposeProject, urls: Mapping[str, str]) -> list[Expected]:
    """Return the containers that a configuration asks for.

    Args:
        project: The services.
        urls: Where services answer, by name; of several replicas the first one does.
    """
    return [
        Expected(
            name=name,
            service=service.name,
            config_hash=service.config_hash,
            ends=_may_end(service, project),
            url=urls.get(service.name, "") if number == 0 else "",
            **_left_to_the_engine(service, number),
        )
        for service in project.services.values()
        for number, name in enumerate(service.container_names(project.name))
    ]


def _left_to_the_engine(service: Service, number: int) -> dict[str, Any]:
    """Return the ports of a replica that the engine chooses, and those that it must leave."""
    chosen = dict.fromkeys(f"{port.target}/{port.protocol}" for port in service.chosen_ports)
    if not chosen:
        return {}
    fixed = frozenset(there for port in service.ports if (there := port.host_port(number)))
    return {"chosen": tuple(chosen), "fixed": fixed}


def _may_end(service: Service, project: ComposeProject) -> bool:
    waited_for = any(
        d.service == service.name and d.condition == "service_completed_successfully"
        for other in project.services.values()
        for d in other.depends_on
    )
    return waited_for or (service.restart in ("no", "on-failure") and not service.ports)


def found_in(container: Mapping[str, Any], images: Mapping[str, str]) -> Found:
    """Read what the engine says of a container.

    Args:
        container: Its "Inspect a container", or the docker SDK's `attrs`.
        images: What images are called, by their id.
    """
    state = container.get("State") or {}
    labels = (container.get("Config") or {}).get("Labels") or {}
    return Found(
        name=str(container.get("Name", "")).lstrip("/"),
        status=str(state.get("Status", "unknown")),
        health=str((state.get("Health") or {}).get("Status", "")).replace("none", ""),
        exit_code=int(state.get("ExitCode", 0)),
        config_hash=str(labels.get(_CONFIG_HASH, "")),
        image=images.get(str(container.get("Image", "")), ""),
        published={
            key: tuple(dict.fromkeys(int(one["HostPort"]) for one in bindings or ()))
            for key, bindings in (
                (container.get("NetworkSettings") or {}).get("Ports") or {}
            ).items()
        },
        restarts=int(container.get("RestartCount") or 0),
        since=_since(state),
    )


def _since(state: Mapping[str, Any]) -> str:
    """Return when a container came into its state; the engine's year 1 stands for never."""
    over = state.get("Status") in ("exited", "dead")
    told = str(state.get("FinishedAt" if over else "StartedAt") or "")
    return "" if told.startswith("0001-") else told


def judge(expected: Expected, found: Found | None) -> Row:
    """Compare what should be there with what is, apart from its answers."""
    if found is None:
        return Row(
            expected=expected, state="missing", verdict="bad", problem="must be there, got nothing"
        )
    verdict: Verdict = "good"
    problem = ""
    if found.config_hash != expected.config_hash:
        verdict, problem = "bad", "must be of the present configuration, got an older one"
    elif found.status == "exited" and found.exit_code == 0 and expected.ends:
        pass
    elif found.status in ("created", "restarting"):
        verdict, problem = "pending", f"must run, got {found.state}"
    elif found.status == "running" and found.health == "starting":
        verdict, problem = "pending", "must be healthy, got starting"
    elif found.status != "running":
        verdict, problem = "bad", f"must run, got {found.state}"
    elif found.health == "unhealthy":
        verdict, problem = "bad", "must be healthy, got unhealthy"
    chosen = {
        key: tuple(p for p in found.published.get(key, ()) if p not in expected.fixed)
        for key in expected.chosen
    }
    return Row(
        expected=expected,
        state=found.state,
        verdict=verdict,
        image=found.image,
        problem=problem,
        chosen={key: ports for key, ports in chosen.items() if ports},
        health=found.health,
        restarts=found.restarts,
        since=found.since,
    )


def watch(
    expected: Iterable[Expected],
    look: Callable[[], Mapping[str, Found]],
    *,
    patience_seconds: float,
    ask: Callable[[str], str | None] | None = None,
    tick: Callable[[list[Row]], None] = lambda _rows: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Row]:
    """Look until all is right, something is wrong for good, or patience is at its end.

    Args:
        expected: What should be there.
        look: Returns what is there, by name.
        patience_seconds: How long to wait for what may become right; 0 looks once.
        ask: Asks a URL: the answer, an empty text for a connection that was closed without
            one, None for no connection.
        tick: Called with the rows at each look.
        clock: Tells the time in seconds.
        sleep: Waits some seconds.

    Returns:
        The rows. What is pending at the end was not ready in time.
    """
    wanted = list(expected)

    def rows() -> list[Row]:
        found = look()
        return [judge(one, found.get(one.name)) for one in wanted]

    return watch_rows(
        rows, patience_seconds=patience_seconds, ask=ask, tick=tick, clock=clock, sleep=sleep
    )


def watch_rows(
    look: Callable[[], Iterable[Row]],
    *,
    patience_seconds: float,
    ask: Callable[[str], str | None] | None = None,
    tick: Callable[[list[Row]], None] = lambda _rows: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Row]:
    """Do as `watch` does, with what is there compared already.

    Args:
        look: Returns what has become of each thing, apart from its answers.
        patience_seconds: As for `watch`, and so are the others.
        ask: Asks a URL.
        tick: Called with the rows at each look.
        clock: Tells the time in seconds.
        sleep: Waits some seconds.
    """
    asked = ask or answer_of
    begin = clock()
    answers: dict[str, str] = {}
    # Whoever looks once cannot wait for words: a database would never be right.
    silence = min(SILENCE_SECONDS, patience_seconds)
    while True:
        is_silent = clock() - begin >= silence
        rows = [_with_answer(row, answers, asked, is_silent=is_silent) for row in look()]
        tick(rows)
        if all(row.verdict == "good" for row in rows):
            return rows
        over = clock() - begin >= patience_seconds
        if over or any(row.verdict == "bad" for row in rows):
            return rows
        sleep(0.25)


def ended(rows: Iterable[Row]) -> dict[str, str]:
    """Return the digest of the configuration of each container that has come to a good end."""
    return {
        row.expected.name: row.expected.config_hash
        for row in rows
        if row.verdict == "good" and row.state == "exited (0)"
    }


def _with_answer(
    row: Row, answers: dict[str, str], ask: Callable[[str], str | None], *, is_silent: bool
) -> Row:
    """Add what a running container answers, and whether that will do."""
    url = row.expected.url
    if not url or row.verdict == "bad" or not row.state.startswith("running"):
        return row
    if not answers.get(url):
        said = ask(url)
        if said:
            answers[url] = said
        elif said == "" and ("(healthy)" in row.state or is_silent):
            answers[url] = "takes connections"
    verdict, problem = row.verdict, row.problem
    if not answers.get(url):
        verdict, problem = "pending", f"must answer at {url}, got silence"
    return replace(row, verdict=verdict, answer=answers.get(url, ""), problem=problem)


def answer_of(url: str, *, timeout_seconds: float = 5.0) -> str | None:
    """Ask a URL once.

    Args:
        url: The URL.
        timeout_seconds: How long a connection, and then an answer, may take.

    Returns:
        The status of the answer, such as `200 OK`; an empty text where there was a connection
        and no HTTP on it; None where there was none.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    try:
        with socket.create_connection((host, port), timeout=timeout_seconds):
            pass
    except OSError:
        return None
    connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    # What a service says must not be able to move a terminal's cursor.
    return "".join(c for c in f"{response.status} {response.reason}" if c.isprintable()).strip()


def problems(
    rows: Iterable[Row], *, seconds: float, look: Callable[[Row], str] | None = None
) -> Iterator[str]:
    """Say what is not right.

    Args:
        rows: What has become of the containers.
        seconds: How long was waited for what was pending.
        look: Returns the command that tells more of one; that of the engine by default.

    Yields:
        A line for each container that is not as it should be.
    """
    for row in rows:
        if row.verdict == "good":
            continue
        within = f" within {seconds:.0f} s" if row.verdict == "pending" and seconds else ""
        more = f"{row.expected.logs} {row.expected.name}" if look is None else look(row)
        hint = "" if row.state == "missing" else f"; look with: {more}"
        first, _, rest = row.problem.partition(", ")
        yield f"{row.expected.name}: {first}{within}, {rest}{hint}"
