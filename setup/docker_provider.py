"""The Docker provider, built from source where no registry answers and none is found."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from setup import debian
from setup.errors import SetupError
from setup.providers import DOCKER, REGISTRIES, must_build_docker, platform_name
from setup.step import Step, digest_of
from setup.variables import go_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "4.6.0"
"""The release that the pinned revision in `setup/provider/go.mod` is."""

_PACKAGE: Final = "github.com/terraform-providers/terraform-provider-docker"
"""The name that the module has for itself."""

_USUAL_GO: Final = Path("/usr/local/go/bin/go")


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
        go = debian.find_program("go", self.context.variables.get("PATH"))
        if go is None and os.access(_USUAL_GO, os.X_OK):
            go = str(_USUAL_GO)
        if go is None:
            msg = (
                "docker provider: go: must be there to build the provider where the provider "
                "registry does not answer, got no such command; install Go (its version is in "
                f"{self._source / 'go.mod'})"
            )
            raise SetupError(msg)
        first, *others = self._binaries
        first.parent.mkdir(parents=True, exist_ok=True)
        new = first.parent.parent / "building"
        self.say(f"building the Docker provider {VERSION} (some minutes)")
        self.command(
            *(go, "build", "-mod=readonly", "-modcacherw", "-buildvcs=false", "-trimpath"),
            *("-tags", "no_compose", "-ldflags", "-s -w", "-o", new, _PACKAGE),
            cwd=self._source,
            variables=go_variables(self.project, self.context.variables),
        )
        new.replace(first)
        for other in others:
            other.parent.mkdir(parents=True, exist_ok=True)
            other.unlink(missing_ok=True)
            try:
                other.hardlink_to(first)
            except OSError:
                shutil.copy2(first, other)
        # Two gigabytes that only a new version of the provider would need, and only in part.
        for name in ("go", "go-build"):
            shutil.rmtree(self.project.cache / name, ignore_errors=True)
        return f"the Docker provider {VERSION} is built"
