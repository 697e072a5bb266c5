"""Fill the caches that make a first command slow."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from setup.step import Step, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES: Final = ("cdktf", "cdktf_cdktf_provider_aws", "cdktf_cdktf_provider_docker")
"""The packages with JavaScript inside."""

OURS: Final = ("main.py", "constructs_lib", "stacks", "moor", "sandbox")
"""What a synthesis and a deployment run, compiled once even where the caller has
PYTHONDONTWRITEBYTECODE. A file that changes later is compiled by whoever runs it."""


class Warm(Step):
    """jsii's cache, and Python's."""

    name = "warm"
    after = ("packages",)

    def inputs(self) -> Mapping[str, object]:
        """Return the packages, and how the app is started."""
        return {
            "lock": digest_of(self.project.root / "Pipfile.lock"),
            "packages": PACKAGES,
            "app": digest_of(self.project.root / "cdktf.json"),
        }

    def is_intact(self) -> bool:
        """Return whether there is a cache."""
        return self.project.jsii_cache.is_dir()

    def run(self) -> str:
        """Load the bindings once."""
        self.doing("unpacking the bindings")
        shutil.rmtree(self.project.jsii_cache, ignore_errors=True)
        self.project.jsii_cache.mkdir(mode=0o700, parents=True)
        self.command(self.project.python, "-m", "setup.unpack_bindings", *PACKAGES)
        self.command(self.project.python, "-m", "compileall", "-q", *OURS)
        # The app runs with -O, whose compiled files are others: all that it imports is compiled.
        self.command(
            *(self.project.python, "-O", "-c", "import main, constructs_lib.settings.load"),
            variables={"PYTHONDONTWRITEBYTECODE": ""},
        )
        return "the bindings are unpacked"
