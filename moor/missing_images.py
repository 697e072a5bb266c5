"""Images that were built, and that somebody has removed from the machine since.

Their steps are done, as Terraform knows, and it would only look for the images; the provider, which
does not find them on the machine, would ask a registry. So the steps are taken again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moor.toolchain.stack import Stack

_IMAGE: Final = "docker_image"
_STEP: Final = re.compile(r"\$\{(terraform_data\.\w+)\.id\}")


def steps(stack: Stack, planned: Mapping[str, str]) -> dict[str, str]:
    """Find the steps to be taken again.

    Args:
        stack: The stack, synthesized.
        planned: What a plan would do, by address.

    Returns:
        The steps' addresses, each with the name of its image.

    Raises:
        CommandError: The configuration cannot be read.
    """
    if "create" not in (action for address, action in planned.items() if _is_image(address)):
        return {}
    found = {}
    for name, body in stack.document().get("resource", {}).get(_IMAGE, {}).items():
        step = _STEP.fullmatch(str((body.get("triggers") or {}).get("build", "")))
        if step and planned.get(f"{_IMAGE}.{name}") == "create" and step[1] not in planned:
            found[step[1]] = str(body["name"])
    return found


def _is_image(address: str) -> bool:
    return address.startswith(f"{_IMAGE}.")
