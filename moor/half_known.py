"""A plan that knew too little: what is left of it is planned again.

Where a value is known only after an apply has begun, such as the digest of an image that is built
here, a provider plans for it twice, and may say another thing the second time. Terraform calls that
the provider's bug, and stops. Everything that the value hangs on has been done by then, so that the
next plan knows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from moor.plan import StackPlan
    from moor.toolchain.terraform_cli import Run

TOLD: Final = "a value is known only now; what is left is planned with it"

_SUMMARY: Final = "Provider produced inconsistent final plan"
"""What Terraform calls it."""


def is_all(run: Run) -> bool:
    """Return whether an apply failed for nothing but that.

    Args:
        run: It has ended.
    """
    errors = [d for d in run.diagnostics if d.severity == "error"]
    return run.failed and bool(errors) and all(error.summary == _SUMMARY for error in errors)


def is_rest(left: StackPlan, approved: StackPlan) -> bool:
    """Return whether a plan is about nothing that was not approved.

    What was to be replaced may be gone by now, and is only made.

    Args:
        left: The plan of what is left.
        approved: The plan that somebody has approved.
    """
    return {c.address for c in left.changes} <= {c.address for c in approved.changes}
