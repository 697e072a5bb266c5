"""One service of fifty that changes, until it runs: `moor up SERVICE`, and Compose's own `up`.

Both meet the same machine through the same API. Every service stops at once, so that the time
that a program is given to stop is in neither figure.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import yaml

from benchmarks.measure import Sample, run
from constructs_lib.compose.plugin import find_compose
from constructs_lib.settings.environment import Environment
from moor.outputs import Outputs
from moor.status import docker_variables
from moor.toolchain.toolchain import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from moor.toolchain.toolchain import Toolchain

SERVICES: Final = 50
_CHANGED: Final = "service-25"

_MOVED: Final = (
    ("api_port: 4599", "api_port: 4698"),
    ("127.18.0.0/24", "127.22.0.0/24"),
    ("172.30.18", "172.30.22"),
)
"""What of the sandbox's settings would collide with a sandbox that runs."""


@dataclass(slots=True, kw_only=True)
class OneOfMany:
    """Fifty services on a machine of their own.

    Attributes:
        folder: A scratch folder.
        environment: The environment that they are deployed to.
        variables: The environment variables of both programs.
    """

    folder: Path
    environment: Environment
    variables: Mapping[str, str]
    _turn: int = field(default=0)

    @classmethod
    def deployed(cls, folder: Path, toolchain: Toolchain) -> Self:
        """Deploy them, with both programs; `remove` takes them away again.

        Raises:
            RuntimeError: They cannot be deployed.
        """
        text = (ROOT / "environments" / "sandbox.yaml").read_text(encoding="utf-8")
        for ours, others in _MOVED:
            if ours not in text:
                raise RuntimeError(f"environments/sandbox.yaml: must have {ours!r}, got none")
            text = text.replace(ours, others)
        document = yaml.safe_load(text)
        document |= {"project": "many", "services": str(folder / "compose.yaml")}
        document["variables"] = {"IMAGE": document["variables"]["BASE_IMAGE"]}
        settings = folder / "bench-many.yaml"
        settings.write_text(yaml.safe_dump(document), encoding="utf-8")
        environment = Environment(name=settings.stem, settings_file=settings, root=ROOT)
        variables = toolchain.variables(environment) | {"ENVIRONMENT": str(settings)}
        made = cls(folder=folder, environment=environment, variables=variables)
        made._write()
        made._moor("up")
        made.variables = {
            **variables,
            **docker_variables(environment, Outputs.load(environment)),
            "IMAGE": document["variables"]["IMAGE"],
        }
        made._compose()
        return made

    def remove(self) -> None:
        """Take everything away."""
        self._moor("down")

    def subjects(self) -> dict[str, Callable[[], Sample]]:
        """Name what is compared."""
        return {"moor up SERVICE": self._ours, "docker compose up -d": self._theirs}

    def _ours(self) -> Sample:
        self._write()
        return self._moor("up", _CHANGED)

    def _theirs(self) -> Sample:
        self._write()
        return self._compose()

    def _moor(self, *words: str) -> Sample:
        # The variables that point `docker` to the machine are for Compose: the sandbox beneath
        # must find the engine of this computer.
        ours = {k: v for k, v in self.variables.items() if not k.startswith("DOCKER_")}
        return run([sys.executable, "-m", "moor", *words], folder=ROOT, variables=ours)

    def _compose(self) -> Sample:
        words = [*find_compose(), "--project-name", "compose", "up", "--detach", "--quiet-pull"]
        return run(words, folder=self.folder, variables=self.variables)

    def _write(self) -> None:
        """Write the Compose file, with another value of one service each time."""
        self._turn += 1
        services = {
            f"service-{number:02}": {
                "image": "${IMAGE}",
                "command": ["sleep", "86400"],
                "stop_signal": "SIGKILL",
                "environment": {"VALUE": "0"},
            }
            for number in range(SERVICES)
        }
        services[_CHANGED]["environment"] = {"VALUE": str(self._turn)}
        (self.folder / "compose.yaml").write_text(
            yaml.safe_dump({"services": services}), encoding="utf-8"
        )
