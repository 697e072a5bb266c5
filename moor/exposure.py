"""What is open, to whom and why; and what of it deserves a second look.

Everything is read from the settings, the services and the files of the environment: it is told
before anything is deployed, and nothing is asked of the network.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from rich.table import Table
from rich.text import Text

from constructs_lib.aws.firewall import EVERYWHERE, openings
from constructs_lib.aws.port_range import HIGHEST, PortRange
from constructs_lib.files.private_file import GROUP_AND_OTHERS, check_private
from constructs_lib.identity.certificate_authority import utc_now
from constructs_lib.identity.pem import load_certificate
from constructs_lib.settings.certificates import pki_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from rich.console import Console

    from constructs_lib.aws.firewall import Opening
    from constructs_lib.aws.port_range import Protocol
    from constructs_lib.compose.model import ComposeProject, Service
    from constructs_lib.identity.certificate_authority import Clock
    from constructs_lib.identity.pki import Pki
    from constructs_lib.settings.environment import Environment
    from constructs_lib.settings.settings import Settings

_SOCKETS: Final = ("/var/run/docker.sock", "/run/docker.sock")
_POWERS: Final = frozenset(
    {"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "NET_ADMIN"}
)
"""Capabilities that lead from a container to its machine, or to the network of all others."""

_NODES: Final = "the swarm's nodes"

KEYS: Final = ("certificates/key.pem", "pki/ca-key.pem", "ssh/id_ed25519")
"""The private keys in an environment's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """Ports that a security group opens with one rule, or a protocol that has none.

    Attributes:
        port: The first port; None where the protocol has none.
        last: The last one: the same, unless it is a range.
        protocol: `tcp`, `udp` or `sctp`, or one without ports.
        setting: The key under `aws` that opens it.
        networks: Who may connect.
        answers: Who answers there: the machine, or the services' names; empty where nobody does.
        guard: What somebody who may connect needs as well; empty for nothing.
        why: The rule's own description.
    """

    port: int | None
    last: int | None
    protocol: str
    setting: str
    networks: tuple[str, ...]
    answers: str
    guard: str
    why: str

    @property
    def ports(self) -> str:
        """The ports as settings have them, or the protocol's name."""
        if self.port is None or self.last is None:
            return self.protocol
        return str(PortRange(self.port, self.last, cast("Protocol", self.protocol)))

    @property
    def order(self) -> tuple[int, int, str]:
        """What sorts them: by ports, and what has none at the end."""
        return (self.port or HIGHEST + 1, self.last or 0, self.protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that deserves a second look.

    Attributes:
        subject: The setting, service or file that it is about.
        text: What it means.
        remedy: What to do about it, or when it may stay.
    """

    subject: str
    text: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """All of it.

    Attributes:
        ports: What is open, in the order of the ports.
        findings: What deserves a second look.
    """

    ports: tuple[Exposed, ...]
    findings: tuple[Finding, ...]


def examine(
    environment: Environment,
    settings: Settings,
    services: ComposeProject,
    *,
    clock: Clock = utc_now,
) -> Exposure:
    """Look through an environment's settings, services and files.

    Args:
        environment: The environment, whose files need not be there yet.
        settings: Its settings.
        services: Its services.
        clock: Returns the time, aware and in UTC.

    Raises:
        ValueError: A certificate is damaged.
        OSError: A file cannot be read.
    """
    ports = tuple(sorted(_ports(settings, services), key=lambda row: row.order))
    findings = [
        *_idle(ports, services),
        *_updates(settings),
        *(finding for service in services.services.values() for finding in _powerful(service)),
        *files(environment),
        *_certificate(environment, clock()),
        *_people(pki_of(environment, settings), clock()),
    ]
    return Exposure(ports=ports, findings=tuple(findings))


def show(exposure: Exposure, console: Console) -> None:
    """Print it for a person."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("port", "open to", "who answers", "what else it takes", "opened by"):
        table.add_column(column, overflow="fold")
    for row in exposure.ports:
        table.add_row(
            Text(row.ports),
            Text("everybody" if row.networks == ("everybody",) else ", ".join(row.networks)),
            Text(row.answers or "nobody", style="" if row.answers else "yellow"),
            Text(row.guard or "nothing"),
            Text(f"aws.{row.setting}"),
        )
    console.print(table)
    if not exposure.findings:
        console.print("\n[green]nothing else deserves a second look[/]")
        return
    console.print("\n[bold]worth a second look[/]")
    for finding in exposure.findings:
        console.print(Text(f"  {finding.subject}", style="yellow"), highlight=False)
        console.print(Text(f"    {finding.text}; {finding.remedy}"), highlight=False)


def as_json(exposure: Exposure) -> dict[str, Any]:
    """Return the same for a script."""
    return asdict(exposure)


def _ports(settings: Settings, services: ComposeProject) -> Iterator[Exposed]:
    answering = [(service.name, port) for service in _present(services) for port in _own(service)]
    machine = "each node" if settings.is_swarm else "the machine"
    for opening in openings(settings.aws, swarm=settings.is_swarm):
        for ports in opening.ports:
            names = dict.fromkeys(name for name, port in answering if ports.has(*port))
            yield Exposed(
                port=ports.first,
                last=ports.last,
                protocol=ports.protocol,
                setting=opening.setting,
                networks=_networks(opening),
                answers=", ".join(names) if opening.for_services else machine,
                guard=opening.guard,
                why=opening.description,
            )
        for protocol in opening.protocols:
            yield Exposed(
                port=None,
                last=None,
                protocol=str(protocol),
                setting=opening.setting,
                networks=_networks(opening),
                answers=machine,
                guard=opening.guard,
                why=opening.description,
            )


def _networks(opening: Opening) -> tuple[str, ...]:
    """Return who may connect, in a person's words."""
    if opening.from_group:
        return (_NODES,)
    if set(EVERYWHERE) <= set(opening.cidrs):
        return ("everybody",)
    return tuple(map(str, opening.cidrs))


def _present(services: ComposeProject) -> list[Service]:
    return [service for service in services.services.values() if service.replicas]


def _own(service: Service) -> Iterator[tuple[int, str]]:
    """Yield the machine's ports on which a service answers others, as far as its file tells."""
    for port in service.ports:
        if service.options.network_mode == "host":
            yield port.target, port.protocol
        elif service.publishes and port.published is not None and port.is_reachable:
            for number in range(port.published[0], port.published[1] + 1):
                yield number, port.protocol


def _idle(ports: Sequence[Exposed], services: ComposeProject) -> Iterator[Finding]:
    free = [s.name for s in _present(services) if s.options.network_mode == "host"]
    unless = (
        f"{', '.join(free)} on the machine's network answers there"
        if free
        else ("a service is about to")
    )
    for row in ports:
        if not row.answers:
            yield Finding(
                subject=f"aws.{row.setting}: {row.ports}",
                text="the port is open and no service publishes it",
                remedy=f"take it out, unless {unless}",
            )


def _updates(settings: Settings) -> Iterator[Finding]:
    updates = settings.aws.updates
    if updates is not None and updates.reboot_strategy == "off":
        yield Finding(
            subject="aws.updates.reboot_strategy: off",
            text="updates of the machine's system arrive, and wait for a reboot",
            remedy="reboot the machine by hand from time to time",
        )


def _powerful(service: Service) -> Iterator[Finding]:
    """Tell what makes who breaks into a service root on the machine."""
    options = service.options
    reasons = []
    if options.privileged:
        reasons.append("privileged")
    if powers := sorted(_POWERS & {name.removeprefix("CAP_") for name in options.cap_add}):
        reasons.append(f"cap_add {', '.join(powers)}")
    if options.network_mode == "host":
        reasons.append("network_mode host")
    if options.pid_mode == "host":
        reasons.append("pid host")
    reasons += [
        f"the mount of {mount.source}"
        for mount in options.host_mounts
        if mount.source in ("/", "/etc", "/var", "/var/lib/docker", *_SOCKETS)
    ]
    for reason in reasons:
        yield Finding(
            subject=f"service {service.name}: {reason}",
            text="who takes over this service has the machine, or much of it",
            remedy="keep it only where the service cannot work without",
        )


def files(environment: Environment) -> Iterator[Finding]:
    """Find keys, and what services are told, that others than this user can read.

    Args:
        environment: The environment, whose files need not be there yet.
    """
    for file in (environment.directory / name for name in KEYS):
        if file.exists():
            try:
                check_private(file)
            except ValueError as error:
                subject, _, text = str(error).partition(": ")
                what, _, remedy = text.partition("; ")
                yield Finding(subject=subject, text=what, remedy=remedy)
    for folder in (environment.state, environment.output):
        between = [p for p in folder.parents if p.is_relative_to(environment.root)]
        # A private folder above keeps others out, whatever this one allows.
        if folder.is_dir() and all(_mode(p) & GROUP_AND_OTHERS for p in (folder, *between)):
            yield Finding(
                subject=str(folder),
                text=f"holds what services are told, and its mode is {_mode(folder):04o}",
                remedy=f"chmod 700 {folder}",
            )


def _mode(path: Path) -> int:
    return os.stat(path).st_mode & 0o777  # noqa: PTH116  (the same, and of one word)


def _certificate(environment: Environment, now: datetime) -> Iterator[Finding]:
    file = environment.certificates / "cert.pem"
    if not file.exists():
        return
    end = load_certificate(file.read_bytes()).not_valid_after_utc
    if end <= now:
        yield Finding(
            subject=str(file),
            text=f"the client's certificate ended on {end:%F}",
            remedy="the next deployment makes another one",
        )


def _people(pki: Pki, now: datetime) -> Iterator[Finding]:
    for name, certificate in pki.people().items():
        end = certificate.not_valid_after_utc
        if now < end:
            yield Finding(
                subject=name,
                text=f"may use the Docker API, and so all of the machine, until {end:%F}",
                remedy=f"moor unshare {name}, or leave it where that is meant",
            )
