"""The page's text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.operations.steps import Part, Step

_HEAD: Final = """# Operations

<!-- `python -m benchmarks.operations` deploys benchmarks/operations/shop.yaml to a sandbox of its
own, runs each command, and writes this page. -->

Each command below was run, one after the other, on a machine of the sandbox; this is what it
printed. Identifiers, times, dates and what is used at a moment stand for others, and what is under
way is left out (`…`). On AWS the commands are the same, and ask before they change anything. `moor`
is `.venv/bin/moor`, and `export ENVIRONMENT=shop` chose `environments/shop.yaml`. Each command says
more with `--help`.

"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a command.

    Attributes:
        printed: What it printed, made the same each time.
        status: How it ended.
    """

    printed: str
    status: int


def page(parts: Sequence[Part], ended: Sequence[Ended]) -> str:
    """Return the page.

    Args:
        parts: The parts.
        ended: What became of each command, in their order.
    """
    left = iter(ended)
    return _HEAD + "\n".join(line for part in parts for line in _part(part, left))


def _part(part: Part, ended: Iterator[Ended]) -> Iterator[str]:
    yield f"## {part.title}\n"
    if part.text:
        yield f"{part.text}\n"
    for step in part.steps:
        yield from _step(step, next(ended))


def _step(step: Step, ended: Ended) -> Iterator[str]:
    if step.text:
        yield f"{step.text}\n"
    yield "```console"
    yield f"$ {step.command}"
    if ended.printed:
        yield ended.printed
    if ended.status:
        yield f"(exit status {ended.status})"
    yield "```\n"
