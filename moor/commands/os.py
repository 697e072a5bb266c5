"""`moor os`: the machines' operating system, its updates and the reboots that they take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from moor.options import Approve, Json, Nodes  # noqa: TC001  (read at run time)
from moor.program import command, examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.operation.hosts import Host
    from moor.operation.rebooting import Took
    from moor.session import Session

app = typer.Typer(no_args_is_help=True, help="Look at the machines' system, update, reboot.")

_IfNeeded = Annotated[
    bool, typer.Option("--if-needed", help="Only machines on which an update waits for it.")
]


@app.command(
    name="status", epilog=examples(("moor os status", "release, pending update, reboot window"))
)
@command
def status(session: Session, nodes: Nodes = None, *, as_json: Json = False) -> None:
    """Show each machine's release, whether an update waits for a reboot, and when that may be."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    from moor.operation import system, system_view  # noqa: PLC0415  # heavy

    there = _chosen(session, nodes)
    with ThreadPoolExecutor(len(there)) as pool:
        found = list(pool.map(lambda host: system.look(session.environment, host), there))
    pairs = [(host.name, one) for host, one in zip(there, found, strict=True)]
    if as_json:
        typer.echo(json.dumps([system.as_json(*pair) for pair in pairs], indent=2))
    else:
        system_view.show(pairs, session.console)


@app.command(
    name="update", epilog=examples(("moor os update", "install what there is; no reboot yet"))
)
@command
def update(session: Session, nodes: Nodes = None) -> None:
    """Have machines look for an update now and install it beside the system that runs.

    It is taken at the next boot: `moor os reboot` does that, or the machine by itself in its
    window.
    """
    from moor import deployment_lock, typed  # noqa: PLC0415
    from moor.operation import system  # noqa: PLC0415  # heavy

    there = _chosen(session, nodes)
    screen = session.screen()
    waiting = []
    with deployment_lock.held(session.environment, screen.say):
        try:
            for host in there:
                key = host.name
                screen.start(key, f"{host.name} looks for an update")

                def tell(now: system.System, key: str = key) -> None:
                    screen.note(key, f"{now.state} {now.progress:.0%}")
                    screen.tick()

                now = system.update(session.environment, host, tell=tell)
                screen.finish(key)
                screen.say(f"{host.name}: {now.state}")
                waiting += [host.name] if now.needs_reboot else []
        finally:
            screen.close()
    if waiting:
        words = typed.program(session.environment, "os reboot --if-needed")
        session.console.print(f"next: `{words}`", soft_wrap=True)


@app.command(
    name="reboot",
    epilog=examples(
        ("moor os reboot --if-needed", "take the updates that wait"),
        ("moor os reboot web-2 --approve", "one node, without a question"),
    ),
)
@command
def reboot(
    session: Session,
    nodes: Nodes = None,
    *,
    if_needed: _IfNeeded = False,
    approve: Approve = False,
) -> None:
    """Reboot machines, wait until all services are healthy again, and tell how long it took.

    Of a swarm one node at a time, whose tasks move away before, while the others do the work. One
    machine alone stops its services for as long as it takes.
    """
    from moor import deployment_lock  # noqa: PLC0415
    from moor.approval import confirm, must_be_attended  # noqa: PLC0415
    from moor.operation import rebooting, system  # noqa: PLC0415  # heavy
    from moor.swarm import access  # noqa: PLC0415

    there = _chosen(session, nodes)
    screen = session.screen()
    must_be_attended(session, approve=approve)
    with deployment_lock.held(session.environment, screen.say):
        if if_needed:
            there = [h for h in there if system.look(session.environment, h).needs_reboot]
            if not there:
                session.console.print("no update waits for a reboot")
                return
        names = [host.name for host in there]
        if not approve and session.settings.sandbox is None:
            confirm(session, f"Reboot {', '.join(names)}?", screen.console)
        upkeep = access.upkeep_of(session, screen)
        try:
            took = (
                rebooting.alone(session, there[0], screen)
                if upkeep is None
                else rebooting.nodes(session, upkeep, names, screen)
            )
        finally:
            screen.close()
    session.console.print(_told(took), style="green", soft_wrap=True)


def _chosen(session: Session, nodes: Sequence[str] | None) -> list[Host]:
    from moor.operation.hosts import host_of, hosts  # noqa: PLC0415

    if nodes:
        return [host_of(session.environment, name) for name in dict.fromkeys(nodes)]
    return list(hosts(session.environment))


def _told(took: Took) -> str:
    each = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.machines.items())
    return (
        f"rebooted in {took.total:.1f} s: {each} until SSH answered, then {took.services:.1f} s "
        "until all services were as they should be"
    )
