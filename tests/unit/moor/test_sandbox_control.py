"""The sandbox and Terraform's state: what happens when they disagree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, Self, cast

import pytest
from docker.errors import DockerException

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import SandboxSettings
from moor import sandbox_control
from moor.failure import CommandError
from moor.toolchain import terraform_state
from sandbox.errors import SandboxError
from sandbox.status import InstanceStatus, SandboxStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.lifecycle import Sandbox


class FakeSandbox:
    """An emulated AWS that lives as long as this class says; each start of it is a generation."""

    calls: ClassVar[list[str]]
    starts: ClassVar[int]
    running: ClassVar[bool]
    instances: ClassVar[tuple[InstanceStatus, ...]]
    failure: ClassVar[Exception | None]

    def __init__(self, *_: object) -> None:
        pass

    @classmethod
    def reset(cls) -> type[Self]:
        """Forget what other tests did."""
        cls.calls, cls.starts, cls.running, cls.instances, cls.failure = [], 0, False, (), None
        return cls

    @classmethod
    def kill(cls) -> None:
        """Lose everything, as a reboot does."""
        cls.running, cls.instances = False, ()

    def start(self) -> SandboxStatus:
        """Start where it does not run; a new start is a new generation."""
        cls = type(self)
        cls.calls.append("start")
        if cls.failure:
            raise cls.failure
        if not cls.running:
            cls.running, cls.starts = True, cls.starts + 1
        return self.status()

    def stop(self) -> None:
        """Stop, and lose everything."""
        cls = type(self)
        cls.calls.append("stop")
        if cls.failure:
            raise cls.failure
        cls.kill()

    def status(self) -> SandboxStatus:
        """Tell what is up."""
        cls = type(self)
        return SandboxStatus(
            running=cls.running,
            generation=f"generation-{cls.starts}" if cls.running else "",
            endpoint_url="http://127.0.0.1:4599",
            registry="172.30.18.1:5000",
            instances=cls.instances,
        )


def instance(state: str) -> InstanceStatus:
    return InstanceStatus(
        id="i-1", state=state, address=None, private_address=None, container="c", ports=()
    )


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> type[FakeSandbox]:
    monkeypatch.setattr(sandbox_control, "Sandbox", FakeSandbox)
    return FakeSandbox.reset()


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment.from_variable(tmp_path, {})


def deploy(environment: Environment) -> None:
    """Leave a state behind, as a deployment does."""
    environment.state.mkdir(parents=True, exist_ok=True)
    resource = {"mode": "managed", "type": "aws_instance", "instances": [{}]}
    (environment.state / "aws.tfstate").write_text(
        json.dumps({"version": 4, "resources": [resource]}), encoding="utf-8"
    )


def ready(environment: Environment) -> list[str]:
    lines: list[str] = []
    sandbox_control.ready(environment, SandboxSettings(), lines.append)
    return lines


def set_aside(environment: Environment) -> list[Path]:
    return sorted(environment.directory.glob("state-of-lost-sandbox-*"))


def is_lost(environment: Environment) -> bool:
    return sandbox_control.is_lost(environment, cast("Sandbox", FakeSandbox()))


@pytest.mark.usefixtures("sandbox")
def test_the_first_start_says_nothing(environment: Environment) -> None:
    assert ready(environment) == []
    assert set_aside(environment) == []


def test_a_running_sandbox_that_agrees_with_the_state_is_left_alone(
    environment: Environment, sandbox: type[FakeSandbox]
) -> None:
    ready(environment)
    deploy(environment)
    sandbox.instances = (instance("running"),)
    assert ready(environment) == []
    assert sandbox.calls == ["start", "start"]
    assert sandbox.starts == 1
    assert set_aside(environment) == []
    assert terraform_state.resource_count(environment) == 1
    assert not is_lost(environment)


def test_the_state_of_a_killed_sandbox_is_set_aside_and_that_is_said(
    environment: Environment, sandbox: type[FakeSandbox]
) -> None:
    ready(environment)
    deploy(environment)
    sandbox.kill()
    assert is_lost(environment)
    lines = ready(environment)
    (folder,) = set_aside(environment)
    assert lines == [
        (
            "the emulated AWS that the Terraform state speaks of is gone (killed or rebooted): "
            f"starting from nothing; the old state is kept in {folder}"
        )
    ]
    assert terraform_state.resource_count(environment) == 0
    assert (folder / "aws.tfstate").is_file()
    assert not is_lost(environment)
    assert ready(environment) == [], "said once"


def test_a_sandbox_that_another_command_started_anew_is_not_the_states(
    environment: Environment, sandbox: type[FakeSandbox]
) -> None:
    ready(environment)
    deploy(environment)
    sandbox.kill()
    FakeSandbox().start()
    assert is_lost(environment)
    assert len(ready(environment)) == 1
    assert len(set_aside(environment)) == 1


@pytest.mark.usefixtures("sandbox")
def test_a_state_whose_generation_is_forgotten_is_not_trusted(environment: Environment) -> None:
    deploy(environment)
    assert len(ready(environment)) == 1
    assert len(set_aside(environment)) == 1


def test_machines_that_no_state_knows_are_removed_by_a_fresh_start(
    environment: Environment, sandbox: type[FakeSandbox]
) -> None:
    ready(environment)
    sandbox.instances = (instance("terminated"), instance("running"))
    sandbox.calls.clear()
    assert ready(environment) == [
        "the sandbox holds machines that no Terraform state knows: starting it afresh"
    ]
    assert sandbox.calls == ["start", "stop", "start"]
    deploy(environment)
    assert not is_lost(environment), "the new generation is the one that is remembered"


def test_a_terminated_machine_is_nobodys_leftover(
    environment: Environment, sandbox: type[FakeSandbox]
) -> None:
    ready(environment)
    sandbox.instances = (instance("terminated"),)
    assert ready(environment) == []


def test_stopping_sets_a_left_over_state_aside(
    environment: Environment, sandbox: type[FakeSandbox]
) -> None:
    ready(environment)
    deploy(environment)
    sandbox_control.stop(environment, SandboxSettings(), lambda _: None)
    assert not sandbox.running
    assert len(set_aside(environment)) == 1
    assert is_lost(environment)


def test_stopping_after_a_clean_destroy_sets_nothing_aside(
    environment: Environment, sandbox: type[FakeSandbox]
) -> None:
    ready(environment)
    sandbox_control.stop(environment, SandboxSettings(), lambda _: None)
    assert not sandbox.running
    assert set_aside(environment) == []


@pytest.mark.parametrize("error", [SandboxError("port 4599: taken"), DockerException("no engine")])
@pytest.mark.parametrize(
    "action", [sandbox_control.ready, sandbox_control.stop], ids=["ready", "stop"]
)
def test_it_fails_when_the_sandbox_does(
    environment: Environment,
    sandbox: type[FakeSandbox],
    error: Exception,
    action: Callable[..., object],
) -> None:
    deploy(environment)
    sandbox.failure = error
    with pytest.raises(CommandError) as caught:
        action(environment, SandboxSettings(), lambda _: None)
    assert str(caught.value) == str(error)
    assert set_aside(environment) == [], "the state is not touched by a start that failed"
    assert terraform_state.resource_count(environment) == 1
