"""Gives a volume its node, once: what a service keeps on a disk is on that disk only.

Terraform runs it (`python -m constructs_lib.swarm.pins`) before the services of volumes. The node
gets a label, which the constraints of those services name; it stays there whatever else changes.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError

from constructs_lib.host.endpoint import parser_of
from constructs_lib.host.step_program import StepError, run_step
from constructs_lib.swarm.node import HAS_VOLUME, volume_labels
from constructs_lib.swarm.placement import Place, fits, place_from
from constructs_lib.swarm.service_spec import volume_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker import DockerClient

_TRIES: Final = 10


class NoPlaceError(StepError):
    """No node can have a volume, or several have."""


def pin(
    engine: DockerClient, project: str, volumes: Sequence[str], constraints: Sequence[str]
) -> str:
    """Give volumes that belong together one node.

    Args:
        engine: A manager.
        project: The project's name.
        volumes: The volumes' keys in the Compose file: those that one service mounts together.
        constraints: What their services say of the node.

    Returns:
        One line that says where they are.

    Raises:
        NoPlaceError: There is no such node, or they are on different ones already.
        docker.errors.DockerException: The engine does not do as asked.
    """
    labels = [volume_label(project, volume) for volume in volumes]
    api: Any = engine.api
    for _ in range(_TRIES):
        places = [place_from(node) for node in api.nodes()]
        having = [p for p in places if any(p.labels.get(label) == HAS_VOLUME for label in labels)]
        if len(having) > 1:
            raise NoPlaceError(
                f"volumes {', '.join(volumes)}: must be on one node, since one service mounts "
                f"them, got {', '.join(sorted(p.name for p in having))}; move the data, and take "
                f"the label away: moor node label NAME {labels[0]}-"
            )
        chosen = having[0] if having else _choose(places, volumes, constraints)
        missing = [label for label in labels if chosen.labels.get(label) != HAS_VOLUME]
        if not missing or _add(api, chosen, missing):
            if not missing:
                return f"volumes {', '.join(volumes)} stay on {chosen.name}"
            return f"volumes {', '.join(volumes)} are on {chosen.name} from now on"
    raise NoPlaceError(
        f"volumes {', '.join(volumes)}: the node must take a label, got {_TRIES} changes by others "
        "meanwhile; try again"
    )


def _choose(places: Sequence[Place], volumes: Sequence[str], constraints: Sequence[str]) -> Place:
    """Choose the node that has the fewest volumes, rather a worker, and always the same one."""
    able = [place for place in places if place.is_ready and fits(place, constraints)]
    if not able:
        wanted = f" with {', '.join(constraints)}" if constraints else ""
        raise NoPlaceError(
            f"volumes {', '.join(volumes)}: must get a node that is ready{wanted}, got none of "
            f"{len(places)}; see moor node ls"
        )
    return min(
        able,
        key=lambda p: (
            len(volume_labels(p.labels)),
            p.role == "manager",
            p.name,
        ),
    )


def _add(api: Any, place: Place, labels: Sequence[str]) -> bool:  # noqa: ANN401  (the SDK has no types)
    """Add labels to a node. Returns whether nobody else has changed it meanwhile."""
    node = api.inspect_node(place.id)
    spec = node["Spec"]
    spec["Labels"] = {**(spec.get("Labels") or {}), **dict.fromkeys(labels, HAS_VOLUME)}
    try:
        api.update_node(place.id, node["Version"]["Index"], spec)
    except APIError as error:
        if "out of sequence" in str(error.explanation or error):
            return False
        raise
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Give volumes their node.

    Returns:
        The exit status.
    """
    parser = parser_of("constructs_lib.swarm.pins")
    parser.add_argument("--project", required=True)
    parser.add_argument("--constraint", action="append", default=[])
    parser.add_argument("volumes", nargs="+")
    options = parser.parse_args(arguments)
    return run_step(
        options,
        lambda engine: [pin(engine, options.project, options.volumes, options.constraint)],
    )


if __name__ == "__main__":
    sys.exit(main())
