"""cdktf-cli, from its lock file, with the Node that is among the Python packages."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from setup.errors import SetupError
from setup.step import Step, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Node(Step):
    """cdktf-cli in `.tools/node`."""

    name = "node"
    after = ("packages",)

    @property
    def _source(self) -> Path:
        return self.project.root / "setup" / "node"

    def inputs(self) -> Mapping[str, object]:
        """Return the lock file."""
        return {
            "lock": digest_of(self._source / "package-lock.json"),
            "packages": digest_of(self._source / "package.json"),
        }

    def is_intact(self) -> bool:
        """Return whether cdktf-cli is there."""
        return self.project.cdktf_script.is_file() and os.access(self.project.node, os.X_OK)

    def run(self) -> str:
        """Install into a new folder, try it, and put it in the place of the old one."""
        self.doing("installing cdktf-cli")
        new = self.project.tools / "node.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(self._source / name, new)
        node, npm = self.project.node, self.project.npm
        path = os.pathsep.join([str(node.parent), self.context.variables.get("PATH", os.defpath)])
        # Scripts of packages are not run: cdktf-cli's one native part comes prebuilt.
        self.command(
            *(node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
            cwd=new,
            variables={"PATH": path},
        )
        self._try(new, path)
        shutil.rmtree(self.project.node_packages, ignore_errors=True)
        new.rename(self.project.node_packages)
        return "cdktf-cli is installed"

    def _try(self, folder: Path, path: str) -> None:
        script = folder / self.project.cdktf_script.relative_to(self.project.node_packages)
        expected = json.loads((self._source / "package.json").read_text())["dependencies"]
        output = self.read(
            *(self.project.node, script, "--version"), cwd=folder, variables={"PATH": path}
        )
        if expected["cdktf-cli"] not in (output or "").split():
            msg = (
                f"cdktf-cli: version: must be {expected['cdktf-cli']}, got "
                f"{(output or 'no answer').strip()!r}; delete {folder} and try again"
            )
            raise SetupError(msg)
