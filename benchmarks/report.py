"""The figures as tables, and as the page `docs/performance.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks import shared
from benchmarks.many import SERVICES
from benchmarks.measure import TIMES
from benchmarks.shared import Counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.measure import Sample

APP: Final = "the app"
PLAIN: Final = "the app in plain cdktf"
LEAST: Final = "no bindings at all"
MOOR: Final = "moor up"
TERRAFORM: Final = "Terraform alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All that one run has found.

    Attributes:
        synthesis: The medians of the three kinds of synthesis, by name.
        growth: The medians by the number of containers.
        shared: The medians of a synthesis of services that share images, and how many images,
            look-ups and builds are left of them.
        deployment: The medians of the two kinds of deployment; None where none was measured.
        many: The medians of one service of many that changes, by program; None likewise.
        rounds: How often each subject ran.
        machine: The description of the computer.
        load: The one-minute load average before and after.
    """

    synthesis: Mapping[str, Sample]
    growth: Mapping[int, Sample]
    shared: tuple[Sample, Counts]
    deployment: Mapping[str, Sample] | None
    many: Mapping[str, Sample] | None
    rounds: int
    machine: Mapping[str, str]
    load: tuple[float, float]


class Grid(NamedTuple):
    """A table: its title, its columns and its rows."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


_FIGURES: Final = ("wall s", "CPU s", "MiB")


def tables(results: Results) -> list[Grid]:
    """Return the tables."""
    app, plain, least = (results.synthesis[name] for name in (APP, PLAIN, LEAST))
    grids = [
        Grid(
            "Synthesis of both stacks",
            ("", *_FIGURES),
            [(name, *_figures(sample)) for name, sample in results.synthesis.items()],
        ),
        Grid(
            "Ratios",
            ("", "wall", "CPU", "wanted (wall)"),
            [
                _ratio("plain cdktf / the app", plain, app, "15 or more"),
                _ratio("the app / no bindings at all", app, least, "1.3 or less"),
                (
                    "memory: the app / plain cdktf",
                    f"{app.memory / plain.memory:.2f}",
                    "",
                    "0.33 or less",
                ),
            ],
        ),
        Grid(
            "Growth with the containers of the Docker stack",
            ("containers", *_FIGURES, "ms each"),
            _growth_rows(results.growth),
        ),
    ]
    grids.append(_shared(*results.shared))
    if results.deployment is not None:
        moor, terraform = results.deployment[MOOR], results.deployment[TERRAFORM]
        grids.append(
            Grid(
                "Deployment of both stacks that changes nothing",
                ("", *_FIGURES),
                [(name, *_figures(sample)) for name, sample in results.deployment.items()],
            )
        )
        grids[1].rows.append(_ratio("moor up / Terraform alone", moor, terraform, "0.75 or less"))
    if results.many is not None:
        grids.append(
            Grid(
                f"One service of {SERVICES} changed, until it runs",
                ("", *_FIGURES),
                [(name, *_figures(sample)) for name, sample in results.many.items()],
            )
        )
    return grids


def page(results: Results) -> str:
    """Write the page."""
    facts = [f"| {name} | {value} |" for name, value in results.machine.items()]
    before, after = results.load
    each = Counts.of_services()
    lines = [
        "# How fast it is",
        "",
        (
            "Written by `make bench`; do not edit. Each figure is the median of "
            f"{results.rounds} runs, or {results.rounds * TIMES} of what takes little time; the "
            "subjects of a table ran in turn, after runs that do not count. Memory is the peak of "
            "the largest process. The ratios compare medians of the same run."
        ),
        "",
    ]
    for grid in tables(results):
        lines += [f"## {grid.title}", "", _row(grid.header)]
        lines.append("|" + " --- |" + " ---: |" * (len(grid.header) - 1))
        lines += [*map(_row, grid.rows), ""]
    lines += [
        "![Time and memory over the number of containers](pictures/growth.svg)",
        "",
        "## What is compared",
        "",
        "- *The app*: `main.py`, as `cdktf synth` starts it, with the settings of the sandbox.",
        (
            "- *The app in plain cdktf*: the same with `MOOR_PLAIN_BINDINGS=1`, and without `-O`. "
            "Its output is the same, byte for byte."
        ),
        (
            "- *No bindings at all*: an app with two stacks and an output in each. No cdktf app in "
            "Python can be faster."
        ),
        "- *Growth*: a Compose file with so many services, one port each.",
        (
            f"- *Shared images*: {each.builds} services build one context, and the others run one "
            "of two images; a look-up asks a registry, at each plan, what a tag stands for."
        ),
        (
            "- *moor up*: synthesis, both plans side by side, and a look at everything that should "
            "run."
        ),
        (
            "- *Terraform alone*: `terraform init` and `terraform apply`, which plans first, of "
            "each stack in turn, on the same output. It neither synthesizes nor looks."
        ),
        (
            "- *One service changed*: the value of a variable; every service stops at once. Both "
            "programs speak with the same machine over the same API. Compose's `up` plans nothing "
            "and remembers no state."
        ),
        "",
        "## The computer",
        "",
        "| | |",
        "| --- | --- |",
        *facts,
        f"| Load | {before:.1f} before, {after:.1f} after (one-minute average) |",
        "",
    ]
    return "\n".join(lines)


def _shared(sample: Sample, left: Counts) -> Grid:
    """Return the table of the services that share images."""
    each = Counts.of_services()
    return Grid(
        f"{shared.SERVICES} services that share images",
        ("", "services", "resources"),
        [
            ("images", str(each.images), str(left.images)),
            ("looked up in a registry", str(each.lookups), str(left.lookups)),
            ("built", str(each.builds), str(left.builds)),
            ("synthesis, wall s", "", f"{sample.wall:.2f}"),
        ],
    )


def _growth_rows(growth: Mapping[int, Sample]) -> list[tuple[str, ...]]:
    """Return the rows; the last column is what each container more than the fewest costs."""
    counts = sorted(growth)
    first = growth[counts[0]]
    return [
        (
            str(count),
            *_figures(growth[count]),
            f"{(growth[count].wall - first.wall) / (count - counts[0]) * 1000:.1f}"
            if count > counts[0]
            else "",
        )
        for count in counts
    ]


def _figures(sample: Sample) -> tuple[str, str, str]:
    return f"{sample.wall:.2f}", f"{sample.cpu:.2f}", f"{sample.memory:.0f}"


def _ratio(name: str, above: Sample, below: Sample, wanted: str) -> tuple[str, str, str, str]:
    return name, f"{above.wall / below.wall:.2f}", f"{above.cpu / below.cpu:.2f}", wanted


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
