"""An environment on one screen, for a person and for a script."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from moor import status
from moor.overview.overview import FULL_PERCENT, NEARLY_FULL_PERCENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from moor.health import Row
    from moor.overview.certificates import Certificate
    from moor.overview.host import Disk
    from moor.overview.machines import Machine
    from moor.overview.overview import Overview
    from moor.session import Session
    from moor.swarm.cluster import Member

_STYLES: Final = {"good": "green", "pending": "yellow", "bad": "bold red"}
_GIB: Final = 1024**3
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def render(session: Session, seen: Overview, *, now: datetime | None = None) -> RenderableType:
    """Return the screen.

    Args:
        session: The command.
        seen: What was seen.
        now: The time; the present one by default.
    """
    clock = now or datetime.now(UTC)
    parts: list[RenderableType] = [_headline(session, seen), ""]
    if seen.outputs.nodes:
        parts += [_nodes(seen), ""]
    parts += [_facts(seen), ""]
    if seen.rows is not None:
        parts.append(_services(seen.rows, clock))
        parts += [Text(line) for line in status.chosen(seen.rows)]
    parts += [Text(f"due: {line}", style="yellow") for line in seen.due]
    return Group(*parts)


def _headline(session: Session, seen: Overview) -> Text:
    settings = session.settings
    where = "the sandbox on this computer" if settings.sandbox else settings.aws.region
    word, style = ("all is well", "green") if seen.is_good else ("not well", "bold red")
    return Text.assemble(
        (session.environment.name, "bold"),
        f" in {where}, at {seen.outputs.public_ip}: ",
        (word, style),
    )


def _facts(seen: Overview) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    if seen.outputs.nodes:
        # What all nodes have in common is told once.
        for name, told in (("system", _systems(seen)), ("Docker", _versions(seen))):
            if len(told) == 1:
                table.add_row(name, next(iter(told)))
    else:
        for machine in seen.machines:
            for name, text in _of_machine(machine):
                table.add_row(name, text)
    if seen.certificates:
        table.add_row("certificates", Text(", ").join(map(_certificate, seen.certificates)))
    if seen.plans is not None:
        table.add_row("drift", _drift(seen))
    return table


def _systems(seen: Overview) -> set[str]:
    return {f"{m.api.system}, kernel {m.api.kernel}" for m in seen.machines if m.api.system}


def _versions(seen: Overview) -> set[str]:
    return {machine.api.version for machine in seen.machines if machine.api.version}


def _of_machine(machine: Machine) -> Iterator[tuple[str, Text]]:
    yield "machine", Text(machine.identity or "unknown")
    if machine.api.problem:
        yield "Docker", Text("not reached", style="bold red")
        return
    yield "system", _system(machine)
    yield "Docker", Text(machine.api.version)
    if machine.host.disks:
        yield "disk", Text(", ").join(map(_disk, machine.host.disks))
    elif machine.host.problem:
        yield "disk", Text(machine.host.problem, style="yellow")


def _system(machine: Machine) -> Text:
    text = Text(f"{machine.api.system}, kernel {machine.api.kernel}")
    if machine.host.reboot:
        text.append(f", reboot due for {machine.host.reboot}", style="yellow")
    return text


def _nodes(seen: Overview) -> Table:
    members = {member.name: member for member in seen.members}
    several = len(_systems(seen)) > 1, len(_versions(seen)) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("node", "role", "state", "address"):
        table.add_column(column, overflow="fold")
    for column, is_told in zip(("system", "Docker"), several, strict=True):
        if is_told:
            table.add_column(column, overflow="fold")
    table.add_column("disk", overflow="fold")
    for machine in seen.machines:
        member = members.get(machine.name)
        role = "" if member is None else f"{member.role}{', leads' if member.is_leader else ''}"
        told = machine.api.system, machine.api.version
        table.add_row(
            Text(machine.name),
            Text(role),
            _state(machine, member),
            Text(machine.address),
            *(Text(text) for text, is_told in zip(told, several, strict=True) if is_told),
            Text("\n").join(map(_disk, machine.host.disks)),
        )
    return table


def _state(machine: Machine, member: Member | None) -> Text:
    if machine.problem:
        return Text("not reached", style="bold red")
    state = "not in the swarm" if member is None else member.state
    if member is not None and member.availability != "active":
        state += f", {member.availability}"
    text = Text(state, style="green" if state == "ready" else "bold red")
    if machine.host.reboot:
        text.append(", reboot due", style="yellow")
    return text


def _disk(disk: Disk) -> Text:
    style = (
        "bold red"
        if disk.percent >= FULL_PERCENT
        else "yellow"
        if disk.percent >= NEARLY_FULL_PERCENT
        else ""
    )
    return Text(f"{disk.path} {disk.percent}% of {disk.size / _GIB:.0f} GiB", style=style)


def _certificate(one: Certificate) -> Text:
    if one.is_over:
        return Text(f"{one.of} ended {one.ends:%Y-%m-%d}", style="bold red")
    return Text(f"{one.of} {one.days} days")


def _drift(seen: Overview) -> Text:
    changed = [f"{c.noun} {c.name}" for plan in seen.plans or () for c in plan.drifted]
    if not changed:
        return Text("none", style="green")
    return Text(", ".join(changed), style="bold red")


def _services(rows: Sequence[Row], now: datetime) -> Table:
    restarted = any(row.restarts for row in rows)
    answered = any(row.expected.url for row in rows)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("service", overflow="fold")
    table.add_column("state", overflow="fold")
    table.add_column("since", no_wrap=True)
    if restarted:
        table.add_column("restarts", justify="right", no_wrap=True)
    if answered:
        table.add_column("address", overflow="fold", ratio=None)
        table.add_column("answers", overflow="fold")
    for row in rows:
        cells = [
            Text(row.expected.name),
            Text(row.state, style=_STYLES[row.verdict]),
            Text(since(row.since, now)),
        ]
        if restarted:
            cells.append(Text(str(row.restarts), style="yellow" if row.restarts else ""))
        if answered:
            # One that is wrong in another way was not asked.
            silent = bool(row.expected.url) and row.verdict == "pending" and not row.answer
            cells += [
                Text(row.expected.url),
                Text("nothing", style="bold red") if silent else Text(row.answer),
            ]
        table.add_row(*cells)
    return table


def since(when: str, now: datetime) -> str:
    """Return how long ago something was, in one unit.

    Args:
        when: ISO 8601, as the engine writes it; empty where nobody knows.
        now: The time.
    """
    try:
        begin = datetime.fromisoformat(when)
    except ValueError:
        return ""
    seconds = max(0, int((now - begin).total_seconds()))
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def as_json(session: Session, seen: Overview) -> dict[str, Any]:
    """Return the same for a script; docs/status.md describes the keys.

    Args:
        session: The command.
        seen: What was seen.
    """
    settings = session.settings
    return {
        "environment": session.environment.name,
        "where": "sandbox" if settings.sandbox else settings.aws.region,
        "good": seen.is_good,
        "problems": seen.problems,
        "due": seen.due,
        **status.as_json(seen.outputs, seen.rows or (), seen.members),
        "services_known": seen.rows is not None,
        "machines": [_machine_json(machine, seen) for machine in seen.machines],
        "certificates": [
            {"of": one.of, "ends": one.ends.isoformat(), "days": one.days}
            for one in seen.certificates
        ],
        "drift": None
        if seen.plans is None
        else {
            plan.stack: {
                "drifted": [
                    {"address": c.address, "kind": c.noun, "name": c.name} for c in plan.drifted
                ],
                "pending": len(plan.changes) - len(plan.drifted),
            }
            for plan in seen.plans
        },
    }


def _machine_json(machine: Machine, seen: Overview) -> dict[str, Any]:
    asked = not machine.host.problem
    return {
        "name": machine.name,
        "address": machine.address,
        "instance_id": machine.identity or None,
        "problem": machine.problem or None,
        "system": machine.api.system or None,
        "kernel": machine.api.kernel or None,
        "docker": machine.api.version or None,
        "reboot": (machine.host.reboot or False) if asked else None,
        "disks": [
            {
                "path": disk.path,
                "used": disk.used,
                "size": disk.size,
                "percent": disk.percent,
                "filled_by": seen.fills.get((machine.name, disk.path)),
            }
            for disk in machine.host.disks
        ]
        if asked
        else None,
    }
