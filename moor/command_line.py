"""The command line: `python -m moor up`, `down`, `status`, `env`, `ssh`, `graph`."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from rich.console import Console

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from constructs_lib.settings.services import load_services
from moor import deployment, deployment_lock, graph
from moor import status as summary
from moor.failure import CommandError
from moor.outputs import Outputs
from moor.toolchain.toolchain import ROOT, Toolchain

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.settings.settings import Settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Deploy a Docker host and its services. The variable ENVIRONMENT chooses the settings.",
)
_WIDTH_OF_A_FILE: Final = 200
"""Columns where there is no screen: rich would take 80, and cut the tables."""

_console = Console(
    highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE
)
_errors = Console(stderr=True, highlight=False, soft_wrap=True)

Approve = Annotated[
    bool, typer.Option("--approve", envvar="APPROVE", help="Do not ask before changing AWS.")
]


@app.command()
def up(*, approve: Approve = False) -> None:
    """Deploy both stacks, and wait until the services answer."""

    def run(environment: Environment, settings: Settings) -> None:
        load_services(environment, settings)  # Before a machine is made for services that fail.
        with deployment_lock.held(environment):
            deployment.deploy(environment, settings, approve=approve, console=_console)
            summary.show(environment, settings, Outputs.load(environment), _console, wait=True)

    _run(run)


@app.command()
def down(*, approve: Approve = False) -> None:
    """Destroy both stacks, and stop the sandbox where there is one."""

    def run(environment: Environment, settings: Settings) -> None:
        with deployment_lock.held(environment):
            deployment.destroy(environment, settings, approve=approve, console=_console)

    _run(run)


@app.command()
def status() -> None:
    """Show the machine, its containers and how to reach them."""

    def run(environment: Environment, settings: Settings) -> None:
        summary.show(environment, settings, Outputs.load(environment), _console, wait=False)

    _run(run)


@app.command()
def env() -> None:
    """Print what a shell needs so that `docker` talks to the machine.

    Use it as `eval "$(make -s env)"`.
    """

    def run(environment: Environment, _settings: Settings) -> None:
        for name, value in summary.docker_variables(environment, Outputs.load(environment)).items():
            typer.echo(f"export {name}={shlex.quote(value)}")

    _run(run)


@app.command()
def ssh() -> None:
    """Open a shell on the machine."""

    def run(environment: Environment, _settings: Settings) -> None:
        command = shlex.split(Outputs.load(environment).ssh)
        program = shutil.which(command[0])
        if program is None:
            raise CommandError("ssh: must be installed for this command, got nothing of that name")
        # Addresses are used again by new machines: a host key is remembered per environment.
        known = environment.ssh / "known_hosts"
        options = ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=accept-new"]
        os.execv(program, [command[0], *options, *command[1:]])

    _run(run)


@app.command(name="graph")
def graph_command() -> None:
    """Draw Terraform's graph of each stack into `docs/pictures/`."""

    def run(environment: Environment, settings: Settings) -> None:
        with deployment_lock.held(environment):
            toolchain = Toolchain.load()
            deployment.synthesize(environment, settings, _console)
            variables = toolchain.variables(environment)
            for stack in ("aws", "docker"):
                files = graph.draw(
                    toolchain.terraform,
                    environment.output / "stacks" / stack,
                    ROOT / "docs" / "pictures" / stack,
                    variables,
                )
                for file in files:
                    _console.print(f"drew {file.relative_to(ROOT)}")

    _run(run)


def _run(action: Callable[[Environment, Settings], None]) -> None:
    """Choose the environment, and turn every expected failure into one clear message."""
    try:
        environment = Environment.from_variable(ROOT, os.environ)
        settings = load_settings(environment.settings_file)
        action(environment, settings)
    except (CommandError, ValueError, OSError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted", status=130)


def _fail(message: str, *, status: int = 1) -> NoReturn:
    for line in message.splitlines() or ["failed"]:
        _errors.print(f"[bold red]error:[/] {_escaped(line)}")
    sys.exit(status)


def _escaped(line: str) -> str:
    return line.replace("[", r"\[")
