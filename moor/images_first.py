"""Images that are on the machine before the containers go which are to have them.

Terraform removes a container that is to be replaced at once, while its next image is still being
pulled or built: nothing waits for an image but what is made of it. So a service would be down for
as long as a build takes, and stay down where it fails. What is about images alone is applied first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from moor.plan import StackPlan

_IMAGE: Final = "docker_image."
_CONTAINER: Final = "docker_container."


def addresses(plan: StackPlan) -> list[str]:
    """Return the addresses of images that a plan makes; none where no container goes with it.

    A build belongs to its image, and Terraform takes it along.

    Args:
        plan: The plan of the stack with the services.
    """
    goes = any(
        change.address.startswith(_CONTAINER) and change.action in ("replace", "destroy")
        for change in plan.changes
    )
    if not goes:
        return []
    return [
        change.address
        for change in plan.changes
        if change.address.startswith(_IMAGE) and change.action in ("create", "replace", "update")
    ]
