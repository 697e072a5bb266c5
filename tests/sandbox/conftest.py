"""Which tests may run side by side: those of different sandboxes.

A module has a sandbox with ports and networks of its own, or shares one with others, and then goes
into one group with them: `--dist loadgroup` gives a group to one process.
"""

from __future__ import annotations

from typing import Final

import pytest

_SHARED: Final = frozenset(
    {
        "test_sandbox_machine",
        "test_sandbox_packet_filters",
        "test_sandbox_swarm",
    }
)
"""The modules that start `trial_sandbox.SETTINGS`."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test's group, before the processes are told of it."""
    for item in items:
        name = item.path.stem
        group = "sandbox-test" if name in _SHARED else name
        item.add_marker(pytest.mark.xdist_group(group))
