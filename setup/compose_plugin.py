"""Docker's Compose plugin, built from source where the user's Docker has none."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Final

from setup import go
from setup.provider_mirror import platform_name
from setup.step import Step, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION: Final = "2.40.3"
"""The release that `setup/compose/go.mod` names."""

OLDEST: Final = (2, 30)
"""The oldest plugin of the user's that will do; `constructs_lib.compose.plugin` says why."""

_PACKAGE: Final = "github.com/docker/compose/v2/cmd"


class ComposePlugin(Step):
    """What reads Compose files."""

    name = "compose"

    @property
    def _source(self) -> Path:
        return self.project.root / "setup" / "compose"

    @property
    def _binary(self) -> Path:
        return self.project.tools / "compose" / "docker-compose"

    @functools.cached_property
    def _is_needed(self) -> bool:
        """Whether the user's Docker has no plugin that will do."""
        version = self.read("docker", "compose", "version", "--short")
        found = re.match(r"v?(\d+)\.(\d+)", (version or "").strip())
        return not found or (int(found[1]), int(found[2])) < OLDEST

    def inputs(self) -> Mapping[str, object]:
        """Return whether it is needed, and its source."""
        needed = self._is_needed
        return {
            "needed": needed,
            "module": digest_of(self._source / "go.mod") if needed else "",
            "sums": digest_of(self._source / "go.sum") if needed else "",
            "platform": platform_name(),
        }

    def is_intact(self) -> bool:
        """Return whether the binary is there where it is needed, and only there."""
        return os.access(self._binary, os.X_OK) == self._is_needed

    def run(self) -> str:
        """Build it into a new file, and put that into its place."""
        if not self._is_needed:
            self._binary.unlink(missing_ok=True)  # The app takes it without asking Docker.
            return "Docker's own Compose plugin is used"
        version = f"github.com/docker/compose/v2/internal.Version=v{VERSION}"
        go.build(
            self,
            source=self._source,
            package=_PACKAGE,
            target=self._binary,
            remedy="install the plugin (docker-compose-v2 or docker-compose-plugin), or Go",
            linker_flags=f"-s -w -X {version}",
        )
        return f"Docker's Compose plugin {VERSION} is built"
