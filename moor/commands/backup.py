"""`moor backup`: snapshots of the data volume."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from moor import deployment_lock, typed
from moor.approval import confirm, must_be_attended
from moor.failure import CommandError, WrongUseError
from moor.options import Approve, Json, Nodes, Verbose, complete_node
from moor.program import command

if TYPE_CHECKING:
    from moor.session import Session

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list, try and restore snapshots of the data volume.",
)

_Snapshot = Annotated[
    str,
    typer.Argument(metavar="SNAPSHOT", help="A snapshot's id, or `newest`.", show_default=False),
]
_SomeSnapshot = Annotated[
    str | None,
    typer.Argument(metavar="[SNAPSHOT]", help="A snapshot's id, or `newest`.", show_default=False),
]
_Node = Annotated[
    str | None,
    typer.Option(
        "--node",
        metavar="NODE",
        help="Whose snapshot it must be, in a swarm: for `newest`.",
        autocompletion=complete_node,
        show_default=False,
    ),
]
_Back = Annotated[
    bool, typer.Option("--back", help="Go back from a restore that was cut short, instead.")
]
_DiscardOld = Annotated[
    bool, typer.Option("--discard-old", help="Delete the former volume when everything runs.")
]
_Within = Annotated[
    float,
    typer.Option(
        "--within",
        min=30,
        max=7200,
        help="Seconds that the machine may take, and the services as well.",
    ),
]
_Volumes = Annotated[
    list[str], typer.Argument(metavar="VOLUME...", help="Former volumes, as `ls` names them.")
]


@app.command(name="create")
@command
def create(session: Session, nodes: Nodes = None) -> None:
    """Make a snapshot of data that is whole, and wait until it is complete.

    Services with `x-backup` in the Compose file run their own commands around its beginning; the
    others that write to the volume are stopped for a moment, and started again whatever happens. Of
    a swarm one node after the other.
    """
    from moor.backup import creation  # noqa: PLC0415  # heavy

    screen = session.screen()
    with deployment_lock.held(session.environment, screen.say):
        try:
            made = creation.create(session, screen, nodes or ())
        finally:
            screen.close()
    say = session.console.print
    for one in made:
        say(f"[green]{one.snapshot.told}: complete[/]", soft_wrap=True)
        if one.told:
            say(f"not stopped, since they have x-backup: {', '.join(one.told)}", soft_wrap=True)
        if one.stopped:
            say(f"stopped for {one.seconds:.1f} s: {', '.join(one.stopped)}", soft_wrap=True)
        else:
            say("no service was stopped")
    verify = typed.program(session.environment, f"backup verify {made[-1].snapshot.id}")
    say(f"next: {verify}", soft_wrap=True)


@app.command(name="ls")
@command
def ls(session: Session, *, as_json: Json = False) -> None:
    """List the snapshots, the newest first, and which of them the settings keep."""
    from datetime import UTC, datetime  # noqa: PLC0415  # for this command only

    from moor.backup import backed_up, pruning, restoration, view  # noqa: PLC0415  # heavy
    from moor.backup.aws import Ec2  # noqa: PLC0415

    ec2 = Ec2(session)
    fates, formers = pruning.look(session, ec2), restoration.formers(session, ec2)
    if as_json:
        print(json.dumps(view.as_json(fates, formers), indent=2))  # noqa: T201  (for a script)
        return
    if not fates:
        backed_up.must_have_a_volume(session)
        make = typed.program(session.environment, "backup create")
        session.console.print(f"there is no snapshot; next: {make}", soft_wrap=True)
    else:
        view.show(fates, session.console, now=datetime.now(UTC))
    discard = typed.program(session.environment, "backup discard")
    view.show_formers(formers, discard, session.console)


@app.command(name="prune")
@command
def prune(session: Session, *, approve: Approve = False) -> None:
    """Delete the snapshots that `aws.data_volume.snapshots` does not keep.

    Never the newest, none without the environment's tags, and none of a schedule, which lets go its
    own. `moor up` does the same without asking.
    """
    from moor.backup import backed_up, pruning  # noqa: PLC0415  # heavy
    from moor.backup.aws import Ec2  # noqa: PLC0415

    screen = session.screen()
    with deployment_lock.held(session.environment, screen.say):
        backed_up.must_have_a_volume(session)
        ec2 = Ec2(session)
        fates = pruning.look(session, ec2)
        going = [fate for fate in fates if fate.goes]
        if not going:
            session.console.print(f"nothing goes: {len(fates)} kept")
            return
        for fate in going:
            session.console.print(f"goes: {fate.snapshot.told}: {fate.why}", soft_wrap=True)
        if not approve and session.settings.sandbox is None:
            confirm(session, f"Delete {len(going)} of {len(fates)} snapshots?")
        gone = pruning.remove(ec2, going, screen.say)
    session.console.print(
        f"{len(gone)} deleted, {len(fates) - len(gone)} kept; "
        f"next: {typed.program(session.environment, 'backup ls')}",
        soft_wrap=True,
    )


@app.command(name="restore")
@command
def restore(
    session: Session,
    snapshot: _SomeSnapshot = None,
    *,
    node: _Node = None,
    back: _Back = False,
    discard_old: _DiscardOld = False,
    approve: Approve = False,
    verbose: Verbose = False,
) -> None:
    """Put a volume with a snapshot's data in the place of the one that is in use.

    The services stop meanwhile, and start again as the Compose file has them now. The former volume
    is kept. What fails in between is gone on with by the same command, or by `moor up`.
    """
    from moor.backup import restoration_work  # noqa: PLC0415  # heavy

    if back == (snapshot is not None):
        raise WrongUseError("backup restore: must be told a snapshot, or --back, got both or none")
    if back and discard_old:
        raise WrongUseError("backup restore: --discard-old: must not be beside --back")
    if back and node is not None:
        raise WrongUseError("backup restore: --node: must not be beside --back, which knows it")
    must_be_attended(session, approve=approve)
    screen = session.screen(verbose=verbose)
    with deployment_lock.held(session.environment, screen.say) as lock:
        restoration_work.restore(
            session, screen, lock, snapshot, node=node, discard_old=discard_old, approve=approve
        )


@app.command(name="verify")
@command
def verify(
    session: Session, snapshot: _Snapshot, *, node: _Node = None, within: _Within = 1200.0
) -> None:
    """Start a snapshot's services on a throw-away machine, and ask their own checks.

    They reach each other there, and nothing else. The machine is removed, whatever happens.
    """
    from moor.backup import verification, view  # noqa: PLC0415  # heavy

    screen = session.screen()
    with deployment_lock.held(session.environment, screen.say):
        try:
            verdict = verification.verify(session, screen, snapshot, node=node, within=within)
        finally:
            screen.close()
    view.show_verdict(verdict, session.console)
    told = verdict.snapshot.told
    if not verdict.is_good:
        # What is wrong ends the trial; the others may only have had no time to be right.
        found = {row.verdict for row in verdict.rows}
        worst = "bad" if "bad" in found else "pending"
        wrong = [row.expected.name for row in verdict.rows if row.verdict == worst]
        raise CommandError(
            f"{told}: each service must be well, got otherwise from "
            f"{', '.join(wrong) or 'a snapshot without any container of the project'}"
        )
    session.console.print(
        f"[green]{told}: its services are well[/], {verdict.seconds:.0f} s after its machine began",
        soft_wrap=True,
    )
    again = typed.program(session.environment, f"backup restore {verdict.snapshot.id}")
    session.console.print(f"next, where it is needed: {again}", soft_wrap=True)


@app.command(name="discard")
@command
def discard(session: Session, volumes: _Volumes, *, approve: Approve = False) -> None:
    """Delete volumes that were in use before a restore."""
    from moor.backup import restoration  # noqa: PLC0415  # heavy
    from moor.backup.aws import Ec2  # noqa: PLC0415

    screen = session.screen()
    with deployment_lock.held(session.environment, screen.say):
        ec2 = Ec2(session)
        known = [raw["VolumeId"] for raw in restoration.formers(session, ec2)]
        unknown = [typed.unknown("former volume", v, known) for v in volumes if v not in known]
        if unknown:
            raise WrongUseError("\n".join(unknown))
        if not approve and session.settings.sandbox is None:
            confirm(session, f"Lose all that is on {', '.join(volumes)}?")
        for volume in volumes:
            ec2.delete_volume(volume)
            session.console.print(f"deleted volume {volume}")
