"""A machine that reboots: what is done in which order, and what is told where that fails."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from constructs_lib.settings.environment import Environment
from constructs_lib.swarm.managers import Problem
from moor import status
from moor.failure import CommandError
from moor.health import Expected, Row
from moor.operation import containers, power, rebooting
from moor.operation.containers import Placed
from moor.operation.engines import UnreachableError
from moor.operation.hosts import Host
from moor.outputs import Node, Outputs
from moor.screen import Screen, make_console
from moor.swarm import host_work, machines, restart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from moor.operation.power import Action
    from moor.session import Session
    from moor.swarm.upkeep import Upkeep

HOST = Host(
    name="machine",
    address="192.0.2.7",
    private_address="",
    port=2376,
    instance_id="i-1",
    ssh=("ssh", "core@192.0.2.7"),
    certificates=(),
)
WEB = Placed(
    host=HOST, id="c1", service="web", number=1, name="moor-web-1", state="running", status="Up"
)
ENDED = replace(WEB, id="c2", name="moor-job-1", state="exited")
GOOD = Row(
    expected=Expected(name="moor-web-1", service="web", config_hash=""),
    state="running",
    verdict="good",
)
OUTPUTS = Outputs(public_ip="", docker_host="", ssh="", services={})


class World:
    """What happens, in its order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, silent: int = 0) -> None:
        self.done: list[str] = []
        self._silent = silent
        self.marks = ["before"]
        self.rows = [[GOOD]]
        monkeypatch.setattr(containers, "find", lambda _session: [WEB, ENDED])
        monkeypatch.setattr(power, "each", self._each)
        monkeypatch.setattr(machines, "reboot", lambda _s, machine: self.done.append(machine))
        monkeypatch.setattr(restart, "mark_of", lambda _node: self.marks[0])
        monkeypatch.setattr(restart, "wait", self._wait)
        monkeypatch.setattr(rebooting, "_PAUSE_SECONDS", 0)
        monkeypatch.setattr(status, "rows", lambda *_, **__: self.rows.pop(0))
        monkeypatch.setattr(Outputs, "load", lambda _environment: OUTPUTS)

    def _each(self, _session: object, found: Sequence[Placed], action: Action) -> list[str]:
        if action == "start" and self._silent:
            self._silent -= 1
            raise UnreachableError("machine: no", Problem.REFUSED)
        self.done.append(f"{action} {', '.join(one.name for one in found)}")
        return []

    def _wait(self, node: Node, before: str, *, name: str) -> None:
        assert (node.ssh, before, name) == ("ssh core@192.0.2.7", "before", "machine")
        self.done.append("wait")


def reboot(tmp_path: Path) -> rebooting.Took:
    environment = Environment(name="trial", settings_file=tmp_path / "trial.yaml", root=tmp_path)
    session = cast("Session", SimpleNamespace(environment=environment))
    return rebooting.alone(session, HOST, Screen(make_console(io.StringIO())))


def test_the_machine_ends_what_runs_itself_and_all_of_it_is_started_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(monkeypatch, silent=2)
    took = reboot(tmp_path)
    assert world.done == ["i-1", "wait", "start moor-web-1"]
    assert list(took.machines) == ["machine"]
    assert took.total >= took.machines["machine"] + took.services


def test_a_machine_that_does_not_answer_is_not_rebooted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(monkeypatch)
    world.marks = [""]
    with pytest.raises(CommandError, match="must answer over SSH before it is rebooted"):
        reboot(tmp_path)
    assert world.done == []


def test_where_it_fails_it_is_told_what_starts_the_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    World(monkeypatch)

    def fail(*_: object, **__: object) -> None:
        raise CommandError("node machine: must have rebooted")

    monkeypatch.setattr(restart, "wait", fail)
    with pytest.raises(CommandError) as caught:
        reboot(tmp_path)
    assert str(caught.value) == (
        "node machine: must have rebooted\n  services may have ended with it: "
        f"`ENVIRONMENT={tmp_path / 'trial.yaml'} make up` starts them"
    )


def test_services_that_do_not_come_back_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(monkeypatch)
    monkeypatch.setattr(rebooting, "_SERVICES_SECONDS", 0)
    world.rows = [[replace(GOOD, verdict="bad", problem="must run, got exited (1)")]]
    with pytest.raises(CommandError, match="moor-web-1: must run, got exited"):
        reboot(tmp_path)


def test_of_a_node_the_whole_reboot_counts_also_where_the_request_itself_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, clock = World(monkeypatch), [0.0]
    monkeypatch.setattr(rebooting, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(restart, "wait", lambda *_, **__: None)
    node = Node(public_ip="", private_ip="", instance_id="i-1", ssh="")

    def work(*_: object, mark_of: Callable[[Node], str], wait: Callable[..., None]) -> None:
        mark = mark_of(node)
        clock[0] += 7.0
        wait(node, mark, name="web-1")

    monkeypatch.setattr(host_work, "reboot", work)
    environment = Environment(name="trial", settings_file=tmp_path / "trial.yaml", root=tmp_path)
    session = cast("Session", SimpleNamespace(environment=environment))
    screen = Screen(make_console(io.StringIO()))
    took = rebooting.nodes(session, cast("Upkeep", None), ["web-1"], screen)
    assert took == rebooting.Took({"web-1": 7.0}, 0.0, 7.0)
    assert world.rows == []
