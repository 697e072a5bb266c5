"""All checks, side by side, and what is shown of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from moor.doctor import certificates, cloud, computer, disks, hosts, ports
from moor.doctor.finding import Finding, Result
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Console

    from moor.doctor.patient import Patient

_HERE: Final[tuple[Callable[[Patient], Result], ...]] = (
    computer.programs,
    computer.files,
    computer.disk,
    computer.lock,
    certificates.certificates,
    computer.context,
)
"""What needs no network."""

_THERE: Final[tuple[Callable[[Patient], Result], ...]] = (
    computer.state_locks,
    cloud.credentials,
    cloud.addresses,
    hosts.machines_of,
    disks.disks,
    ports.ports,
)


def examine(patient: Patient, *, offline: bool) -> list[Result]:
    """Look an environment through.

    Args:
        patient: The environment.
        offline: Whether the network is left alone.

    Raises:
        ValueError: Its settings or services cannot be read; with every problem.
    """
    # Read once, and first: without them there is nothing to look at, and threads would each read.
    _ = patient.session.settings, patient.hosts
    if not offline:
        _ = patient.session.services
    checks = _HERE if offline else (*_HERE, *_THERE)
    with ThreadPoolExecutor(len(checks)) as pool:
        return list(pool.map(lambda check: _run(check, patient), checks))


def _run(check: Callable[[Patient], Result], patient: Patient) -> Result:
    """Run a check; what it did not expect is a finding, and no end of the others."""
    try:
        return check(patient)
    except (CommandError, ValueError, OSError) as error:
        name = check.__name__.replace("_", " ")
        finding = Finding(
            subject=name, text=str(error), remedy="this check could not be made; see the others"
        )
        return Result(name=name, told="not looked at", findings=(finding,))


def fixed(results: Iterable[Result], say: Callable[[str], None]) -> list[Result]:
    """Do what can be done safely, and return what is left.

    Args:
        results: What was found.
        say: Takes a line for a person.
    """
    left = []
    for result in results:
        findings = []
        for finding in result.findings:
            if finding.fix is None:
                findings.append(finding)
                continue
            try:
                said = finding.fix.do()
            except (CommandError, ValueError, OSError) as error:
                say(f"{finding.subject}: could not be mended: {error}")
                findings.append(replace(finding, fix=None))
            else:
                say(f"{finding.subject}: {finding.fix.text}" + (f", {said}" if said else ""))
        is_mended = bool(result.findings) and not findings
        told = "mended" if is_mended else result.told
        left.append(replace(result, told=told, findings=tuple(findings)))
    return left


def show(results: Sequence[Result], console: Console) -> None:
    """Print a line a check, and its findings below.

    Args:
        results: What was found.
        console: Where to print.
    """
    width = max((len(result.name) for result in results), default=0)
    for result in results:
        mark, style = ("✗", "bold red") if result.is_wrong else ("✓", "green")
        console.print(
            Text.assemble((mark, style), f" {result.name:{width}}  ", (result.told, "dim"))
        )
        for finding in result.findings:
            style = "yellow" if finding.is_wrong else "cyan"
            console.print(Text.assemble("    ", (f"{finding.subject}: ", style), finding.text))
            console.print(Text.assemble("      ", (f"→ {finding.remedy}", "bold")))
    wrong = sum(finding.is_wrong for result in results for finding in result.findings)
    mendable = sum(f.fix is not None for result in results for f in result.findings)
    if not wrong:
        console.print("[green]nothing is wrong[/]")
    if mendable:
        console.print(f"`--fix` does {mendable} of these")


def as_json(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return the same for a script.

    Args:
        results: What was found.
    """
    return [
        {
            "check": result.name,
            "good": not result.is_wrong,
            "told": result.told,
            "findings": [
                {
                    "subject": finding.subject,
                    "text": finding.text,
                    "remedy": finding.remedy,
                    "wrong": finding.is_wrong,
                    "mendable": finding.fix is not None,
                }
                for finding in result.findings
            ],
        }
        for result in results
    ]
