"""The Docker provider, built from source where no registry answers and none is found."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from setup import go
from setup.provider_mirror import DOCKER, REGISTRIES, platform_name
from setup.providers import must_build_docker
from setup.step import Step, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION: Final = "4.6.0"
"""The release that the pinned revision in `setup/provider/go.mod` is."""

_PACKAGE: Final = "github.com/terraform-providers/terraform-provider-docker"
"""The name that the module has for itself."""


class DockerProvider(Step):
    """The Docker provider's binary in the local mirror."""

    name = "docker-provider"
    after = ("providers",)

    @property
    def _source(self) -> Path:
        return self.project.root / "setup" / "provider"

    @property
    def _binaries(self) -> list[Path]:
        """One under each registry's name: the file is shared, so that this costs nothing."""
        return [
            self.project.providers
            / host
            / DOCKER.source
            / VERSION
            / platform_name()
            / f"terraform-provider-docker_v{VERSION}"
            for host in REGISTRIES.values()
        ]

    def inputs(self) -> Mapping[str, object]:
        """Return whether it is needed, and its source."""
        needed = must_build_docker(self.project)
        return {
            "needed": needed,
            "module": digest_of(self._source / "go.mod") if needed else "",
            "sums": digest_of(self._source / "go.sum") if needed else "",
            "platform": platform_name(),
        }

    def is_intact(self) -> bool:
        """Return whether the binary is there where it is needed."""
        needed = must_build_docker(self.project)
        return not needed or all(os.access(path, os.X_OK) for path in self._binaries)

    def run(self) -> str:
        """Build it into a new file, and put that into its place."""
        if not must_build_docker(self.project):
            return "need not be built"
        first, *others = self._binaries
        go.build(
            self,
            source=self._source,
            package=_PACKAGE,
            target=first,
            remedy=(
                "allow access to the provider registry, or install Go (its version is in "
                f"{self._source / 'go.mod'})"
            ),
            tags="no_compose",
        )
        for other in others:
            other.parent.mkdir(parents=True, exist_ok=True)
            other.unlink(missing_ok=True)
            try:
                other.hardlink_to(first)
            except OSError:
                shutil.copy2(first, other)
        return f"the Docker provider {VERSION} is built"
