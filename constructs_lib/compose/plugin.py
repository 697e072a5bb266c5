"""Which Compose reads the files."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from pathlib import Path
from typing import Final

from constructs_lib.compose.errors import ComposeError

BUILT: Final = Path(__file__).parents[2] / ".tools" / "compose" / "docker-compose"
"""What set-up builds where Docker has no Compose plugin."""

OLDEST: Final = (2, 30)
"""Since then `--all-resources` keeps volumes that no service uses."""


@functools.cache
def find_compose() -> tuple[str, ...]:
    """Find the command that stands for `docker compose`.

    Returns:
        Its words: the user's plugin, or else the one that set-up has built.

    Raises:
        ComposeError: There is neither.
    """
    if _is_recent(("docker", "compose")):
        return ("docker", "compose")
    if os.access(BUILT, os.X_OK):
        return (str(BUILT),)
    oldest = ".".join(map(str, OLDEST))
    raise ComposeError(
        [f"docker compose: must be {oldest} or newer, got no such plugin; run `make setup`"]
    )


def _is_recent(command: tuple[str, ...]) -> bool:
    try:
        result = subprocess.run(
            [*command, "version", "--short"],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    found = re.match(r"v?(\d+)\.(\d+)", result.stdout.strip())
    return result.returncode == 0 and found is not None and _version(found) >= OLDEST


def _version(found: re.Match[str]) -> tuple[int, int]:
    return int(found[1]), int(found[2])
