"""The sandbox behind a deployment, and its agreement with Terraform's state."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from moor.failure import CommandError
from moor.toolchain import terraform_state
from sandbox.errors import ENGINE_ERRORS, SandboxError
from sandbox.lifecycle import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from constructs_lib.settings.environment import Environment
    from constructs_lib.settings.settings import SandboxSettings


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

    Raises:
        CommandError: The sandbox cannot start.
    """
    with _in_our_words():
        return _ready(environment, settings, report)


def stop(
    environment: Environment, settings: SandboxSettings, report: Callable[[str], None]
) -> None:
    """Stop the sandbox, and set aside a state whose resources are gone with it.

    Raises:
        CommandError: The sandbox cannot stop.
    """
    with _in_our_words():
        Sandbox(environment, settings, report).stop()
    if _is_worth_keeping(environment):
        terraform_state.set_aside(environment)
    _generation_file(environment).unlink(missing_ok=True)


def _is_worth_keeping(environment: Environment) -> bool:
    """Return whether the state knows resources, or is damaged and so nobody can tell."""
    try:
        return terraform_state.resource_count(environment) > 0
    except CommandError:
        return True


def _ready(
    environment: Environment, settings: SandboxSettings, report: Callable[[str], None]
) -> Sandbox:
    sandbox = Sandbox(environment, settings, report)
    status = sandbox.start()
    for change in status.changes:
        report(change)
    if terraform_state.resource_count(environment) == 0:
        if any(instance.state != "terminated" for instance in status.instances):
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
    """Tell whether the state speaks of an emulated AWS that does not run any more.

    Raises:
        CommandError: The sandbox cannot be asked.
    """
    with _in_our_words():
        status = sandbox.status()
    return not status.running or _read(_generation_file(environment)) != status.generation


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except (SandboxError, *ENGINE_ERRORS) as error:
        raise CommandError(str(error)) from error


def _remember(environment: Environment, generation: str) -> None:
    file = _generation_file(environment)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_text(generation, encoding="utf-8")


def _generation_file(environment: Environment) -> Path:
    return environment.sandbox / "generation-of-state"


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""
