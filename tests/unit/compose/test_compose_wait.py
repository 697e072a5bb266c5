"""Waiting for containers: what has become of them, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose.wait import NotReadyError, plain_log, wait

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = b"\x01\0\0\0\0\0\0\x06hello\n\x02\0\0\0\0\0\0\x05world"


class Engine:
    """Answers with one state after the other, and stays with the last."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states: Sequence[dict[str, Any]] = states
        self.now = 0.0
        self._asked = 0

    def ask(self, path: str) -> tuple[int, bytes]:
        """Answer."""
        if "/logs" in path:
            return 200, LOG
        state = self.states[min(self._asked, len(self.states) - 1)]
        self._asked += 1
        container = {"Id": "abc", "Name": "/web-1", "State": state, "Config": {"Tty": False}}
        return 200, json.dumps(container).encode()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def wait(self, until: str) -> str:
        """Wait."""
        return wait(
            self.ask,
            "web-1",
            until=until,
            timeout_seconds=10,
            clock=lambda: self.now,
            sleep=self.sleep,
        )


def state(status: str, *, health: str | None = None, code: int = 0) -> dict[str, Any]:
    log = [{"Start": "2026-01-31T12:00:00.5Z", "ExitCode": 1, "Output": "no  luck\n"}]
    told = {"Health": {"Status": health, "Log": log}} if health else {}
    return {"Status": status, "ExitCode": code, "Restarting": False, **told}


def test_it_waits_until_it_is_healthy() -> None:
    engine = Engine(state("running", health="starting"), state("running", health="healthy"))
    assert engine.wait("healthy") == "web-1 is healthy after 0.2 s"


def test_it_waits_until_it_has_ended_well() -> None:
    engine = Engine(state("running"), state("exited"))
    assert engine.wait("completed") == "web-1 is completed after 0.2 s"


@pytest.mark.parametrize(
    ("until", "last", "expected"),
    [
        ("healthy", state("running", health="unhealthy"), "must be healthy, got unhealthy"),
        ("healthy", state("exited", health="starting", code=3), "got exited with code 3"),
        ("healthy", state("running", health="starting"), "within 10 s, got starting"),
        ("healthy", state("running"), "must have a healthcheck"),
        ("completed", state("exited", code=1), "must end without an error, got exited with code 1"),
        ("completed", state("running"), "must be completed within 10 s, got running"),
    ],
)
def test_it_says_why_it_never_gets_there(until: str, last: dict[str, Any], expected: str) -> None:
    with pytest.raises(NotReadyError) as caught:
        Engine(last).wait(until)
    text = str(caught.value)
    assert text.startswith("web-1: must ")
    assert expected in text
    assert text.endswith("the end of its output:\n  hello\n  world")
    assert ("2026-01-31T12:00:00 code 1: no luck" in text) == ("Health" in last)


def test_a_container_that_is_not_there() -> None:
    with pytest.raises(NotReadyError, match="x: must be on the machine, got no such container"):
        wait(lambda _: (404, b"no such container"), "x", until="healthy", timeout_seconds=1)


def test_a_log_that_is_cut_off() -> None:
    assert plain_log(LOG[:-2]) == "hello\nwor"
