"""What containers and machines use, asked all at once and shown as a table."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from rich.table import Table
from rich.text import Text

from moor.failure import CommandError
from moor.operation import containers, engines, ssh
from moor.operation.hosts import hosts
from moor.operation.usage import HOST_COMMAND, Sample, Usage, between, of_container, of_host
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.operation.containers import Placed
    from moor.operation.hosts import Host
    from moor.session import Session

_PATIENCE_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.1
_MUCH: Final = 0.8
_TOO_MUCH: Final = 0.95
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP: Final = 1024
_WHOLE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a container or a machine.

    Attributes:
        name: What it is called.
        kind: `machine` or `container`.
        node: The machine that it is on.
        usage: What it uses; None where nothing is known, and why.
        problem: Why.
    """

    name: str
    kind: str
    node: str
    usage: Usage | None = None
    problem: str = ""


class Watch:
    """Asks all machines and containers, each in a thread of its own, until it is closed.

    Args:
        session: The command.
        services: The services; all where empty.
    """

    def __init__(self, session: Session, services: Sequence[str]) -> None:
        self._session = session
        self._over = threading.Event()
        self._samples: dict[str, list[Sample]] = {}
        self._problems: dict[str, str] = {}
        self._processes: list[subprocess.Popen[str]] = []
        self._hosts: tuple[Host, ...] = hosts(session.environment)
        self._containers: list[Placed] = [
            one for one in containers.find(session, services) if one.is_running
        ]

    def __enter__(self) -> Self:
        """Begin to ask."""
        for host in self._hosts:
            threading.Thread(target=self._ask_host, args=(host,), daemon=True).start()
        for one in self._containers:
            threading.Thread(target=self._ask_container, args=(one,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask no more."""
        self._over.set()
        for process in self._processes:
            process.terminate()

    def seen(self) -> list[Seen]:
        """Return what is known now, the machines first."""
        return [
            *(self._seen(host.name, host.name, "machine", host.name) for host in self._hosts),
            *(
                self._seen(one.id, one.label, "container", one.host.name)
                for one in self._containers
            ),
        ]

    def first(self) -> list[Seen]:
        """Return what is known as soon as all is, or when patience is at its end."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            found = self.seen()
            if all(one.usage or one.problem for one in found) or time.monotonic() > deadline:
                return found
            time.sleep(_PAUSE_SECONDS)

    def _seen(self, key: str, name: str, kind: str, node: str) -> Seen:
        samples = self._samples.get(key, [])
        usage = between(samples[0], samples[-1]) if len(samples) > 1 else None
        problem = self._problems.get(key, "")
        return Seen(name=name, kind=kind, node=node, usage=usage, problem=problem)

    def _take(self, key: str, sample: Sample) -> None:
        # Of the last two: what is shown is the last second, or what the other end counted in it.
        self._samples[key] = [*self._samples.get(key, []), sample][-2:]
        self._problems.pop(key, None)

    def _ask_container(self, one: Placed) -> None:
        try:
            with engines.engine(self._session.environment, one.host) as client:
                engines.without_limit(client)
                api: Any = client.api
                for stats in api.stats(one.id, decode=True, stream=True):
                    if self._over.is_set():
                        return
                    sample = of_container(stats, time.monotonic())
                    if sample is None:
                        break
                    self._take(one.id, sample)
            self._problems[one.id] = "does not run any more"
        except (CommandError, *ENGINE_ERRORS) as error:
            self._problems[one.id] = str(error)
        self._samples.pop(one.id, None)

    def _ask_host(self, host: Host) -> None:
        try:
            words = ssh.words(
                self._session.environment, host, "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"
            )
            process = subprocess.Popen(
                [*words, HOST_COMMAND],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            self._processes.append(process)
            with process:
                text: list[str] = []
                for line in process.stdout or ():
                    if line == "@begin\n":
                        text = []
                    elif line == "@end\n":
                        self._take(host.name, of_host("".join(text)))
                    else:
                        text.append(line)
                said = process.stderr.read() if process.stderr else ""
            self._problems[host.name] = " ".join(said.split()) or "SSH has ended"
        except (CommandError, ValueError, OSError) as error:
            self._problems[host.name] = str(error)
        self._samples.pop(host.name, None)


def table(found: Sequence[Seen]) -> Table:
    """Return what is shown of it.

    Args:
        found: What is known.
    """
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("", overflow="fold")
    for column in ("cpu", "memory", "", "net in", "out", "disk read", "written", "full"):
        drawn.add_column(column, justify="right", no_wrap=True)
    for one in found:
        name = Text(one.name, style="bold" if one.kind == "machine" else "")
        usage = one.usage
        if usage is None:
            drawn.add_row(name, Text(one.problem or "…", style="yellow" if one.problem else "dim"))
            continue
        share = usage.memory / usage.memory_limit if usage.memory_limit else 0.0
        full = usage.disk_used / usage.disk_size if usage.disk_size else None
        drawn.add_row(
            name,
            _coloured(f"{usage.cpu_percent:.1f}%", usage.cpu_percent / _WHOLE / usage.cpus),
            size(usage.memory),
            _coloured(f"{share:.0%}", share),
            *(f"{size(n)}/s" for n in (usage.received, usage.sent, usage.read, usage.written)),
            Text("") if full is None else _coloured(f"{full:.0%}", full),
        )
    return drawn


def as_json(found: Sequence[Seen]) -> list[dict[str, Any]]:
    """Return the same for a script.

    Args:
        found: What is known.
    """
    return [asdict(one) for one in found]


def size(number: float) -> str:
    """Return bytes as a person reads them.

    Args:
        number: How many.
    """
    for unit in _UNITS:
        if number < _STEP or unit == _UNITS[-1]:
            break
        number /= _STEP
    return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"  # noqa: PLR2004


def _coloured(text: str, share: float) -> Text:
    style = "bold red" if share >= _TOO_MUCH else "yellow" if share >= _MUCH else ""
    return Text(text, style=style)
