"""Which engine is asked: the machine's, or that of a manager that answers."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from constructs_lib.host import engine
from constructs_lib.settings.environment import Environment
from moor import machine_engine
from moor.failure import CommandError
from moor.outputs import outputs_file
from moor.session import Session
from moor.swarm import access

AWS = {"public_ip": "192.0.2.7", "docker_host": "tcp://192.0.2.7:2376", "ssh": "ssh"}
NODES = {"web-1": {"public_ip": "", "private_ip": "", "instance_id": "", "ssh": ""}}


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(engine, "connect", lambda host, folder: (host, folder))
    environment = Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})
    environment.directory.mkdir(parents=True)
    return Session(environment=environment)


def write(session: Session, aws: dict[str, object]) -> None:
    outputs_file(session.environment).write_text(json.dumps({"aws": aws}), encoding="utf-8")


def test_the_machines_own(session: Session) -> None:
    write(session, dict(AWS))
    asked = cast("object", machine_engine.connect(session))
    assert asked == ("tcp://192.0.2.7:2376", session.environment.certificates)


def test_a_manager_that_answers(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = SimpleNamespace(docker_host="tcp://192.0.2.9:2376")
    manager = SimpleNamespace(endpoint=endpoint, certificates=Path("/next"))
    cluster = SimpleNamespace(answering=lambda: manager)
    monkeypatch.setattr(access, "live_cluster", lambda _session, _say: cluster)
    write(session, {**AWS, "nodes": NODES})
    asked = cast("object", machine_engine.connect(session))
    assert asked == ("tcp://192.0.2.9:2376", Path("/next"))


def test_nothing_is_deployed(session: Session) -> None:
    with pytest.raises(CommandError, match="nothing is deployed"):
        machine_engine.connect(session)
