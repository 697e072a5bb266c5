"""Programs that an operator runs in containers of services: in one that runs, or in one more."""

from __future__ import annotations

import contextlib
import secrets
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from moor.failure import CommandError
from moor.operation import containers, engines, one_off, terminal
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from docker import DockerClient

    from moor.operation.containers import Placed
    from moor.session import Session

_SIGNALS: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""What is handed on to a container of its own."""

_ENDS: Final = frozenset({signal.SIGINT, signal.SIGTERM})
_CODE_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is to be run, and how.

    Attributes:
        words: The command; empty for what the service itself runs.
        entry_point: The program that gets the words, instead of the image's or the service's own;
            of a container of its own only.
        user: As whom; the service's user where empty.
        folder: In which folder; the service's where empty.
        variables: Further environment variables, `NAME=VALUE`.
        has_terminal: Whether it gets a terminal.
        has_input: Whether what is typed or piped here is handed on.
    """

    words: Sequence[str] = ()
    entry_point: str = ""
    user: str = ""
    folder: str = ""
    variables: Sequence[str] = field(default=())
    has_terminal: bool = False
    has_input: bool = True

    @property
    def source(self) -> int | None:
        """The descriptor of what is handed on."""
        return sys.stdin.fileno() if self.has_input else None


def execute(session: Session, placed: Placed, call: Call) -> int:
    """Run a program in a container that runs.

    Args:
        session: The command.
        placed: The container.
        call: The program.

    Returns:
        Its exit status.

    Raises:
        CommandError: It cannot be started, or the connection breaks.
    """
    with engines.engine(session.environment, placed.host) as client:
        engines.without_limit(client)
        api: Any = client.api
        made = api.exec_create(
            placed.id,
            list(call.words),
            stdin=call.has_input,
            tty=call.has_terminal,
            user=call.user,
            workdir=call.folder or None,
            environment=list(call.variables) or None,
        )
        connection = api.exec_start(made["Id"], tty=call.has_terminal, socket=True)

        def resize(rows: int, columns: int) -> None:
            # What ends at once may be over before its terminal has a size.
            with contextlib.suppress(*ENGINE_ERRORS):
                api.exec_resize(made["Id"], height=rows, width=columns)

        with _told(placed.label, "its program may run on"):
            _carry(connection, call, resize, lambda: not api.exec_inspect(made["Id"])["Running"])
        return _exit_code(lambda: api.exec_inspect(made["Id"])["ExitCode"], placed.label)


def run(session: Session, service: str, call: Call) -> int:
    """Run a container of a service's own configuration, and remove it after.

    Args:
        session: The command.
        service: The service.
        call: What it is to run.

    Returns:
        Its exit status.

    Raises:
        WrongUseError: There is no such service.
        CommandError: There is no container of it to take the configuration from, it cannot be
            started, or the connection breaks.
    """
    found = containers.find(session, [service])
    if not found:
        raise CommandError(
            f"service {service}: must be deployed, since its own container tells the "
            "configuration, got no container of it"
        )
    model = next((one for one in found if one.is_running), found[0])
    name = f"{session.services.name}-{service}-run-{secrets.token_hex(4)}"
    with engines.engine(session.environment, model.host) as client:
        engines.without_limit(client)
        if model.host.private_address:
            # A swarm's container keeps its input open when ours ends: a program would wait for
            # the end of what was piped in, and never hear of it.
            call = replace(call, has_input=call.has_terminal)
            started: contextlib.AbstractContextManager[str] = one_off.of_a_swarm(
                session, client, model, name, call
            )
        else:
            started = one_off.of_a_machine(client, model, name, call)
        with started as identity:
            return _attached(client, identity, name, call)


def _attached(client: DockerClient, identity: str, name: str, call: Call) -> int:
    """Start a container that does not run yet, and be its terminal until it ends."""
    api: Any = client.api
    params = {"stdin": int(call.has_input), "stdout": 1, "stderr": 1, "stream": 1, "logs": 1}
    connection = api.attach_socket(identity, params=params)
    begin = int(time.time()) - 1
    ends = 0

    def hand_on(number: int, _frame: FrameType | None) -> None:
        nonlocal ends
        ends += number in _ENDS
        # Who asks a second time does not want to wait for what a program makes of it.
        chosen = signal.SIGKILL if ends > 1 else signal.Signals(number)
        with contextlib.suppress(*ENGINE_ERRORS):
            api.kill(identity, chosen.name)

    def resize(rows: int, columns: int) -> None:
        with contextlib.suppress(*ENGINE_ERRORS):
            api.resize(identity, height=rows, width=columns)

    def code() -> int | None:
        return one_off.exit_code(client, identity, begin)

    with _handling(hand_on):
        if api.inspect_container(identity)["State"]["Status"] == "created":
            api.start(identity)
        with _told(name, "it runs on until its command ends, and is removed then"):
            _carry(connection, call, resize, lambda: code() is not None)
    return _exit_code(code, name)


def _carry(
    connection: Any,  # noqa: ANN401  (a socket of the SDK's)
    call: Call,
    resize: Callable[[int, int], None],
    is_over: Callable[[], bool],
) -> None:
    if not call.has_terminal:
        terminal.pump(connection, frames=True, source=call.source, is_over=is_over)
        return
    with terminal.raw(), terminal.resizing(resize):
        terminal.pump(connection, frames=False, source=call.source, is_over=is_over)


@contextlib.contextmanager
def _told(label: str, rest: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(
            f"{label}: the connection must last as long as its command, got: {reason}; {rest}"
        ) from None


@contextlib.contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _exit_code(ask: Callable[[], int | None], label: str) -> int:
    """Ask until it is known: the engine may tell the end of the output first."""
    deadline = time.monotonic() + _CODE_SECONDS
    while True:
        code = ask()
        if code is not None:
            return int(code)
        if time.monotonic() > deadline:
            raise CommandError(f"{label}: must tell its exit status, got none; it may run still")
        time.sleep(_PAUSE_SECONDS)
