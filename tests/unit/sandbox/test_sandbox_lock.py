"""One sandbox at a time starts or stops."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sandbox.engine import lock
from sandbox.engine.lock import engine_lock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_second_says_that_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "runtime_folder", lambda: tmp_path)
    told: list[str] = []
    held = engine_lock(told.append)
    held.__enter__()

    def report(line: str) -> None:
        told.append(line)
        held.__exit__(None, None, None)

    def second() -> None:
        with engine_lock(report):
            told.append("in")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(second).result(20)
    assert told == [
        f"waiting for another sandbox that starts or stops (process {os.getpid()})",
        "in",
    ]
    # One for all checkouts of this user.
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]
