"""The stacks that a synthesis has written, in the order of their references."""

from __future__ import annotations

import json
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIGURATION: Final = "cdk.tf.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One stack, as synthesized.

    Attributes:
        name: Its name.
        folder: The folder that Terraform runs in.
        depends_on: The names of the stacks whose outputs it reads.
    """

    name: str
    folder: Path
    depends_on: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the configuration.

        Raises:
            CommandError: It cannot be read.
        """
        file = self.folder / CONFIGURATION
        try:
            document = json.loads(file.read_bytes())
            reason = f"a {type(document).__name__}"
        except (OSError, ValueError) as error:
            document, reason = None, str(error)
        if not isinstance(document, dict):
            raise CommandError(
                f"{file}: must be a configuration that cdktf wrote, got: {reason}; synthesize again"
            )
        return document

    def addresses(self, belongs: Callable[[str], bool]) -> list[str]:
        """Return the addresses of the resources whose construct paths are wanted.

        Args:
            belongs: Takes a path such as `Compose/Services/web/1/Resource`, without the stack.
        """
        return [address for address, path in self.paths() if belongs(path)]

    def paths(self) -> list[tuple[str, str]]:
        """Return the address of each resource, with its construct path without the stack.

        Raises:
            CommandError: The configuration cannot be read.
        """
        return [
            (
                f"{kind}.{name}",
                str(body.get("//", {}).get("metadata", {}).get("path", "")).removeprefix(
                    f"{self.name}/"
                ),
            )
            for kind, resources in self.document().get("resource", {}).items()
            for name, body in resources.items()
        ]


def load_stacks(output: Path) -> list[Stack]:
    """Read the stacks of a synthesis: what others depend on comes first.

    Args:
        output: The folder that the app wrote into.

    Raises:
        CommandError: There is none, or what is there is not whole.
    """
    file = output / "manifest.json"
    try:
        stacks = json.loads(file.read_bytes())["stacks"]
        found = {
            name: Stack(
                name=name,
                folder=output / raw["workingDirectory"],
                depends_on=tuple(raw["dependencies"]),
            )
            for name, raw in stacks.items()
        }
        order = TopologicalSorter({name: stack.depends_on for name, stack in found.items()})
        return [found[name] for name in order.static_order()]
    except CycleError as error:
        reason = f"stacks that depend on each other: {', '.join(error.args[1])}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = repr(error)
    raise CommandError(
        f"{file}: must be a manifest that cdktf wrote, got: {reason}; synthesize again"
    )
