"""A node of the swarm, as the settings describe it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_LABEL: Final = "moor.node"
"""The label that says which node of the settings a node of the swarm is."""

GIVEN_LABEL: Final = "moor.given"
"""The label that names the labels which the settings gave, so that one that they no longer give
can be told from one that was put there by hand, or by another step."""

OWN_PREFIX: Final = "moor."
"""What the names of this project's own labels begin with."""

VOLUME_LABEL: Final = "moor.volume."
"""What the labels of nodes begin with that have a volume: `moor.volume.PROJECT.VOLUME`."""

HAS_VOLUME: Final = "yes"
"""The value of such a label; with any other one a node does not have the volume."""


def volume_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that say which volumes a node has.

    Args:
        labels: The node's labels.
    """
    return {k: v for k, v in labels.items() if k.startswith(VOLUME_LABEL) and v == HAS_VOLUME}


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmNode:
    """One node, whether it exists or not.

    Attributes:
        name: The settings' name of it, such as `manager-1`: 1 or more characters, none a comma.
        is_manager: Whether it takes part in managing the swarm, or works only.
        labels: Its labels for placement; their names do not begin with `moor.`.

    Raises:
        ValueError: A label is one of this project's own.
    """

    name: str
    is_manager: bool
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would be taken for a label of our own."""
        for label in self.labels:
            if label.startswith(OWN_PREFIX) or "," in label:
                raise ValueError(
                    f"node {self.name}: labels: must not begin with {OWN_PREFIX} nor have a "
                    f"comma, got {label!r}; rename it"
                )

    @property
    def role(self) -> str:
        """What Swarm calls it: `manager` or `worker`."""
        return "manager" if self.is_manager else "worker"
