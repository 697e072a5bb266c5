"""The sandbox behind a deployment, and its agreement with Terraform's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands import terraform_state
from sandbox.lifecycle import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from constructs_lib.environment import Environment
    from constructs_lib.settings import SandboxSettings


def ready(
    environment: Environment, settings: SandboxSettings, report: Callable[[str], None]
) -> Sandbox:
    """Start the sandbox where it does not run, and make it agree with the state.

    The emulated AWS keeps its resources in memory. When it was killed, or the computer
    rebooted, Terraform's state speaks of resources that exist no more: the state is then
    set aside, and the deployment starts from nothing. The other way round, when the state
    is gone, the sandbox is started afresh: what it holds belongs to nobody.

    Args:
        environment: The environment.
        settings: Its sandbox.
        report: Takes one line at a time for a person to read.
    """
    sandbox = Sandbox(environment, settings, report)
    status = sandbox.start()
    if terraform_state.resource_count(environment) == 0:
        if status.instances:
            report("the sandbox holds machines that no Terraform state knows: starting it afresh")
            sandbox.stop()
            status = sandbox.start()
    elif _read(_generation_file(environment)) != status.generation:
        folder = terraform_state.set_aside(environment)
        report(
            "the emulated AWS that the Terraform state speaks of is gone (killed or rebooted): "
            f"starting from nothing; the old state is kept in {folder}"
        )
    _remember(environment, status.generation)
    return sandbox


def is_lost(environment: Environment, sandbox: Sandbox) -> bool:
    """Tell whether the state speaks of an emulated AWS that does not run any more."""
    status = sandbox.status()
    return status is None or _read(_generation_file(environment)) != status.generation


def forget(environment: Environment) -> None:
    """Forget which emulated AWS the state belongs to."""
    _generation_file(environment).unlink(missing_ok=True)


def _remember(environment: Environment, generation: str) -> None:
    file = _generation_file(environment)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_text(generation, encoding="utf-8")


def _generation_file(environment: Environment) -> Path:
    return environment.sandbox / "generation-of-state"


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""
