"""The command line of set-up."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from setup import go
from setup.compose_plugin import ComposePlugin
from setup.docker_provider import DockerProvider
from setup.engine import EnginePrerequisites, wants_sandbox
from setup.errors import SetupError
from setup.lock import exclusive
from setup.node import Node
from setup.optional_programs import Graphviz, SshServer
from setup.project import Project
from setup.providers import Providers
from setup.python_packages import Bindings, Checkov, Packages, Pipenv
from setup.schedule import perform_all
from setup.shims import Shims
from setup.step import Context, Step
from setup.terraform import Terraform
from setup.warm import Warm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import NoReturn

STEPS: Final[tuple[type[Step], ...]] = (
    Terraform,
    Providers,
    EnginePrerequisites,
    Graphviz,
    Pipenv,
    Packages,
    Shims,
    Node,
    Warm,
    ComposePlugin,
    DockerProvider,
    Bindings,
    Checkov,
    SshServer,
)

_FOR_DEVELOPERS: Final = (Bindings, Checkov, SshServer)

_SYNTHESIS: Final = ("terraform", "shims", "node", "warm", "compose")

PURPOSES: Final[dict[str, tuple[str, ...]]] = {
    "up": tuple(step.name for step in STEPS if step not in _FOR_DEVELOPERS),
    "test": tuple(step.name for step in STEPS),
    "synth": _SYNTHESIS,
    "bench": ("bindings", *_SYNTHESIS),
    "check": ("packages", "checkov"),
    "graph": ("graphviz", "docker-provider", *_SYNTHESIS),
}
"""What each purpose needs, apart from what these steps need themselves."""

REDECIDED: Final = ("terraform", "providers", "engine", "graphviz", "sshd")
"""The steps with a decision that depends on the world, which `--refresh` takes anew."""

_INTERRUPTED: Final = 128 + signal.SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Set up.

    Args:
        arguments: The words after `python3 -m setup`; None for those of this process.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    project = Project.here()
    context = Context(project=project, variables=os.environ)
    console = context.console
    names = closure(options.only or PURPOSES[options.purpose])
    if options.purpose == "up" and not options.only and not wants_sandbox(project.root, os.environ):
        names.discard("engine")
    if options.list:
        for step in _steps(context, names):
            console.say(step.name, "up to date" if step.is_current() else "to do")
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _terminate)
    try:
        with exclusive(project.lock, lambda line: console.say("waiting", line)) as lock:
            context = replace(context, lock=lock)
            begin = time.monotonic()
            redo = REDECIDED if options.refresh else ()
            perform_all(_steps(context, names), redo=redo)
            shutil.rmtree(project.temporary, ignore_errors=True)
            go.forget(project)  # after all of the builds, which share the caches
            console.say("ready", f"{time.monotonic() - begin:.2f} s")
    except SetupError as error:
        console.complain(str(error))
        return 1
    except OSError as error:
        console.complain(_explained(error))
        return 1
    except KeyboardInterrupt:
        console.complain("set-up: interrupted; the next one goes on where this one was")
        return _INTERRUPTED
    return 0


def closure(names: Sequence[str]) -> set[str]:
    """Return the steps together with all that they need.

    Args:
        names: Names of steps.
    """
    needs = {step.name: step.after for step in STEPS}
    result: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in result:
            result.add(name)
            pending += needs[name]
    return result


def _steps(context: Context, names: set[str]) -> list[Step]:
    return [step(context) for step in STEPS if step.name in names]


def _parser() -> argparse.ArgumentParser:
    names = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(
        prog="python3 -m setup",
        description="Make everything that the project needs, inside the project's folder. "
        "What is current is left alone.",
    )
    parser.add_argument(
        "--for",
        dest="purpose",
        choices=sorted(PURPOSES),
        default="up",
        help="do what one command needs (default: up; test needs everything)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="STEP",
        choices=names,
        help=f"do these steps and what they need: {', '.join(names)}",
    )
    parser.add_argument("--list", action="store_true", help="tell what is to do, and do nothing")
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="look again for Terraform, the registry, the engine and Graphviz",
    )
    return parser


def _explained(error: OSError) -> str:
    """Say what is wrong with a file or a folder."""
    subject = error.filename or "set-up"
    if isinstance(error, PermissionError):
        return (
            f"{subject}: must be open to this user, got permission denied; where another user "
            "ran set-up here, delete .tools and .venv, or give them to this user (chown -R)"
        )
    return f"{subject}: must be a file or a folder that can be used, got {error.strerror or error}"


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave as a command does that a signal ends, but not without ending what was started."""
    sys.exit(128 + number)
