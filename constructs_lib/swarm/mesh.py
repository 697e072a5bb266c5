"""Refuses what takes Swarm's virtual addresses or its mesh of ports where kernels cannot.

Terraform runs it (`python -m constructs_lib.swarm.mesh`) before services that ask for them. Without
IP_VS in a node's kernel neither works there, and nothing says so: the tasks run, and nobody
reaches them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from docker.errors import DockerException

from constructs_lib.host.endpoint import parser_of
from constructs_lib.host.engine import connect
from constructs_lib.swarm.node import IP_VS_LABEL
from constructs_lib.swarm.placement import place_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIMEOUT_SECONDS: Final = 30


def nodes_without(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the nodes whose kernels have no IP_VS, or of which nobody knows, with what is said.

    Args:
        nodes: What "List nodes" of the Engine API answers.
    """
    places = sorted((place_from(node) for node in nodes), key=lambda place: place.name)
    return {
        place.name: place.labels.get(IP_VS_LABEL, "not known")
        for place in places
        if place.labels.get(IP_VS_LABEL) != "yes"
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at the nodes.

    Returns:
        The exit status.
    """
    parser = parser_of("constructs_lib.swarm.mesh")
    parser.add_argument("keys", nargs="+", help="the keys of the Compose file that need it")
    options = parser.parse_args(arguments)
    address = f"{options.host}:{options.port}"
    try:
        engine = connect(f"tcp://{address}", options.certificates, timeout=_TIMEOUT_SECONDS)
        api: Any = engine.api
        without = nodes_without(api.nodes())
    except (DockerException, OSError) as error:
        print(f"{address}: the Docker API must answer, got: {error}", file=sys.stderr)  # noqa: T201
        return 1
    if without:
        nodes = ", ".join(f"{name} ({said})" for name, said in without.items())
        print(  # noqa: T201  (Terraform shows it)
            f"{', '.join(options.keys)}: must not ask for a virtual address or the mesh where a "
            f"node's kernel has no IP_VS, without which they silently do not work, got {nodes}; "
            "use endpoint_mode: dnsrr and mode: host",
            file=sys.stderr,
        )
        return 1
    print(f"IP_VS is in the kernels of all nodes, for {', '.join(options.keys)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
