"""A named Docker volume."""

from __future__ import annotations

from cdktf_cdktf_provider_docker.volume import Volume as VolumeResource
from constructs import Construct


class Volume(Construct):
    """A named volume: data that outlives the containers.

    Attributes:
        name: The volume's name (a token, so that what uses it is created after it).
    """

    def __init__(self, scope: Construct, id_: str, *, name: str) -> None:
        """Define the volume.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it replaces the volume, and loses its data.
            name: The volume's name on the engine.
        """
        super().__init__(scope, id_)
        self.name = VolumeResource(self, "Resource", name=name).name
