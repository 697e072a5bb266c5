"""The page's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.operations.steps import Part, Step

_HEAD: Final = """# Operations

<!-- `python -m benchmarks.operations` deploys benchmarks/operations/shop.yaml to a sandbox of its
own, runs each command, and writes this page. -->

Each command below was run, one after the other, on a machine of the sandbox; this is what it
printed. Identifiers, times and dates stand for others, and what is under way is left out (`…`). On
AWS the commands are the same, and ask before they change anything. The environment was chosen by
`export ENVIRONMENT=environments/shop.yaml`. Each command says more with `--help`.

"""


def page(parts: Sequence[Part], printed: Sequence[str]) -> str:
    """Return the page.

    Args:
        parts: The parts.
        printed: What each command has printed, in their order.
    """
    left = iter(printed)
    return _HEAD + "\n".join(line for part in parts for line in _part(part, left))


def _part(part: Part, printed: Iterator[str]) -> Iterator[str]:
    yield f"## {part.title}\n"
    if part.text:
        yield f"{part.text}\n"
    for step in part.steps:
        yield from _step(step, next(printed))


def _step(step: Step, printed: str) -> Iterator[str]:
    if step.text:
        yield f"{step.text}\n"
    yield "```console"
    yield f"$ {step.command}"
    if printed:
        yield printed
    if step.status:
        yield f"(exit status {step.status})"
    yield "```\n"
