"""What a deployment that failed tells of the services that it failed on."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import DockerException
from test_status import make_session

from moor import last_words, machine_engine, outcome
from moor.failure import CommandError
from moor.health import Expected, Row
from moor.toolchain.events import Diagnostic
from moor.toolchain.terraform_cli import explained

if TYPE_CHECKING:
    from pathlib import Path

    from moor.session import Session

LOOK = "ENVIRONMENT=production .venv/bin/moor logs web"


@dataclass
class FakeEngine:
    """The part of the docker SDK that is used."""

    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def api(self) -> SimpleNamespace:
        """The engine's API."""
        return SimpleNamespace(inspect_container=self._inspect, logs=self._logs)

    def close(self) -> None:
        """Close."""

    def _inspect(self, name: str) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        self.asked.append(name)
        check = {"Start": "2026-03-01T10:00:00.1Z", "ExitCode": 1, "Output": "no\n answer\n"}
        return {"Id": name, "State": {"Health": {"Log": [check]}}}

    def _logs(self, _name: str, *, tail: int) -> bytes:
        assert tail == 20
        return b"begins\n\x1b[2Jfalls over\n"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    found = FakeEngine()
    monkeypatch.setattr(machine_engine, "connect", lambda _session: found)
    return found


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return make_session(tmp_path)


def stack() -> Any:  # noqa: ANN401  (what is used of one)
    paths = [
        ("docker_container.Web_1", "Compose/Services/web/1/Resource"),
        ("docker_network.Default", "Compose/Networks/default/Resource"),
    ]
    return SimpleNamespace(paths=lambda: paths)


def error(address: str = "docker_container.Web_1", detail: str = "it ends") -> Diagnostic:
    return Diagnostic(severity="error", summary="no", detail=detail, address=address)


WORDS = [
    "  its last health checks:",
    "    2026-03-01T10:00:00 code 1: no answer",
    "  the end of its output:",
    "    begins",
    "    [2Jfalls over",
]


def test_a_container_that_failed_says_its_last_words(session: Session, engine: FakeEngine) -> None:
    told = last_words.of_failure(session, stack(), [error()])
    assert told.splitlines() == [
        "moor-web-1:",
        *WORDS,
        "moor-web-2:",
        *WORDS,
        f"look further at web with: {LOOK}",
    ]
    assert engine.asked == ["moor-web-1", "moor-web-2"]


def test_what_a_step_has_explained_is_not_told_twice(session: Session, engine: FakeEngine) -> None:
    found = error(detail="web: must be healthy\nthe end of its output:\n  falls over")
    assert last_words.of_failure(session, stack(), [found]) == f"look further at web with: {LOOK}"
    assert engine.asked == []


def test_what_is_of_no_service_has_no_last_words(session: Session, engine: FakeEngine) -> None:
    assert last_words.of_failure(session, stack(), [error("docker_network.Default")]) == ""
    assert engine.asked == []


def test_an_engine_that_does_not_answer_hides_no_failure(
    session: Session, engine: FakeEngine
) -> None:
    engine.failure = DockerException("gone")
    assert last_words.of_failure(session, stack(), [error()]).splitlines() == [
        f"look further at web with: {LOOK}"
    ]


def test_what_is_not_as_it_should_be_ends_the_command_with_its_last_words(
    session: Session, engine: FakeEngine
) -> None:
    row = Row(
        expected=Expected(name="moor-web-1", service="web", config_hash="1"),
        state="exited (3)",
        verdict="bad",
        problem="must run, got exited (3)",
    )
    with pytest.raises(CommandError) as caught:
        outcome.must_be_good(session, [row])
    assert str(caught.value).splitlines() == [
        f"moor-web-1: must run, got exited (3); look with: {LOOK}",
        *WORDS,
    ]
    assert engine.asked == ["moor-web-1"]


def test_a_step_of_ours_is_told_without_what_terraform_makes_of_it() -> None:
    detail = (
        "Error running command 'web': exit status 1. Output: web: must be healthy, got unhealthy\n"
        "its last health checks:\n  code 1\n"
    )
    found = Diagnostic(
        severity="error",
        summary="local-exec provisioner error",
        detail=detail,
        address="terraform_data.Healthy",
    )
    assert explained("docker", found) == (
        "docker: web: must be healthy, got unhealthy\n  its last health checks:\n    code 1"
    )
