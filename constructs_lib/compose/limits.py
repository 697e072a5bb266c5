"""Sets limits of containers that the Docker provider does not know, right after their start.

Terraform runs it (`python -m constructs_lib.compose.limits`) for each service with such a limit.
The engine keeps the limit with the container, over restarts, too; another limit is another
container, whose digest it is part of.

Source: Docker Engine API 1.40, "Update a container".
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from docker.errors import DockerException

from constructs_lib.host.endpoint import parser_of
from constructs_lib.host.engine import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANSWER_SECONDS: Final = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Set the limits of containers.

    Returns:
        The exit status.
    """
    parser = parser_of("constructs_lib.compose.limits")
    parser.add_argument("--pids", type=int, required=True)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args(arguments)
    address = f"{options.host}:{options.port}"
    try:
        engine = connect(f"tcp://{address}", options.certificates, timeout=_ANSWER_SECONDS)
        for name in options.names:
            # The SDK's own method knows no limit of processes.
            answer = engine.api.post(
                f"{engine.api.base_url}/v{engine.api.api_version}/containers/{name}/update",
                json={"PidsLimit": options.pids},
                timeout=_ANSWER_SECONDS,
            )
            if not answer.ok:
                print(  # noqa: T201  (Terraform shows it)
                    f"{name}: must take a limit of {options.pids} processes, got: "
                    f"{answer.text.strip()}",
                    file=sys.stderr,
                )
                return 1
    except (DockerException, OSError) as error:
        print(f"{address}: the Docker API must answer, got: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
