"""A Docker network."""

from __future__ import annotations

from cdktf_cdktf_provider_docker.network import Network as NetworkResource
from constructs import Construct


class Network(Construct):
    """A bridge network of its own: its containers reach each other by name.

    Attributes:
        name: The network's name (a token, so that what uses it is created after it).
    """

    def __init__(self, scope: Construct, id_: str, *, name: str) -> None:
        """Define the network.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it replaces the network.
            name: The network's name on the engine.
        """
        super().__init__(scope, id_)
        self.name = NetworkResource(self, "Resource", name=name).name
