"""What a swarm's services lose while something happens to them: `python -m benchmarks.swarm`.

It deploys the environment `swarm` to the sandbox, and writes `docs/swarm-figures.md`. The load is
bounded (`benchmarks.load`), and stays on the sandbox's own addresses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from docker.errors import DockerException
from requests import RequestException
from rich.console import Console

from benchmarks.load import PER_SECOND, Client, Tally
from benchmarks.swarm_growth import SIZES, Growth, growth, table
from constructs_lib.host.engine import connect as connect_to_machine
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor.outputs import outputs_file
from moor.toolchain.toolchain import ROOT
from sandbox.engine.connect import connect
from sandbox.lifecycle import Sandbox
from sandbox.names import Owner, project_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from docker import DockerClient

NAME: Final = "swarm"
PAGE: Final = ROOT / "docs" / "swarm-figures.md"
WEB_PORT: Final = 80
"""Where the example's web service answers on the nodes that run it."""
PATH: Final = "/cgi-bin/index.cgi"
_BEFORE_SECONDS: Final = 2.0
_AFTER_SECONDS: Final = 3.0
_HEALED_SECONDS: Final = 240.0

_console = Console(highlight=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was seen of one event.

    Attributes:
        event: What happened.
        command_seconds: How long the command took that brought it about; 0 for a kill.
        healed_seconds: From its begin until every service had all its tasks again.
        repair_seconds: How long `moor up` took, which brought everything back; 0 where there was
            nothing to repair.
        moving: What became of the requests of the client that tries the next node.
        staying: Likewise of the one that stays with the node that the event is about.
        load: The one-minute load average before.
    """

    event: str
    command_seconds: float
    healed_seconds: float
    repair_seconds: float
    moving: Tally
    staying: Tally
    load: float


class Swarm:
    """The swarm of the environment, as it is deployed."""

    def __init__(self) -> None:
        self.environment = Environment.from_variable(ROOT, {"ENVIRONMENT": NAME})
        self.settings = load_settings(self.environment.settings_file)
        self.chosen = NAME

    def moor(self, *words: str) -> float:
        """Run a command of `moor`, and return how many seconds it took.

        Raises:
            RuntimeError: Its exit status is not 0. The text has the end of what it printed.
        """
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "moor", *words],
            cwd=ROOT,
            env={**os.environ, "ENVIRONMENT": self.chosen},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"moor {' '.join(words)}: got {done.returncode}:\n{done.stdout}")
        return time.monotonic() - begin

    def nodes(self) -> dict[str, dict[str, str]]:
        """Return the nodes that the last deployment told of, by name."""
        document = json.loads(outputs_file(self.environment).read_text(encoding="utf-8"))
        nodes: dict[str, dict[str, str]] = document["aws"]["nodes"]
        return nodes

    def addresses(self, first: str) -> list[str]:
        """Return where the web service may answer, a certain node first."""
        nodes = self.nodes()
        ordered = [first, *(name for name in nodes if name != first)]
        return [f"{nodes[name]['public_ip']}:{WEB_PORT}" for name in ordered]

    def engine(self) -> DockerClient:
        """Return the engine of a manager that answers for the swarm.

        Raises:
            RuntimeError: None does.
        """
        for name, node in self.nodes().items():
            if name.startswith("manager-"):
                host = f"tcp://{node['public_ip']}:{self.settings.aws.docker_api.port}"
                engine = connect_to_machine(host, self.environment.certificates, timeout=5)
                with suppress(DockerException, RequestException, OSError):
                    engine.api.nodes()
                    return engine
        raise RuntimeError("no manager answers for the swarm")

    def leader(self) -> str:
        """Return the name of the manager that leads."""
        for node in self.engine().api.nodes(filters={"role": "manager"}):
            if node.get("ManagerStatus", {}).get("Leader"):
                return str(node["Spec"]["Labels"]["moor.node"])
        raise RuntimeError("no manager leads")

    def serving(self, *, workers: bool = False) -> str:
        """Return the name of a node on which the web service runs."""
        api: Any = self.engine().api
        names = {node["ID"]: node["Spec"]["Labels"]["moor.node"] for node in api.nodes()}
        for task in api.tasks(filters={"service": self._web(), "desired-state": "running"}):
            name = str(names[task["NodeID"]])
            if not workers or not name.startswith("manager-"):
                return name
        raise RuntimeError("the web service runs on no such node")

    def serving_worker(self) -> str:
        """Return the name of a worker on which the web service runs.

        A swarm leaves tasks where they are when a node comes back. So managers that run the
        service are drained for a moment, until a worker does.

        Raises:
            RuntimeError: No worker gets one.
        """
        for _ in self.nodes():
            with suppress(RuntimeError):
                return self.serving(workers=True)
            name = self.serving()
            self.moor("node", "drain", name)
            self.wait_until_whole(_HEALED_SECONDS)
            self.moor("node", "activate", name)
        return self.serving(workers=True)

    def wait_until_whole(self, seconds: float, without: str = "") -> None:
        """Wait until each service has all its tasks, and no others.

        Args:
            seconds: How long at most.
            without: As `is_whole` takes it.

        Raises:
            RuntimeError: Some service has not.
        """
        end = time.monotonic() + seconds
        while not self.is_whole(without):
            if time.monotonic() > end:
                raise RuntimeError("the services are not whole again")
            time.sleep(0.2)

    def _web(self) -> str:
        return f"{self.settings.project}_web"

    def is_whole(self, without: str = "") -> bool:
        """Return whether each service has all the tasks that it should have, and no others.

        A service whose volume is on a node that takes no tasks waits for that node, and is whole
        without.

        Args:
            without: A node that the swarm must have seen to be down by then.
        """
        try:
            api: Any = self.engine().api
            nodes = api.nodes()
            ready = {n["ID"] for n in nodes if n["Status"]["State"] == "ready"}
            if any(n["ID"] in ready and n["Spec"]["Labels"]["moor.node"] == without for n in nodes):
                return False
            services = api.services()
            places = [
                n["Spec"]["Labels"]
                for n in nodes
                if n["ID"] in ready and n["Spec"]["Availability"] == "active"
            ]
            waiting = {s["ID"] for s in services if not _has_place(s, places)}
            running: dict[str, int] = {}
            for task in api.tasks():
                if task["DesiredState"] != "running" or task["ServiceID"] in waiting:
                    continue
                if task["Status"]["State"] != "running" or task["NodeID"] not in ready:
                    return False
                running[task["ServiceID"]] = running.get(task["ServiceID"], 0) + 1
            wanted = {s["ID"]: _replicas(s) for s in services if s["ID"] not in waiting}
        except (DockerException, RequestException, OSError, RuntimeError, KeyError):
            return False
        return all(n is None or running.get(s, 0) == n for s, n in wanted.items())

    def kill(self, name: str) -> None:
        """Kill a node's machine, as a power cut would."""
        self._beneath().kill(self._machine(name), signal="SIGKILL")

    def lose(self, name: str) -> None:
        """Remove a node's machine, with its disk."""
        self._beneath().remove_container(self._machine(name), force=True, v=True)

    def recover(self, lost: Sequence[str]) -> float:
        """Lose some managers, and begin the swarm anew without them; returns the seconds of that.

        Raises:
            RuntimeError: It has a majority still, or other services or secrets than before.
        """
        before = self._kept()
        for name in lost:
            self.lose(name)
        self._wait_until_lost(_HEALED_SECONDS)
        words = [word for name in lost for word in ("--lost", name)]
        seconds = self.moor("swarm", "recover", *words)
        if self._kept() != before:
            raise RuntimeError(f"must have kept {before}, got {self._kept()}")
        return seconds

    def _wait_until_lost(self, seconds: float) -> None:
        """Wait until no manager answers for the swarm: one that is left notices after a while.

        Raises:
            RuntimeError: One still does.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.engine()
            except RuntimeError:
                return
            time.sleep(0.2)
        raise RuntimeError("a manager still answers for the swarm")

    def _kept(self) -> list[str]:
        api: Any = self.engine().api
        return sorted(found["ID"] for found in (*api.services(), *api.secrets(), *api.configs()))

    def _machine(self, name: str) -> str:
        owner = Owner(environment=NAME, project=project_of(ROOT))
        return owner.name(self.nodes()[name]["instance_id"])

    def _beneath(self) -> Any:  # noqa: ANN401  (the SDK has no types)
        assert self.settings.sandbox is not None  # noqa: S101  (for the type checker)
        status = Sandbox(self.environment, self.settings.sandbox, lambda _: None).status()
        return connect(status.engine_url).api


def _replicas(service: dict[str, Any]) -> int | None:
    replicated = service["Spec"]["Mode"].get("Replicated")
    return None if replicated is None else int(replicated["Replicas"])


def _has_place(service: dict[str, Any], places: Sequence[dict[str, str]]) -> bool:
    """Return whether some node has all the labels that a service wants of one.

    Args:
        service: The service, as the engine tells it.
        places: The labels of each node that takes tasks.
    """
    constraints = service["Spec"]["TaskTemplate"].get("Placement", {}).get("Constraints", [])
    wanted = {
        key.removeprefix("node.labels."): value
        for key, equals, value in (constraint.partition("==") for constraint in constraints)
        if equals and key.startswith("node.labels.")
    }
    return any(wanted.items() <= labels.items() for labels in places)


def observed(
    swarm: Swarm,
    event: str,
    node: str,
    act: Callable[[], float],
    *,
    repair: bool = False,
    gone: bool = False,
) -> Row:
    """Let something happen under load.

    Args:
        swarm: The swarm.
        event: What it is called.
        node: The node that it is about.
        act: What brings it about; returns how many seconds that took.
        repair: Whether `moor up` has to bring something back.
        gone: Whether the services are whole only when the swarm has seen that the node is down.
    """
    load = os.getloadavg()[0]
    addresses = swarm.addresses(node)
    with (
        Client(addresses, PATH, moves_on=True) as moving,
        Client(addresses, PATH, moves_on=False) as staying,
    ):
        time.sleep(_BEFORE_SECONDS)
        begin = time.monotonic()
        took = act()
        swarm.wait_until_whole(_HEALED_SECONDS, node if gone else "")
        healed = time.monotonic() - begin
        time.sleep(_AFTER_SECONDS)
    row = Row(
        event=event,
        command_seconds=took,
        healed_seconds=healed,
        repair_seconds=swarm.moor("up") if repair else 0.0,
        moving=moving.tally,
        staying=staying.tally,
        load=load,
    )
    _console.print(" | ".join(_cells(row)))
    return row


def _cells(row: Row) -> tuple[str, ...]:
    def tally(found: Tally) -> str:
        if not found.failures:
            return f"0 of {found.requests}"
        return f"{len(found.failures)} of {found.requests} ({found.seconds:.1f} s)"

    return (
        row.event,
        f"{row.command_seconds:.1f}" if row.command_seconds else "",
        f"{row.healed_seconds:.1f}",
        tally(row.moving),
        tally(row.staying),
        f"{row.repair_seconds:.1f}" if row.repair_seconds else "",
        f"{row.load:.0f}",
    )


HEADER: Final = (
    "what happens",
    "command s",
    "whole again after s",
    "lost, next node tried",
    "lost, same node",
    "`moor up` after it s",
    "load",
)


def page(
    rows: list[Row], grown: list[Growth], *, deployed: tuple[float, float, float], load: float
) -> str:
    """Write the page.

    Args:
        rows: What was seen.
        grown: How synthesis and a plan grow.
        deployed: Seconds of `moor up` from nothing, unchanged, and with one service changed.
        load: The one-minute load average before.
    """
    nothing, again, changed = deployed
    lines = [
        "# What a swarm loses",
        "",
        (
            "Written by `python -m benchmarks.swarm`; do not edit. The environment `swarm` in the "
            "sandbox: 3 managers, 2 workers, six services, all on one computer with "
            f"{os.cpu_count()} processors. Each client asks "
            f"{PER_SECOND} times a second. The first one tries the next node where one does not "
            "answer within a second; the other one stays with the node that the event is about. "
            "What a kill or a loss has broken is whole again when the swarm has noticed, and all "
            "tasks run elsewhere; a service whose volume is on the node that is gone or drained "
            "waits for that node."
        ),
        "",
        (
            f"`moor up`: {nothing:.0f} s from nothing, {again:.1f} s with nothing to change, "
            f"{changed:.1f} s with one service changed. Load average before: {load:.1f}."
        ),
        "",
        f"| {' | '.join(HEADER)} |",
        f"| --- |{' ---: |' * (len(HEADER) - 1)}",
        *(f"| {' | '.join(_cells(row))} |" for row in rows),
        "",
        "## Growth",
        "",
        (
            "On paper: no machine is booted. Synthesis is of both stacks, the plan is of the "
            "second one, from nothing."
        ),
        "",
        *table(grown),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the page."""
    swarm = Swarm()
    load = os.getloadavg()[0]
    swarm.moor("down")
    nothing = swarm.moor("up")
    again = swarm.moor("up")
    _console.print(f"up {nothing:.1f} s, again {again:.1f} s")
    rows: list[Row] = []
    with _another_greeting(swarm):
        node = swarm.serving_worker()
        rows.append(observed(swarm, "a rolling update", node, lambda: swarm.moor("up")))
    changed = swarm.moor("up")
    node = swarm.serving_worker()
    rows.append(observed(swarm, "a node drained", node, lambda: swarm.moor("node", "drain", node)))
    swarm.moor("node", "activate", node)
    node = swarm.serving_worker()
    rows.append(
        observed(
            swarm,
            "a worker replaced",
            node,
            lambda: swarm.moor("host", "replace", node, "--lose-volumes"),
        )
    )

    def renew() -> float:
        return swarm.moor("certs", "rotate", "all") + swarm.moor("up")

    rows.append(observed(swarm, "certificates renewed", swarm.serving(), renew))
    node = swarm.serving_worker()
    rows.append(
        observed(
            swarm, "a worker killed", node, lambda: _now(swarm.kill, node), repair=True, gone=True
        )
    )
    leader = swarm.leader()
    rows.append(
        observed(
            swarm,
            "the leading manager killed",
            leader,
            lambda: _now(swarm.kill, leader),
            repair=True,
            gone=True,
        )
    )
    node = swarm.serving_worker()
    rows.append(
        observed(
            swarm,
            "two of three managers lost, the swarm recovered",
            node,
            lambda: swarm.recover(["manager-2", "manager-3"]),
            repair=True,
        )
    )
    grown = []
    for nodes, services in SIZES:
        with tempfile.TemporaryDirectory(prefix="moor-bench-") as folder:
            grown.append(growth(Path(folder), nodes, services))
    text = page(rows, grown, deployed=(nothing, again, changed), load=load)
    PAGE.write_text(text, encoding="utf-8")


def _now(act: Callable[[str], None], name: str) -> float:
    act(name)
    return 0.0


@contextmanager
def _another_greeting(swarm: Swarm) -> Iterator[None]:
    """Change one service: other settings of the same environment, beside the ones that stay."""
    document = yaml.safe_load(swarm.environment.settings_file.read_text(encoding="utf-8"))
    folder = swarm.environment.settings_file.parent
    document["services"] = str((folder / document["services"]).resolve())
    document["variables"]["GREETING"] = "good day"
    with tempfile.TemporaryDirectory(prefix="moor-bench-") as other:
        file = Path(other) / f"{NAME}.yaml"
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        swarm.chosen = str(file)
        try:
            yield
        finally:
            swarm.chosen = NAME


if __name__ == "__main__":
    main()
