"""The command `cdktf` inside the project's environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from setup.step import Step, replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CDKTF: Final = """\
#!/bin/sh
'''exec' "$(dirname "$0")/python" "$0" "$@"
' '''
# The shell reads the line above, and Python a string: the interpreter is found beside this
# file, as its whole path could be too long for a first line or have blanks in it.
import sys
from pathlib import Path


def run() -> int:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from moor.cdktf_wrapper import main

    return main()


if __name__ == "__main__":
    sys.exit(run())
"""


class Shims(Step):
    """`.venv/bin/cdktf`, so that `cdktf` typed in `pipenv shell` is the project's."""

    name = "shims"
    after = ("packages",)

    @property
    def _cdktf(self) -> Path:
        return self.project.virtual_environment / "bin" / "cdktf"

    def inputs(self) -> Mapping[str, object]:
        """Return the script."""
        return {"cdktf": CDKTF}

    def is_intact(self) -> bool:
        """Return whether the script is there."""
        return os.access(self._cdktf, os.X_OK)

    def run(self) -> str:
        """Write the script."""
        replace(self._cdktf, CDKTF)
        self._cdktf.chmod(0o755)
        return "the command cdktf is in .venv/bin"
