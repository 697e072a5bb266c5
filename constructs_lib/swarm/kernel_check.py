"""Refuses what takes something of the nodes' kernels, where one does not have it.

Terraform runs it (`python -m constructs_lib.swarm.kernel_check`) before services that ask for it.
Without it nothing says so: the tasks run, and nobody reaches them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from constructs_lib.host.endpoint import parser_of
from constructs_lib.host.step_program import StepError, run_step
from constructs_lib.swarm.kernel_feature import FEATURES
from constructs_lib.swarm.placement import place_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker import DockerClient


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at the nodes.

    Returns:
        The exit status.
    """
    parser = parser_of("constructs_lib.swarm.kernel_check")
    parser.add_argument("--feature", choices=[feature.name for feature in FEATURES], required=True)
    parser.add_argument("keys", nargs="+", help="the keys of the Compose file that need it")
    options = parser.parse_args(arguments)
    feature = next(feature for feature in FEATURES if feature.name == options.feature)

    def looked(engine: DockerClient) -> list[str]:
        api: Any = engine.api
        places = [place_from(node) for node in api.nodes()]
        lacking = feature.lacking({place.name: place.labels for place in places})
        if lacking:
            raise StepError(feature.refusal(options.keys, lacking))
        return [f"{feature.name} is in the kernels of all nodes, for {', '.join(options.keys)}"]

    return run_step(options, looked)


if __name__ == "__main__":
    sys.exit(main())
