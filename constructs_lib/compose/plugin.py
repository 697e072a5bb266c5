"""Which Compose reads the files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

BUILT: Final = Path(__file__).parents[2] / ".tools" / "compose" / "docker-compose"
"""What set-up builds where Docker has no plugin that will do, and removes where it has one."""

OLDEST: Final = (2, 30)
"""Since then `--all-resources` keeps volumes that no service uses."""

MISSING: Final = (
    f"docker compose: must be {'.'.join(map(str, OLDEST))} or newer, got no such plugin; "
    "run `make setup`"
)
"""What to say where there is neither."""

_NO_PLUGIN: Final = re.compile(
    r"unknown flag: --all-resources|'compose' is not a docker command|"
    r"unknown command: docker compose|unknown docker command|unrecognized command"
)


def find_compose() -> tuple[str, ...]:
    """Find the command that stands for `docker compose`.

    It is not tried here: set-up has done that, and asking for its version would start it once
    more in every synthesis. `is_missing` tells from its answer whether there is none.

    Returns:
        Its words.
    """
    return (str(BUILT),) if os.access(BUILT, os.X_OK) else ("docker", "compose")


def is_missing(stderr: str) -> bool:
    """Tell from what a command says whether it is no Compose, or too old a one."""
    return _NO_PLUGIN.search(stderr) is not None
