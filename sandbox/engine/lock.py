"""One sandbox at a time starts or stops."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from constructs_lib.files.lock import exclusive_lock
from sandbox.engine.runtime_folder import runtime_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def engine_lock(report: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time start a sandbox or stop one.

    Else one might stop a private engine, as nobody uses it, that another just found. The lock
    is this user's, for all checkouts: they may share an engine.

    Args:
        report: Takes a line where we must wait.
    """
    file = runtime_folder() / "lock"
    with exclusive_lock(
        file,
        busy=lambda holder: report(
            f"waiting for another sandbox that starts or stops (process {holder})"
        ),
    ):
        yield
