"""Options that more than one command has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from moor.outputs import Outputs
from moor.session import Session
from moor.toolchain.stack import load_stacks

if TYPE_CHECKING:
    from collections.abc import Sequence

Approve = Annotated[
    bool, typer.Option("--approve", envvar="APPROVE", help="Do not ask before changing AWS.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show all that Terraform says.")]


def command_line(words: Sequence[str] | None) -> Sequence[str]:
    """Return a command of another program, without the `--` that people put before one."""
    given = words or ()
    return given[1:] if given and given[0] == "--" else given


def complete_service(context: typer.Context, incomplete: str) -> list[str]:
    """Return the services that the last synthesis knew, for completion."""
    try:
        session = Session.of(context.params.get("environment"))
        paths = json.dumps(load_stacks(session.environment.output)[-1].document())
    except Exception:  # noqa: BLE001  (a completion has nobody to tell)
        return []
    marker = "Compose/Services/"
    names = {part.split("/", 1)[0] for part in paths.split(marker)[1:]}
    return sorted(name for name in names if name.startswith(incomplete))


def complete_node(context: typer.Context, incomplete: str) -> list[str]:
    """Return the nodes of the swarm that the last deployment told of, for completion."""
    try:
        session = Session.of(context.params.get("environment"))
        names = Outputs.load(session.environment).nodes
    except Exception:  # noqa: BLE001  (a completion has nobody to tell)
        return []
    return sorted(name for name in names if name.startswith(incomplete))


Services = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SERVICE]...",
        help="Only these services, and what they depend on.",
        autocompletion=complete_service,
        show_default=False,
    ),
]

Nodes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NODE]...",
        help="Nodes of a swarm; all by default.",
        autocompletion=complete_node,
        show_default=False,
    ),
]

SomeServices = Annotated[
    list[str],
    typer.Argument(
        metavar="SERVICE...",
        help="The services.",
        autocompletion=complete_service,
        show_default=False,
    ),
]
Service = Annotated[
    str,
    typer.Argument(
        metavar="SERVICE",
        help="The service.",
        autocompletion=complete_service,
        show_default=False,
    ),
]
Node = Annotated[
    str | None,
    typer.Option(
        "--node",
        metavar="NODE",
        help="The node of a swarm.",
        autocompletion=complete_node,
        show_default=False,
    ),
]
User = Annotated[
    str, typer.Option("--user", "-u", help="As whom, NAME or UID:GID.", show_default=False)
]
Folder = Annotated[
    str, typer.Option("--workdir", "-w", help="In which folder.", show_default=False)
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="A further variable.", show_default=False),
]
NoTerminal = Annotated[
    bool, typer.Option("--no-tty", "-T", help="Give it no terminal, though there is one.")
]
OnlyServices = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SERVICE]...",
        help="Only these services.",
        autocompletion=complete_service,
        show_default=False,
    ),
]
