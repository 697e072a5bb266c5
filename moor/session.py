"""What a command works with: an environment, its settings, the tools, and the screen."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.settings.environment import VARIABLE, Environment
from moor import typed
from moor.failure import WrongUseError
from moor.screen import Screen, make_console
from moor.toolchain.toolchain import ROOT, Toolchain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from constructs_lib.compose.model import ComposeProject
    from constructs_lib.settings.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Session:
    """One command on one environment. What takes time is loaded when it is first asked for.

    Attributes:
        environment: The environment.
        former: Environment variables that have other services deployed than those of the
            settings: a rollback's. Secrets are among them, so no representation shows them.
    """

    environment: Environment
    former: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, name: str | None) -> Session:
        """Choose the environment.

        Args:
            name: A name, which stands for `environments/NAME.yaml`, or the path of a settings
                file, from the present folder or else from the project's; None for the sandbox.

        Raises:
            ValueError: The name is not usable.
            WrongUseError: There is no such environment; with the nearest names.
        """
        value = name or ""
        is_path = value.endswith((".yaml", ".yml"))
        if is_path and Path(value).is_file():
            value = str(Path(value).resolve())
        environment = Environment.from_variable(ROOT, {VARIABLE: value})
        if not environment.settings_file.is_file():
            if is_path:
                raise WrongUseError(f"{value}: must be a settings file, got nothing of that name")
            raise WrongUseError(
                f"{typed.unknown('environment', environment.name, environments())}; a new one "
                f"begins with its settings, {environment.settings_file}"
            )
        return cls(environment=environment)

    @cached_property
    def settings(self) -> Settings:
        """The settings.

        Raises:
            ValueError: They cannot be used; with every problem.
            OSError: The file cannot be read.
        """
        # Imported here: pydantic takes a while, in which a synthesis can begin.
        from constructs_lib.settings.load import load_settings  # noqa: PLC0415

        return load_settings(self.environment.settings_file)

    @property
    def has_data_volume(self) -> bool:
        """Whether some machine's data outlives it."""
        aws = self.settings.aws
        return aws.data_volume is not None or any(
            pool.data_volume is not None for pool in aws.machines.workers.values()
        )

    @cached_property
    def services(self) -> ComposeProject:
        """The services, as the Compose files say.

        Raises:
            ValueError: They cannot be used; with every problem.
        """
        from constructs_lib.settings.services import load_services  # noqa: PLC0415

        return load_services(self.environment, self.settings, {**os.environ, **self.former})

    @cached_property
    def toolchain(self) -> Toolchain:
        """What set-up has put into place.

        Raises:
            CommandError: Set-up has not run here.
        """
        return Toolchain.load()

    @cached_property
    def console(self) -> Console:
        """Standard output."""
        return make_console()

    def screen(self, *, verbose: bool = False) -> Screen:
        """Return a screen for progress."""
        return Screen(self.console, verbose=verbose)

    def variables(self) -> dict[str, str]:
        """Return the environment variables for programs that work on this environment."""
        return {
            **self.toolchain.variables(self.environment),
            "ENVIRONMENT": str(self.environment.settings_file),
            **self.former,
        }


def environments() -> list[str]:
    """Return the names of the environments that there are settings of."""
    stems = sorted(file.stem for file in (ROOT / "environments").glob("*.yaml"))
    return [stem for stem in stems if not stem.endswith(".example")]
