"""Docker's Compose plugin, built from source where the user's Docker has none."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from setup import debian
from setup.errors import SetupError
from setup.providers import platform_name
from setup.step import Step, digest_of
from setup.variables import child_variables, go_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "2.40.3"
"""The release that `setup/compose/go.mod` names."""

OLDEST: Final = (2, 30)
"""The oldest plugin of the user's that will do; `constructs_lib.compose.plugin` says why."""

_PACKAGE: Final = "github.com/docker/compose/v2/cmd"
_USUAL_GO: Final = Path("/usr/local/go/bin/go")
_TIMEOUT_SECONDS: Final = 20


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
        try:
            result = subprocess.run(
                ["docker", "compose", "version", "--short"],
                env=child_variables(self.project, self.context.variables),
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired):
            return True
        found = re.match(r"v?(\d+)\.(\d+)", result.stdout.strip())
        return result.returncode != 0 or not found or (int(found[1]), int(found[2])) < OLDEST

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
        """Return whether the binary is there where it is needed."""
        return not self._is_needed or os.access(self._binary, os.X_OK)

    def run(self) -> str:
        """Build it into a new file, and put that into its place."""
        if not self._is_needed:
            return "Docker's own Compose plugin is used"
        go = debian.find_program("go", self.context.variables.get("PATH"))
        if go is None and os.access(_USUAL_GO, os.X_OK):
            go = str(_USUAL_GO)
        if go is None:
            msg = (
                "compose: go: must be there to build Docker's Compose plugin where Docker has "
                "none, got no such command; install the plugin (docker-compose-v2 or "
                "docker-compose-plugin), or Go"
            )
            raise SetupError(msg)
        self._binary.parent.mkdir(parents=True, exist_ok=True)
        new = self._binary.with_name("building")
        self.say(f"building Docker's Compose plugin {VERSION} (some minutes)")
        self.command(
            *(go, "build", "-mod=readonly", "-modcacherw", "-buildvcs=false", "-trimpath"),
            "-ldflags",
            f"-s -w -X github.com/docker/compose/v2/internal.Version=v{VERSION}",
            *("-o", new, _PACKAGE),
            cwd=self._source,
            variables=go_variables(self.project, self.context.variables),
        )
        new.replace(self._binary)
        # Some gigabytes that only a new version of the plugin would need, and only in part.
        for name in ("go", "go-build"):
            shutil.rmtree(self.project.cache / name, ignore_errors=True)
        return f"Docker's Compose plugin {VERSION} is built"
