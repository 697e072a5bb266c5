"""Fill the caches that make a first command slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from setup.step import Step, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULES: Final = (
    "cdktf",
    "cdktf_cdktf_provider_aws.provider",
    "cdktf_cdktf_provider_docker.provider",
)
"""Importing these makes jsii unpack the JavaScript of the bindings."""


class Warm(Step):
    """jsii's cache."""

    name = "warm"
    after = ("packages",)

    def inputs(self) -> Mapping[str, object]:
        """Return the packages and what is imported of them."""
        return {"lock": digest_of(self.project.root / "Pipfile.lock"), "modules": MODULES}

    def is_intact(self) -> bool:
        """Return whether there is a cache."""
        return self.project.jsii_cache.is_dir()

    def run(self) -> str:
        """Import the bindings once."""
        self.project.jsii_cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        program = "\n".join(f"import {module}" for module in MODULES)
        self.command(self.project.python, "-c", program)
        return "the bindings are unpacked"
