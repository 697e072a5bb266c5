"""`moor node`: the nodes of a swarm, one by one."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Annotated

import typer

from moor import deployment_lock, typed
from moor.failure import WrongUseError
from moor.options import Json, complete_node
from moor.outputs import Outputs
from moor.program import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moor.session import Session
    from moor.swarm.live_cluster import LiveCluster

app = typer.Typer(no_args_is_help=True, help="Look at the nodes of a swarm, and change one.")

_Node = Annotated[
    str, typer.Argument(metavar="NODE", help="The node's name.", autocompletion=complete_node)
]
_Despite = Annotated[
    bool,
    typer.Option(
        "--even-without-quorum",
        help="Also a manager without which the others are no majority.",
    ),
]
_Labels = Annotated[
    list[str],
    typer.Argument(
        metavar="LABEL...",
        help="NAME=VALUE sets a label, and NAME- takes it away.",
        show_default=False,
    ),
]
_Force = Annotated[bool, typer.Option("--force", help="Also one that has tasks.")]


@app.command(name="ls")
@command
def ls(session: Session, *, as_json: Json = False) -> None:
    """Show the nodes: role, state, availability, address, machine, labels."""
    from moor.swarm import node_view  # noqa: PLC0415

    nodes = Outputs.load(session.environment).nodes
    with _cluster(session, change=False) as cluster:
        members = cluster.members()
    if as_json:
        typer.echo(json.dumps(node_view.as_json(members, nodes), indent=2))
    else:
        node_view.show(members, nodes, session.console)


@app.command(name="drain")
@command
def drain(session: Session, node: _Node, *, despite: _Despite = False) -> None:
    """Move a node's tasks to others, and give it none, until it is activated."""
    with _cluster(session, node) as cluster:
        cluster.drain(node, despite=despite)
    _next(session, f"node {node} is drained", f"node activate {node}", "gives it tasks again")


@app.command(name="activate")
@command
def activate(session: Session, node: _Node) -> None:
    """Give a node tasks again. Those that run elsewhere stay where they are."""
    with _cluster(session, node) as cluster:
        cluster.activate(node)
    _next(session, f"node {node} takes tasks", "node ls", "shows all nodes")


@app.command(name="promote")
@command
def promote(session: Session, node: _Node) -> None:
    """Make a worker a manager, until the next `moor up`, which follows the settings."""
    with _cluster(session, node) as cluster:
        cluster.promote(node)
    _next(session, f"node {node} is a manager", "up", "makes it again what the settings say")


@app.command(name="demote")
@command
def demote(session: Session, node: _Node, *, despite: _Despite = False) -> None:
    """Make a manager a worker, until the next `moor up`, which follows the settings."""
    with _cluster(session, node) as cluster:
        cluster.demote(node, despite=despite)
    _next(session, f"node {node} is a worker", "up", "makes it again what the settings say")


@app.command(name="label")
@command
def label(session: Session, node: _Node, labels: _Labels) -> None:
    """Set labels of a node, which placements of services may name, or take them away.

    A label of the settings gets its value of the settings when its node joins the next time.
    """
    changes = dict(_change(text) for text in labels)
    with _cluster(session, node) as cluster:
        cluster.label(node, changes)
    _next(session, f"node {node} has its labels", "node ls", "shows all nodes")


@app.command(name="rm")
@command
def rm(session: Session, node: _Node, *, force: _Force = False, despite: _Despite = False) -> None:
    """Take a node out of the swarm; its machine stays. One of the settings joins by `moor up`."""
    with _cluster(session, node) as cluster:
        cluster.remove(node, force=force, despite=despite)
    _next(session, f"node {node} is out of the swarm", "up", "has it join again if it should")


def _change(text: str) -> tuple[str, str | None]:
    name, separator, value = text.partition("=")
    if separator and name:
        return name, value
    if not separator and text.endswith("-") and len(text) > 1:
        return text.removesuffix("-"), None
    raise WrongUseError(f"label: must be NAME=VALUE, or NAME- to take one away, got {text!r}")


@contextlib.contextmanager
def _cluster(session: Session, *names: str, change: bool = True) -> Iterator[LiveCluster]:
    """Yield the swarm; where it is to be changed, no other command works on it meanwhile."""
    from moor.swarm import access, host_work  # noqa: PLC0415  # heavy

    with contextlib.ExitStack() as stack:
        if change:
            stack.enter_context(deployment_lock.held(session.environment, session.console.print))
        cluster = access.live_cluster(
            session, lambda line: session.console.print(line, soft_wrap=True)
        )
        if names:
            host_work.known(names, [member.name for member in cluster.members()])
        yield cluster


def _next(session: Session, done: str, words: str, why: str) -> None:
    known = typed.program(session.environment, words)
    session.console.print(f"{done}\nnext: {known} {why}", soft_wrap=True)
