"""Connecting to an engine that is not there."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from docker.errors import DockerException

from sandbox.engine.connect import connect

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_is_left_open_where_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(DockerException, match=r"none\.sock: No such file or directory$"):
        connect(f"unix://{tmp_path}/none.sock")
    # A socket that is left open warns here, and a warning is an error in the tests.
    gc.collect()
