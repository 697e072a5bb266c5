"""The program `moor`: its commands, found in `moor/commands/`, and how each of them ends.

A command is one file. It has a function `run` whose docstring is its help, and whose first
parameter, `session`, stands for the option `--environment`; or it has an `app` of its own with
such functions.

It may have `EXAMPLES`, pairs of what is typed and what that does, which end its help, and
`TAKES_A_COMMAND`, where what follows its first arguments is another program's command line.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import pkgutil
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from constructs_lib.settings.environment import VARIABLE
from moor import commands
from moor.failure import CommandError, StoppedError, WrongUseError
from moor.help import SpelledCommand, paragraphs
from moor.screen import make_console
from moor.session import Session, environments

if TYPE_CHECKING:
    from collections.abc import Callable

DONE: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2
CHANGES_PENDING: Final = 3

_HELP: Final = """A Docker host on AWS and the services on it, from one description.

Exit status: 0 done, 1 failed, 2 wrong use, 3 changes are pending (`plan --detailed-exitcode`),
128 and more: ended by that signal less 128.
"""


def _names(incomplete: str) -> list[str]:
    """Return the environments that there are, for completion."""
    return [name for name in environments() if name.startswith(incomplete)]


_Environment = Annotated[
    str,
    typer.Option(
        "--environment",
        "-e",
        envvar=VARIABLE,
        help="A name, for `environments/NAME.yaml`, or the path of a settings file.",
        autocompletion=_names,
        show_default="sandbox",
    ),
]


def _before_the_command(environment: _Environment = "") -> None:
    """Take the option where it stands before the command, as if it were in the variable."""
    if environment:
        os.environ[VARIABLE] = environment


def make_app() -> typer.Typer:
    """Return the program, with every command that there is a file for."""
    app = typer.Typer(
        name="moor",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help=_HELP,
        callback=_before_the_command,
    )
    for module_info in pkgutil.iter_modules(commands.__path__):
        module = importlib.import_module(f"{commands.__name__}.{module_info.name}")
        name = module_info.name.replace("_", "-")
        group = getattr(module, "app", None)
        if group is None:
            takes_a_command = getattr(module, "TAKES_A_COMMAND", False)
            app.command(
                name=name,
                cls=SpelledCommand,
                epilog=examples(*getattr(module, "EXAMPLES", ())),
                # The options that follow are that program's own.
                context_settings={"allow_interspersed_args": not takes_a_command},
            )(command(module.run))
        else:
            for one in group.registered_commands:
                one.cls = SpelledCommand
            app.add_typer(group, name=name)
    return app


def examples(*pairs: tuple[str, str]) -> str | None:
    """Return what ends the help of a command; None where there are no examples.

    Args:
        pairs: What is typed, and what that does.
    """
    if not pairs:
        return None
    # A line each: the help takes an empty line for the end of one.
    return "\n\n".join(("Examples:", *(f"  {typed}   # {does}" for typed, does in pairs)))


def command(function: Callable[..., object]) -> Callable[..., None]:
    """Make a function a command: give it its session, and turn failures into exit codes.

    Args:
        function: Its first parameter is `session`. It may return an exit code.
    """

    @functools.wraps(function)
    def wrapper(*, environment: str, **arguments: Any) -> None:  # noqa: ANN401  (the command's own)
        raise typer.Exit(ended(lambda: function(Session.of(environment), **arguments)))

    first, *others = inspect.signature(function).parameters.values()
    # Only the first one's type is not there at run time: it is for type checkers alone.
    hints = {p.name: _evaluated(function, p.annotation) for p in others}
    option = inspect.Parameter(
        "environment", inspect.Parameter.KEYWORD_ONLY, default="", annotation=_Environment
    )
    parameters = [p.replace(annotation=hints[p.name]) for p in others]
    wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # inspect reads it
        sorted([*parameters, option], key=lambda p: p.kind)
    )
    wrapper.__doc__ = paragraphs(function.__doc__)
    wrapper.__annotations__ = {**hints, "environment": _Environment}
    del first
    return wrapper


def _evaluated(function: Callable[..., object], annotation: object) -> object:
    if not isinstance(annotation, str):
        return annotation
    return eval(annotation, getattr(function, "__globals__"))  # noqa: B009, S307  (our own source)


def ended(action: Callable[[], object]) -> int:
    """Do something, and tell how it ended.

    Returns:
        The exit code. What went wrong was told on standard error.
    """
    try:
        result = action()
    except WrongUseError as error:
        return _failed(str(error), WRONG_USE)
    except StoppedError as error:
        return _failed(str(error), 128 + error.signal)
    except (CommandError, ValueError, OSError) as error:
        return _failed(str(error), FAILED)
    except KeyboardInterrupt:
        return _failed("interrupted", 128 + signal.SIGINT)
    return result if isinstance(result, int) else DONE


def _failed(message: str, status: int) -> int:
    console = make_console(sys.stderr)
    for number, line in enumerate(message.splitlines() or ["failed"]):
        if number and line.startswith(" "):
            console.print(Text(f"       {line}"))
        else:
            console.print(Text.assemble(("error:", "bold red"), f" {line}"))
    return status


def main() -> None:
    """Run `moor`."""
    # A reader that ends early, such as `head`, is no failure of ours.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        make_app()(prog_name="moor")
    except OSError:
        # The terminal is gone, and with it everybody who could be told.
        os._exit(FAILED) if not sys.stderr.isatty() else sys.exit(FAILED)
