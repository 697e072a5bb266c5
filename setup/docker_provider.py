"""The Docker provider, built from source where no registry answers and none is found."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Final

from setup import go
from setup.provider_mirror import DOCKER, REGISTRIES, platform_name
from setup.providers import must_build_docker
from setup.step import Step, digest_of, replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from setup.project import Project

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
        _save_record(self.project, first)
        return f"the Docker provider {VERSION} is built"


def build_record(project: Project) -> Path | None:
    """Return the file that says what the Docker provider was built from.

    It has its `source`, the version of `go`, the digest `sums` of `go.sum`, and its `checksum` as
    Terraform writes it. Set-up writes it when it builds. The set-up of before did not: then what is
    there counts.

    Args:
        project: The project's folder.

    Returns:
        The file; None where the provider is not built here.

    Raises:
        OSError: A file cannot be read or written.
    """
    if not must_build_docker(project):
        return None
    if not project.docker_provider_record.exists():
        binary = next(project.providers.rglob(f"terraform-provider-docker_v{VERSION}"), None)
        if binary is None:
            return None
        _save_record(project, binary)
    return project.docker_provider_record


def _save_record(project: Project, binary: Path) -> None:
    record = {
        "source": DOCKER.source,
        "go": go.version_of(binary),
        "sums": digest_of(project.root / "setup" / "provider" / "go.sum"),
        "checksum": package_hash(binary.parent),
    }
    replace(project.docker_provider_record, json.dumps(record, indent=2) + "\n")


def package_hash(folder: Path) -> str:
    """Return the checksum of an unpacked provider, as lock files have it.

    Args:
        folder: The folder with its files, and no other folder in it.

    Source: golang.org/x/mod/sumdb/dirhash, Hash1.
    """
    lines = []
    for file in sorted(folder.iterdir()):
        with file.open("rb") as content:
            lines.append(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {file.name}\n")
    digest = hashlib.sha256("".join(lines).encode()).digest()
    return f"h1:{base64.b64encode(digest).decode()}"
