"""What Swarm silently does without where a node's kernel lacks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Something that a kernel may have.

    Attributes:
        name: What people call it.
        label: The node's label that says whether it is there: `yes` or `no`.
        loaded: What is there when it is loaded, below the root.
        module: The module's name.
        option: The option that builds it into a kernel.
        asked_for: What a Compose file asks for that takes it.
        otherwise: What to write instead.
    """

    name: str
    label: str
    loaded: str
    module: str
    option: str
    asked_for: str
    otherwise: str

    def lacking(self, nodes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """Return the nodes that lack it, or of which nobody knows, with what is said.

        Args:
            nodes: The nodes' labels, by their names.
        """
        return {
            name: labels.get(self.label, "not known")
            for name, labels in sorted(nodes.items())
            if labels.get(self.label) != "yes"
        }

    def refusal(self, keys: Sequence[str], lacking: Mapping[str, str]) -> str:
        """Return why keys of a Compose file are refused, and what to do.

        Args:
            keys: The keys, in the file's words.
            lacking: What `lacking` found.
        """
        nodes = ", ".join(f"{name} ({said})" for name, said in lacking.items())
        return (
            f"{', '.join(keys)}: must not ask for {self.asked_for} where a node's kernel has no "
            f"{self.name}, without which it silently does not work, got {nodes}; {self.otherwise}"
        )


IP_VS: Final = Feature(
    name="IP_VS",
    label="moor.ip_vs",
    loaded="proc/1/net/ip_vs",
    module="ip_vs",
    option="CONFIG_IP_VS",
    asked_for="a virtual address or the mesh",
    otherwise="use endpoint_mode: dnsrr and mode: host",
)

ESP: Final = Feature(
    name="ESP",
    label="moor.esp",
    loaded="sys/module/esp4",
    module="esp4",
    option="CONFIG_INET_ESP",
    asked_for="encryption between nodes",
    otherwise="leave it out, or choose machines with a kernel that has it",
)

FEATURES: Final = (IP_VS, ESP)
