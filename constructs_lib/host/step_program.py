"""The frame of a program that a step of a deployment starts, and that speaks to one engine.

It connects, does its work, and prints what comes of it: Terraform shows what a step prints, and
what it prints as an error where it fails.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from docker.errors import DockerException

from constructs_lib.host.engine import connect

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from docker import DockerClient

ANSWER_SECONDS: Final = 30
"""How long an engine may take to answer what takes it no time."""


class StepError(Exception):
    """A step cannot be taken; the text says why, and what to do."""


def run_step(
    options: argparse.Namespace,
    work: Callable[[DockerClient], Iterable[str]],
    *,
    seconds: int = ANSWER_SECONDS,
    must: str = "",
) -> int:
    """Take a step.

    Args:
        options: What `endpoint.parser_of` has read.
        work: Does it at the engine, and yields a line for each thing that it has done.
        seconds: How long an answer of the engine may take.
        must: What was to be, for the error when the engine does not do as asked; that it answers
            by default.

    Returns:
        The exit status: 0, or 1 after an error, which is printed.
    """
    address = f"{options.host}:{options.port}"
    try:
        for line in work(connect(f"tcp://{address}", options.certificates, timeout=seconds)):
            print(line, flush=True)  # noqa: T201
    except StepError as error:
        print(error, file=sys.stderr)  # noqa: T201
    except (DockerException, OSError) as error:
        reason = getattr(error, "explanation", None) or error
        must = must or f"{address}: the Docker API must answer"
        print(f"{must}, got: {reason}", file=sys.stderr)  # noqa: T201
    else:
        return 0
    return 1
