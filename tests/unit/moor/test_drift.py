"""What a machine has, compared with what a state says."""

from __future__ import annotations

from typing import Any

import pytest

from moor import drift
from moor.failure import CommandError
from moor.session import Session

THERE: dict[str, dict[str, bool]] = {
    "docker_container": {"c1": True, "c2": False},
    "docker_image": {"sha256:i1": True},
    "docker_network": {"n1": True},
    "docker_volume": {"data": True},
}


def resource(kind: str, *, mode: str = "managed", status: str = "", **values: object) -> Any:  # noqa: ANN401
    return {"type": kind, "mode": mode, "instances": [{"attributes": values, "status": status}]}


RUNNING = resource("docker_container", id="c1", must_run=True)
GOOD = [
    RUNNING,
    resource("docker_image", id="sha256:i1web", image_id="sha256:i1"),
    resource("docker_network", id="n1"),
    resource("docker_volume", id="data"),
    resource("terraform_data", id="anything"),
    resource("docker_registry_image", mode="data", id="elsewhere"),
]


def missing(monkeypatch: pytest.MonkeyPatch, resources: list[Any]) -> bool:
    monkeypatch.setattr(drift, "_on_the_machine", lambda _session: THERE)
    return not drift.nothing_is_missing(Session.of("sandbox"), {"resources": resources})


def test_everything_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not missing(monkeypatch, GOOD)
    assert not missing(monkeypatch, [])


@pytest.mark.parametrize(
    "gone",
    [
        resource("docker_container", id="c3", must_run=True),
        resource("docker_container", id="c2", must_run=True),
        resource("docker_container", id="c1", must_run=True, status="tainted"),
        resource("docker_image", id="sha256:i2web", image_id="sha256:i2"),
        resource("docker_network", id="n2"),
        resource("docker_volume", id="other"),
        resource("docker_secret", id="unknown to us"),
    ],
)
def test_something_is_not_as_the_state_says(
    monkeypatch: pytest.MonkeyPatch, gone: dict[str, object]
) -> None:
    assert missing(monkeypatch, [*GOOD, gone])


def test_a_container_that_may_have_ended_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = resource("docker_container", id="c2", must_run=False)
    assert not missing(monkeypatch, [ended])


def test_a_machine_that_does_not_answer_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_session: Session) -> dict[str, dict[str, bool]]:
        raise CommandError("nothing is deployed")

    monkeypatch.setattr(drift, "_on_the_machine", silent)
    assert not drift.nothing_is_missing(Session.of("sandbox"), {"resources": GOOD})
