"""Sets limits of containers that the Docker provider does not know, right after their start.

Terraform runs it (`python -m constructs_lib.compose.limits`) for each service with such a limit.
The engine keeps the limit with the container, over restarts, too; another limit is another
container, whose digest it is part of.

Source: Docker Engine API 1.40, "Update a container".
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from constructs_lib.host.endpoint import parser_of
from constructs_lib.host.step_program import ANSWER_SECONDS, StepError, run_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docker import DockerClient


def main(arguments: Sequence[str] | None = None) -> int:
    """Set the limits of containers.

    Returns:
        The exit status.
    """
    parser = parser_of("constructs_lib.compose.limits")
    parser.add_argument("--pids", type=int, required=True)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args(arguments)
    return run_step(options, lambda engine: _limited(engine, options.names, options.pids))


def _limited(engine: DockerClient, names: Sequence[str], pids: int) -> Iterator[str]:
    for name in names:
        # The SDK's own method knows no limit of processes.
        answer = engine.api.post(
            f"{engine.api.base_url}/v{engine.api.api_version}/containers/{name}/update",
            json={"PidsLimit": pids},
            timeout=ANSWER_SECONDS,
        )
        if not answer.ok:
            raise StepError(
                f"{name}: must take a limit of {pids} processes, got: {answer.text.strip()}"
            )
        yield f"{name} has at most {pids} processes"


if __name__ == "__main__":
    sys.exit(main())
