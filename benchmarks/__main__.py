"""Measure: `python -m benchmarks`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import picture, report
from benchmarks.many import SERVICES, OneOfMany
from benchmarks.measure import Sample, alternate
from benchmarks.shared import Counts, shared_settings
from benchmarks.subjects import (
    OFTEN,
    Deployment,
    Synthesis,
    growth_settings,
    machine,
    subjects_of,
)
from constructs_lib.settings.environment import Environment
from moor.failure import CommandError
from moor.toolchain.toolchain import ROOT, Toolchain

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES: Final = (10, 100, 1000)
FEWEST_ROUNDS: Final = 5

_console = Console(highlight=False)


def main(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="How often each subject runs.")] = 5,
    write: Annotated[bool, typer.Option(help="Write docs/performance.md and its plot.")] = True,
    deploy: Annotated[bool, typer.Option(help="Measure a deployment, too.")] = True,
) -> None:
    """Measure synthesis, its growth, and a deployment that changes nothing."""
    environment = Environment.from_variable(ROOT, os.environ)
    load_before = os.getloadavg()[0]
    try:
        with tempfile.TemporaryDirectory(prefix="moor-bench-") as folder:
            scratch = Path(folder)
            synthesis = _synthesis(scratch / "app", environment.settings_file, rounds)
            growth = _growth(scratch, SIZES, rounds)
            shared = _shared(scratch / "shared", rounds)
            deployment = _deployment(environment, rounds) if deploy else None
            many = _many(scratch / "many", rounds) if deploy else None
    except (CommandError, RuntimeError, ValueError, OSError) as error:
        sys.exit(str(error))
    results = report.Results(
        synthesis=synthesis,
        growth=growth,
        shared=shared,
        deployment=deployment,
        many=many,
        rounds=rounds,
        machine=machine(),
        load=(load_before, os.getloadavg()[0]),
    )
    for title, header, rows in report.tables(results):
        table = Table(title=title, title_justify="left", box=None, header_style="bold")
        for number, column in enumerate(header):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*row)
        _console.print(table)
        _console.print()
    if not write:
        return
    if rounds < FEWEST_ROUNDS:
        sys.exit(f"--rounds: must be {FEWEST_ROUNDS} or more to be written, got {rounds}")
    plot = ROOT / "docs" / "pictures" / "growth.svg"
    plot.parent.mkdir(parents=True, exist_ok=True)
    plot.write_text(picture.growth(growth), encoding="utf-8")
    page = ROOT / "docs" / "performance.md"
    page.write_text(report.page(results), encoding="utf-8")
    _console.print(f"wrote {page.relative_to(ROOT)} and {plot.relative_to(ROOT)}")


def _synthesis(folder: Path, settings: Path, rounds: int) -> dict[str, Sample]:
    folder.mkdir()
    return alternate(
        subjects_of(Synthesis(folder=folder, settings=settings)),
        rounds=rounds,
        report=_say,
        often=OFTEN,
    )


def _growth(scratch: Path, sizes: Sequence[int], rounds: int) -> dict[int, Sample]:
    subjects = {}
    for size in sizes:
        folder = scratch / str(size)
        folder.mkdir()
        settings = growth_settings(folder, size)
        subjects[str(size)] = Synthesis(folder=folder, settings=settings).fast
    found = alternate(
        subjects,
        rounds=rounds,
        report=lambda line: _say(f"containers {line}"),
        often=[str(size) for size in sizes[:-1]],
    )
    return {int(name): sample for name, sample in found.items()}


def _shared(folder: Path, rounds: int) -> tuple[Sample, Counts]:
    folder.mkdir()
    synthesis = Synthesis(folder=folder, settings=shared_settings(folder))
    name = "services that share images"
    found = alternate({name: synthesis.fast}, rounds=rounds, report=_say, often=[name])
    return found[name], Counts.of_resources(synthesis.docker_stack)


def _deployment(environment: Environment, rounds: int) -> dict[str, Sample] | None:
    deployment = Deployment.of(environment)
    if deployment is None:
        _say(f"{environment.name}: no sandbox is deployed: run `make up` to measure that, too")
        return None
    return alternate(
        {report.MOOR: deployment.moor, report.TERRAFORM: deployment.terraform},
        rounds=rounds,
        report=_say,
    )


def _many(folder: Path, rounds: int) -> dict[str, Sample]:
    folder.mkdir()
    _say(f"deploying {SERVICES} services to a machine of their own")
    many = OneOfMany.deployed(folder, Toolchain.load())
    try:
        return alternate(many.subjects(), rounds=rounds, report=_say)
    finally:
        many.remove()


def _say(line: str) -> None:
    _console.print(line, style="dim")


if __name__ == "__main__":
    typer.run(main)
