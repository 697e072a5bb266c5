"""The containers of the services, as an engine tells of them, and what they write."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from constructs_lib.compose.model import ComposeProject, Service
from constructs_lib.settings.environment import Environment
from moor.failure import CommandError, WrongUseError
from moor.operation import containers, engines, listing, logs
from moor.operation.containers import Placed
from moor.operation.hosts import Host
from moor.screen import make_console
from moor.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = Host(
    name="machine",
    address="192.0.2.7",
    private_address="",
    port=2376,
    instance_id="i-1",
    ssh=(),
    certificates=(),
)
NODE = replace(HOST, name="web-1", private_address="10.0.0.7")
WEB = Placed(
    host=HOST,
    id="c1",
    service="web",
    number=1,
    name="moor-web-1",
    state="running",
    status="Up 3 minutes (unhealthy)",
    image="nginx:1.27",
    ports=("80->8080/tcp",),
)
IDLE = replace(
    WEB, id="c2", service="worker", name="moor-worker-1", state="exited", status="Exited"
)
ITEM: dict[str, Any] = {
    "Id": "c3",
    "Names": ["/moor-web-2"],
    "Labels": {"com.docker.compose.service": "web"},
    "State": "running",
    "Status": "Up 1 second",
    "Image": "sha256:1",
    "ImageID": "sha256:1",
    "Ports": [
        {"IP": "192.0.2.7", "PrivatePort": 8080, "PublicPort": 80, "Type": "tcp"},
        {"IP": "::", "PrivatePort": 8080, "PublicPort": 80, "Type": "tcp"},
        {"PrivatePort": 9000, "Type": "tcp"},
    ],
}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    environment = Environment(name="trial", settings_file=tmp_path / "trial.yaml", root=tmp_path)
    named = {name: Service(name=name) for name in ("web", "worker")}
    made = Session(environment=environment)
    made.__dict__["services"] = ComposeProject(
        name="moor", file="compose.yaml", services=named, networks={}, volumes={}
    )
    return made


def test_a_container_as_an_engine_lists_it() -> None:
    found = containers._placed(HOST, ITEM, {"sha256:1": "nginx:1.27"})
    assert (found.service, found.number, found.label, found.image, found.ports) == (
        *("web", 2, "web-2", "nginx:1.27", ("80->8080/tcp",)),
    )
    labels = {"com.docker.compose.oneoff": "True", "com.docker.compose.container-number": "3"}
    assert containers._placed(HOST, {**ITEM, "Labels": labels}, {}).is_one_off
    assert containers._image({"RepoTags": ["<none>:<none>"], "RepoDigests": []}) == ""
    digest = f"registry/web@sha256:{'a' * 64}"
    assert containers._image({"RepoDigests": [digest]}) == f"registry/web@{'a' * 12}"


def test_in_a_swarm_the_label_names_the_node() -> None:
    assert replace(WEB, host=NODE).label == "web-1@web-1"
    assert replace(WEB, host=NODE, number=0).label == "web@web-1"


def test_a_service_that_nobody_has(session: Session) -> None:
    with pytest.raises(WrongUseError, match=r"got 'wbe'; did you mean web\?"):
        containers.known(session, ["web", "wbe"])


def test_only_one_that_runs_is_chosen(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    second = replace(WEB, id="c4", number=2)
    there = [replace(WEB, state="exited", status="Exited (1)"), second]
    monkeypatch.setattr(containers, "find", lambda _session, _services: there)
    assert containers.choose(session, "web") == second
    assert containers.choose(session, "web", index=2) == second
    with pytest.raises(CommandError, match=r"must run with number 1, got .*; choose one of these$"):
        containers.choose(session, "web", index=1)
    there.pop()
    with pytest.raises(CommandError) as caught:
        containers.choose(session, "web")
    text = str(caught.value)
    assert text.startswith("service web: must run, got web-1 Exited (1); `")
    assert text.endswith("moor start web` starts it, and `moor logs web` tells why it ended")


def test_what_a_person_and_a_script_see(capsys: pytest.CaptureFixture[str]) -> None:
    console = make_console()
    console.print(listing.table([WEB, IDLE], console))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "service   state                     ports         id  image",
        "web-1     Up 3 minutes (unhealthy)  80->8080/tcp  c1  nginx:1.27",
        "worker-1  Exited                    80->8080/tcp  c2  nginx:1.27",
    ]
    console.print(listing.table([replace(WEB, host=NODE)], console))
    assert "node" in capsys.readouterr().out.splitlines()[0].split()
    assert listing.as_json([WEB])[0]["container"] == "moor-web-1"


# What they write


class Engine:
    """As much of the docker SDK as output is read with."""

    def __init__(self, outputs: dict[str, list[list[bytes]]]) -> None:
        self._outputs = outputs
        self.api = self
        self.asked: list[dict[str, Any]] = []

    def logs(self, identity: str, **options: Any) -> Iterator[bytes]:  # noqa: ANN401
        """Return what a container writes until it ends."""
        self.asked.append({"id": identity, **options})
        left = self._outputs[identity]
        return iter(left.pop(0) if left else [])


def at(second: int, text: str) -> bytes:
    return f"2026-11-28T22:40:{second:02}.000000000Z {text}\n".encode()


def reading(monkeypatch: pytest.MonkeyPatch, outputs: dict[str, list[list[bytes]]]) -> Engine:
    engine = Engine(outputs)

    @contextlib.contextmanager
    def opened(_environment: object, _host: object) -> Iterator[Engine]:
        yield engine

    monkeypatch.setattr(engines, "engine", opened)
    monkeypatch.setattr(engines, "without_limit", lambda _client: None)
    return engine


def test_history_is_in_the_order_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = reading(
        monkeypatch, {"c1": [[at(1, "a"), at(4, "d")]], "c2": [[at(2, "b"), at(3, "c")]]}
    )
    found = logs.history(cast("Environment", None), [WEB, IDLE], tail=7)
    assert [(line.label, line.text) for line in found] == [
        ("web-1", "a"),
        ("worker-1", "b"),
        ("worker-1", "c"),
        ("web-1", "d"),
    ]
    assert {one["tail"] for one in engine.asked} == {7}
    assert list(logs.history(cast("Environment", None), [])) == []


def test_what_is_followed_goes_on_after_a_restart_and_says_nothing_twice(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(logs, "_SETTLE_SECONDS", 0.02)
    # The second time it is read from the last moment on, which is told again.
    engine = reading(monkeypatch, {"c1": [[at(1, "a"), at(2, "b")], [at(2, "b"), at(3, "c")]]})
    monkeypatch.setattr(containers, "find", lambda _session, _services: [WEB])
    stop = threading.Event()
    seen = []
    for line in logs.follow(session, ["web"], tail=1, say=lambda _line: None, stop=stop):
        seen.append(line.text)
        if line.text == "c":
            stop.set()
    assert seen == ["a", "b", "c"]
    assert [one["tail"] for one in engine.asked][:2] == [1, "all"]


def test_a_machine_that_goes_away_is_looked_for_again_and_then_told(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(logs, "_SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(logs, "_PATIENCE_SECONDS", 0.1)
    reading(monkeypatch, {"c1": [[at(1, "a")]]})
    looks = iter([[WEB]])

    def find(_session: object, _services: object) -> list[Placed]:
        try:
            return next(looks)
        except StopIteration:
            raise CommandError("machine: must answer, got nothing") from None

    monkeypatch.setattr(containers, "find", find)
    said: list[str] = []
    with pytest.raises(CommandError, match="machine: must answer, got nothing"):
        list(logs.follow(session, [], say=said.append))
    assert said == ["machine: must answer, got nothing; looking again"]
