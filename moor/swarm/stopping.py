"""Services that a deployment removes, and the provider's patience with them.

It asks the swarm to remove a service, and waits for the tasks on its manager exactly as long as
`stop_grace_period` says. A program that does not heed the signal is killed at that very moment, and
then, or where the machine is busy, the provider takes the removal for a failure. The swarm has
removed the service all the same: what is left can be done.

Such services have no tasks any more by then, see `constructs_lib.swarm.withdrawal`. What the
provider may wait for still are the containers of tasks that had ended before.

Source: the provider's `resource_docker_service_funcs.go`, `deleteService`, at 4.6.0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from moor.toolchain.terraform_cli import Run

TOLD: Final = "services that are removed take all the time that they may to end; the rest goes on"

_WAITED: Final = re.compile(
    r"error on wait for container with ID '[0-9a-f]*': context deadline exceeded"
)


def is_all(run: Run) -> bool:
    """Return whether a run failed for nothing but services that took their time to end.

    Args:
        run: It has ended.
    """
    errors = [d for d in run.diagnostics if d.severity == "error"]
    return (
        run.failed
        and bool(errors)
        and all(_WAITED.search(f"{error.summary} {error.detail}") for error in errors)
    )
