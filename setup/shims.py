"""The commands `moor` and `cdktf` inside the project's environment."""

from __future__ import annotations

import os
from string import Template
from typing import TYPE_CHECKING, Final

from setup.step import Step, replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MODULES: Final = {"cdktf": "moor.cdktf_wrapper", "moor": "moor.__main__"}
"""The module whose `main` each command runs."""

_SCRIPT: Final = Template("""\
#!/bin/sh
'''exec' "$$(dirname "$$(readlink -f "$$0")")/python" "$$0" "$$@"
' '''
# The shell reads the line above, and Python a string: the interpreter is found beside this
# file, as its whole path could be too long for a first line or have blanks in it. A link to
# this file from another folder of the PATH will do too.
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from $module import main

if __name__ == "__main__":
    sys.exit(main())
""")


class Shims(Step):
    """`.venv/bin/moor` and `.venv/bin/cdktf`, so that both work from any folder.

    In `make shell` they are on the PATH. Their names there are what shell completion goes by.
    """

    name = "shims"
    after = ("packages",)

    @property
    def _scripts(self) -> dict[Path, str]:
        """The text of each script."""
        folder = self.project.virtual_environment / "bin"
        return {folder / name: _SCRIPT.substitute(module=m) for name, m in MODULES.items()}

    def inputs(self) -> Mapping[str, object]:
        """Return the scripts."""
        return {path.name: text for path, text in self._scripts.items()}

    def is_intact(self) -> bool:
        """Return whether the scripts are there."""
        return all(os.access(path, os.X_OK) for path in self._scripts)

    def run(self) -> str:
        """Write the scripts."""
        for path, text in self._scripts.items():
            replace(path, text)
            path.chmod(0o755)
        return "the commands cdktf and moor are in .venv/bin"
