"""Deploy and destroy both stacks, through cdktf."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from moor import sandbox_control
from moor.failure import CommandError
from moor.outputs import make_command, outputs_file
from moor.toolchain import terraform_state
from moor.toolchain.changes import changes_by_stack
from moor.toolchain.toolchain import ROOT, Toolchain, with_changes
from sandbox.lifecycle import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from constructs_lib.settings.environment import Environment
    from constructs_lib.settings.settings import Settings

EVERY_STACK: Final = "*"


def deploy(
    environment: Environment, settings: Settings, *, approve: bool, console: Console
) -> None:
    """Deploy both stacks in order.

    In a sandbox nothing is asked; elsewhere cdktf shows the plan and asks.

    Raises:
        CommandError: The deployment failed; or it would have to ask, and nobody is there.
    """
    toolchain = Toolchain.load()
    variables = toolchain.variables(environment)
    unattended = _unattended(environment, settings, "up", approve=approve)
    if settings.sandbox is not None:
        sandbox = sandbox_control.ready(environment, settings.sandbox, console.print)
        variables = with_changes(variables, sandbox.environment_variables())
    _cdktf(
        toolchain,
        environment,
        "deploy",
        unattended=unattended,
        variables=variables,
        console=console,
    )


def destroy(
    environment: Environment, settings: Settings, *, approve: bool, console: Console
) -> None:
    """Destroy both stacks in reverse order, and stop the sandbox.

    A sandbox is ours alone: it is stopped and forgotten whether or not Terraform
    managed to take it apart piece by piece.

    Raises:
        CommandError: The destruction failed; or it would have to ask, and nobody is there.
    """
    toolchain = Toolchain.load()
    variables = toolchain.variables(environment)
    unattended = _unattended(environment, settings, "down", approve=approve)
    if settings.sandbox is None:
        _cdktf(
            toolchain,
            environment,
            "destroy",
            unattended=unattended,
            variables=variables,
            console=console,
        )
        outputs_file(environment).unlink(missing_ok=True)
        return
    sandbox = Sandbox(environment, settings.sandbox, console.print)
    if terraform_state.resource_count(environment) and not sandbox_control.is_lost(
        environment, sandbox
    ):
        try:
            _cdktf(
                toolchain,
                environment,
                "destroy",
                unattended=unattended,
                variables=with_changes(variables, sandbox.environment_variables()),
                console=console,
            )
        except CommandError as error:
            console.print(f"[yellow]{error}[/]\nthe sandbox is removed as a whole instead")
    sandbox_control.stop(environment, settings.sandbox, console.print)
    outputs_file(environment).unlink(missing_ok=True)
    console.print(
        f"[green]nothing is left of the environment {environment.name}[/] but its keys, "
        f"certificates and logs in {environment.directory.relative_to(ROOT)}; "
        f"next: {make_command(environment, 'up')}"
    )


def synthesize(environment: Environment, settings: Settings, console: Console) -> None:
    """Write the Terraform configuration of both stacks.

    Raises:
        CommandError: The synthesis failed.
    """
    del settings  # The app loads them itself; the caller has checked them.
    toolchain = Toolchain.load()
    done = subprocess.run(
        toolchain.command(["synth"], environment),
        cwd=ROOT,
        env=toolchain.variables(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        console.print(done.stdout + done.stderr, markup=False)
        raise CommandError(f"cdktf synth: must end with status 0, got {done.returncode}")


def _unattended(
    environment: Environment, settings: Settings, target: str, *, approve: bool
) -> bool:
    if settings.sandbox is not None or approve:
        return True
    if sys.stdin.isatty() and sys.stdout.isatty():
        return False
    raise CommandError(
        f"environment {environment.name}: must be approved at a terminal, got none; "
        f"APPROVE=1 {make_command(environment, target)} approves beforehand"
    )


def _cdktf(
    toolchain: Toolchain,
    environment: Environment,
    name: str,
    *,
    unattended: bool,
    variables: Mapping[str, str],
    console: Console,
) -> None:
    """Run a cdktf command on both stacks; unattended, its output also goes to a log."""
    arguments = [name, EVERY_STACK]
    if not unattended:
        # A person answers cdktf's questions: the terminal is theirs.
        done = subprocess.run(
            toolchain.command(arguments, environment), cwd=ROOT, env=variables, check=False
        )
        _check(name, done.returncode, None)
        return
    arguments += ["--auto-approve", "--no-color"]
    log = environment.log / f"{name}.log"
    status = _logged(toolchain.command(arguments, environment), variables, log, console)
    _check(name, status, log)
    changes = changes_by_stack(log.read_text(encoding="utf-8").splitlines())
    for stack, change in changes.items():
        console.print(f"[bold]{stack:8}[/]{change}")


def _logged(
    command: Sequence[str], variables: Mapping[str, str], log: Path, console: Console
) -> int:
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    started = time.monotonic()
    with (
        log.open("w", encoding="utf-8") as copy,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**variables, "CI": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        if process.stdout is None:  # pragma: no cover - PIPE always gives one
            raise CommandError("cdktf: must have an output to read")
        try:
            for line in process.stdout:
                copy.write(line)
                copy.flush()
                console.out(f"{time.monotonic() - started:6.1f}s  {line.rstrip()}", highlight=False)
        except BaseException:
            # Terraform ends its work and writes its state on an interrupt; wait for that.
            process.wait()
            raise
    return process.returncode


def _check(name: str, status: int, log: Path | None) -> None:
    if status != 0:
        where = f"; its output is in {log.relative_to(ROOT)}" if log else ""
        raise CommandError(f"cdktf {name}: must end with status 0, got {status}{where}")
