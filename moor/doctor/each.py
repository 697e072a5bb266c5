"""A look at each machine, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from moor.doctor.finding import Finding
    from moor.doctor.patient import Patient
    from moor.operation.hosts import Host

_AT_ONCE: Final = 16


def host(
    patient: Patient, look: Callable[[Patient, Host], tuple[str, tuple[Finding, ...]]]
) -> tuple[list[str], tuple[Finding, ...]]:
    """Look at each machine; returns what there is in a few words, and what is wrong.

    Args:
        patient: The environment, which has machines.
        look: Looks at one of them.
    """
    with ThreadPoolExecutor(min(len(patient.hosts), _AT_ONCE)) as pool:
        found = list(pool.map(lambda one: look(patient, one), patient.hosts))
    return [told for told, _ in found], tuple(f for _, findings in found for f in findings)
