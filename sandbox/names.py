"""Names and labels of what a sandbox owns on a Docker engine.

Ownership is in the labels and nowhere else: a sandbox can be removed by whoever knows its
environment's name, even when every file of it is lost.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT_LABEL: Final = "moor.environment"
PROJECT_LABEL: Final = "moor.project"
ROLE_LABEL: Final = "moor.role"
INSTANCE_LABEL: Final = "moor.instance"


class Role(StrEnum):
    """What a container, volume or network is for."""

    MACHINE = "machine"
    GATE = "gate"
    REGISTRY = "registry"
    METADATA = "metadata"
    NETWORK = "network"


def project_of(root: Path) -> str:
    """Return a short name of a checkout: the same for the same folder, else another."""
    return hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose something is.

    Attributes:
        environment: The environment's name.
        project: The checkout, as `project_of` names it.
    """

    environment: str
    project: str

    def labels(self, role: Role, *, instance: str = "") -> dict[str, str]:
        """Return the labels for something of this owner."""
        labels = {
            ENVIRONMENT_LABEL: self.environment,
            PROJECT_LABEL: self.project,
            ROLE_LABEL: role.value,
        }
        return labels | ({INSTANCE_LABEL: instance} if instance else {})

    def filters(self) -> dict[str, list[str]]:
        """Return the filter that finds what is this owner's."""
        return {
            "label": [
                f"{ENVIRONMENT_LABEL}={self.environment}",
                f"{PROJECT_LABEL}={self.project}",
            ]
        }

    def name(self, *parts: str) -> str:
        """Return a name: `moor-ENVIRONMENT-PART…`."""
        return "-".join(("moor", self.environment, *parts))
