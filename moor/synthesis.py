"""The app, run by itself: `main.py` writes Terraform's configuration of both stacks."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from moor.failure import CommandError
from moor.toolchain.process import Process, wait_for
from moor.toolchain.stack import Stack, load_stacks
from moor.toolchain.toolchain import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from moor.session import Session


WARNING: Final = "warning: "
"""What begins a line in which the app warns of something, and goes on."""


@dataclass(slots=True, kw_only=True)
class Synthesis:
    """A synthesis under way; `close` it in any case.

    Attributes:
        output: The folder that it writes into.
    """

    output: Path
    _process: Process
    _lines: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, session: Session, *, inherited: tuple[int, ...] = ()) -> Synthesis:
        """Start to synthesize.

        Args:
            session: The command.
            inherited: Descriptors that the app keeps open.

        Raises:
            CommandError: It cannot be started.
        """
        environment = session.environment
        lines: list[str] = []
        variables = session.variables()
        # What cdktf tells an app that it starts itself.
        variables["CDKTF_OUTDIR"] = str(environment.output)
        process = Process.start(
            [sys.executable, "-O", str(ROOT / "main.py")],
            name="synthesis",
            folder=ROOT,
            variables=variables,
            log=environment.log / "synthesis.log",
            on_line=lines.append,
            inherited=inherited,
            fresh=True,
        )
        return cls(output=environment.output, _process=process, _lines=lines)

    def finish(self, *, tick: Callable[[], None] = lambda: None) -> list[Stack]:
        """Wait until it has ended.

        Returns:
            The stacks, each after those that it depends on.

        Raises:
            CommandError: It failed; with what the app says of it.
            StoppedError: Somebody asked to end.
        """
        wait_for([self._process], tick=tick)
        self._process.must_have_ended_well()
        told = [line for line in self._lines if line.strip()]
        if self._process.status != 0:
            if any(line.startswith("Traceback") for line in told):
                told = [
                    f"synthesis: must succeed, got: {told[-1]}",
                    f"the log is {self._process.log}",
                ]
            raise CommandError("\n".join(told) or "synthesis: must succeed, got no reason")
        return load_stacks(self.output)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the app has warned of; one line each."""
        return tuple(line.removeprefix(WARNING) for line in self._lines if line.startswith(WARNING))

    def close(self) -> None:
        """End it, where it still runs."""
        self._process.kill()
