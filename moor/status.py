"""What a person sees at the end: what runs, how to reach it, what to type next."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from constructs_lib.host import engine
from moor import health, typed
from moor.failure import CommandError
from moor.recovery import PROJECT
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from docker import DockerClient
    from docker.models.images import Image
    from rich.console import Console

    from constructs_lib.settings.environment import Environment
    from moor.health import Found, Row
    from moor.outputs import Outputs
    from moor.session import Session
    from moor.swarm.cluster import Member

_DIGEST_SHOWN: Final = 12
_ADDRESS_WIDTH: Final = len("http://255.255.255.255:65535/")
_STYLES: Final = {"good": "green", "pending": "yellow", "bad": "bold red"}


def docker_variables_of(session: Session, outputs: Outputs) -> dict[str, str]:
    """Return the environment variables that point `docker` to the machine, or to a manager.

    Args:
        session: The command.
        outputs: What the last deployment told.

    Raises:
        CommandError: There is a swarm, and no manager of it answers.
    """
    variables = docker_variables(session.environment, outputs)
    if not outputs.nodes:
        return variables
    from moor.swarm import access  # noqa: PLC0415  # for a swarm only

    manager = access.live_cluster(session, session.screen().say).answering()
    return {
        **variables,
        "DOCKER_HOST": manager.endpoint.docker_host,
        "DOCKER_CERT_PATH": str(manager.certificates),
    }


def docker_variables(environment: Environment, outputs: Outputs) -> dict[str, str]:
    """Return the environment variables that point `docker` to the machine."""
    return {
        "DOCKER_HOST": outputs.docker_host,
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(environment.certificates),
    }


def rows(
    session: Session,
    outputs: Outputs,
    *,
    patience_seconds: float = 0,
    only: Sequence[str] = (),
    tick: Callable[[list[Row]], None] = lambda _rows: None,
    ask: Callable[[str], str | None] | None = None,
) -> list[Row]:
    """Compare what should run with what does.

    Args:
        session: The command.
        outputs: What the last deployment told.
        patience_seconds: How long to wait for what may become right.
        only: The services to look at; all of them where empty.
        tick: Called with the rows at each look.
        ask: Asks a URL, as `health.answer_of` does, which is the default.

    Raises:
        CommandError: The Docker API does not answer.
        ValueError: The services cannot be read.
    """
    environment = session.environment
    if outputs.nodes:
        return _rows_of_a_swarm(
            session, outputs, patience_seconds=patience_seconds, only=only, tick=tick, ask=ask
        )

    def look(client: DockerClient) -> dict[str, Found]:
        filters: dict[str, Any] = {"label": f"{PROJECT}={session.services.name}"}
        containers = client.containers.list(all=True, filters=filters, ignore_removed=True)
        names = {str(image.id): _image_name(image) for image in client.images.list()}
        found = [health.found_in(container.attrs, names) for container in containers]
        return {one.name: one for one in found}

    expected = [
        e
        for e in health.expectations(session.services, outputs.services)
        if not only or e.service in only
    ]
    try:
        client = engine.connect(outputs.docker_host, environment.certificates)
        with contextlib.closing(client):
            return health.watch(
                expected,
                lambda: look(client),
                patience_seconds=patience_seconds,
                tick=tick,
                ask=ask,
            )
    except ENGINE_ERRORS as error:
        raise CommandError(
            f"{outputs.docker_host}: the Docker API must answer, got: {error}; "
            f"run {typed.command(environment, 'up')}"
        ) from None


def _rows_of_a_swarm(
    session: Session,
    outputs: Outputs,
    *,
    patience_seconds: float,
    only: Sequence[str],
    tick: Callable[[list[Row]], None],
    ask: Callable[[str], str | None] | None,
) -> list[Row]:
    """Do as `rows` does, with the services of a swarm instead of containers."""
    from constructs_lib.swarm.entries import entries  # noqa: PLC0415  # likewise
    from moor.swarm import access, service_state  # noqa: PLC0415  # for a swarm only

    expected = [
        e for e in service_state.expectations(session.services) if not only or e.service in only
    ]
    with access.live_cluster(session, session.screen().say).engine() as client:

        def look() -> list[Row]:
            api: Any = client.api
            mine = {"label": f"{service_state.NAMESPACE}={session.services.name}"}
            places = {
                entry.id: outputs.nodes[entry.name].public_ip
                for entry in entries(client)
                if entry.name in outputs.nodes
            }
            return service_state.rows(
                expected,
                api.services(filters=mine),
                api.tasks(),
                ports=session.services.published_tcp_ports,
                places=places,
            )

        return health.watch_rows(look, patience_seconds=patience_seconds, tick=tick, ask=ask)


def show(
    session: Session,
    outputs: Outputs,
    found: Sequence[Row],
    console: Console,
    members: Sequence[Member] = (),
) -> None:
    """Print the machine, its services and the next commands.

    Args:
        session: The command.
        outputs: What the last deployment told.
        found: What has become of the services.
        console: Where to print.
        members: The members of a swarm, whose nodes are shown, too.
    """
    environment, settings = session.environment, session.settings
    where = "the sandbox on this computer" if settings.sandbox else settings.aws.region
    console.print(f"\n[bold]{environment.name}[/] runs in {where}, at {outputs.public_ip}")
    if outputs.nodes:
        from moor.swarm import node_view  # noqa: PLC0415  # for a swarm only

        node_view.show(members, outputs.nodes, console)
        console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("service", "state", "address", "answers", "image"):
        # On a narrow screen on two lines, rather than cut: an address is for copying.
        # An address of usual length stays whole all the same.
        least = min(_ADDRESS_WIDTH, max((len(row.expected.url) for row in found), default=0))
        table.add_column(
            column,
            overflow="fold",
            no_wrap=not console.is_terminal,
            min_width=least if column == "address" else None,
        )
    for row in found:
        state = Text(row.state, style=_STYLES[row.verdict])
        # As plain text: what a service answers is no markup of ours.
        told = (row.expected.url, row.answer, row.image)
        table.add_row(Text(row.expected.name), state, *map(Text, told))
    console.print(table)
    for line in chosen(found):
        console.print(Text(line))
    console.print("\n[bold]next[/]")
    steps = Table(box=None, pad_edge=False, show_header=False)
    for command, meaning in (
        *((f"curl {row.expected.url}", f"ask {row.expected.service}") for row in _asked(found)),
        (f'eval "$({typed.command(environment, "-s env")})"', "let docker talk to the machine"),
        *(
            ((typed.program(environment, "ssh NODE"), "open a shell on a node"),)
            if outputs.nodes
            else ((typed.command(environment, "ssh"), "open a shell on it"),)
        ),
        (typed.command(environment, "status"), "see this again"),
        (typed.command(environment, "down"), "destroy everything"),
    ):
        steps.add_row(Text(f"  {command}", style="cyan"), meaning)
    console.print(steps)


def chosen(found: Sequence[Row]) -> Iterator[str]:
    """Tell which ports the engine has chosen, where a file names none."""
    for row in found:
        for own, ports in row.chosen.items():
            listed = ", ".join(map(str, ports))
            way = f": reach it by SSH, with -L {ports[0]}:localhost:{ports[0]}"
            yield (
                f"{row.expected.name}: port {own} is {listed} on the machine, as the engine chose; "
                f"no security group opens it{way if own.endswith('/tcp') else ''}"
            )


def members_of(session: Session, outputs: Outputs) -> Sequence[Member]:
    """Return the members of a swarm; none where there is one machine alone.

    Args:
        session: The command.
        outputs: What the last deployment told.

    Raises:
        CommandError: No manager answers.
    """
    if not outputs.nodes:
        return ()
    from moor.swarm import access  # noqa: PLC0415  # for a swarm only

    return access.live_cluster(session, session.screen().say).members()


def as_json(
    outputs: Outputs, found: Sequence[Row], members: Sequence[Member] = ()
) -> dict[str, Any]:
    """Return the same for a script."""
    from moor.swarm import node_view  # noqa: PLC0415  # for a swarm only

    nodes = {"nodes": node_view.as_json(members, outputs.nodes)} if outputs.nodes else {}
    return {
        **nodes,
        "public_ip": outputs.public_ip,
        "docker_host": outputs.docker_host,
        "services": [
            {
                "container": row.expected.name,
                "service": row.expected.service,
                "state": row.state,
                "good": row.verdict == "good",
                "url": row.expected.url or None,
                "answer": row.answer or None,
                "image": row.image or None,
                "problem": row.problem or None,
                "health": row.health or None,
                "restarts": row.restarts,
                "since": row.since or None,
                "chosen_ports": {own: list(ports) for own, ports in row.chosen.items()},
            }
            for row in found
        ],
    }


def _asked(found: Sequence[Row]) -> list[Row]:
    """Return the rows of what speaks HTTP."""
    return [row for row in found if row.expected.url and row.answer[:1].isdigit()]


def _image_name(image: Image) -> str:
    """Return the name of an image, or where it was pulled by its digest the repository and that."""
    if image.tags:
        return str(image.tags[0])
    digests = image.attrs.get("RepoDigests") or [""]
    repository, _, digest = str(digests[0]).partition("@sha256:")
    return f"{repository}@{digest[:_DIGEST_SHOWN]}" if digest else ""
