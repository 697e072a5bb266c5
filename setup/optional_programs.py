"""Programs of the system that most of the project works without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from setup import debian
from setup.errors import SetupError
from setup.step import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSTEMD: Final = Path("/run/systemd/system")
"""There where systemd runs, which would start an installed server, now and at each boot."""


class OptionalProgram(Step):
    """A program that is installed where that is possible, and whose lack is never an error.

    Attributes:
        program: Its name on the PATH.
        package: Debian's package of it.
        lack: What does not work without it.
    """

    program: ClassVar[str]
    package: ClassVar[str]
    lack: ClassVar[str]

    def inputs(self) -> Mapping[str, object]:
        """Return whether it is there, so that its removal or arrival is noticed."""
        return {self.program: self._find() is not None}

    def is_intact(self) -> bool:
        """Return true: where it could not be installed, the notice is not repeated."""
        return True

    def run(self) -> str:
        """Install it where that is possible."""
        if self._find() is None and self.may_be_installed():
            try:
                debian.install(self, self.package)
            except SetupError as error:
                self.say(str(error).splitlines()[0])
        if self._find() is None:
            return f"notice: no {self.program} command; {self.lack} (package {self.package})"
        return f"{self.program} is there"

    def may_be_installed(self) -> bool:
        """Return whether it may be installed here."""
        return debian.can_install()

    def _find(self) -> str | None:
        return debian.find_program(self.program, self.context.variables.get("PATH"))


class Graphviz(OptionalProgram):
    """What draws the pictures of `make graph`."""

    name = "graphviz"
    program = "dot"
    package = "graphviz"
    lack = "`make graph` needs it"


class SshServer(OptionalProgram):
    """OpenSSH's server, which tests run on the loopback interface.

    Attributes:
        systemd: The folder that tells whether systemd runs here.
    """

    name = "sshd"
    program = "sshd"
    package = "openssh-server"
    lack = "the tests that need one are skipped"
    systemd: ClassVar[Path] = _SYSTEMD

    def may_be_installed(self) -> bool:
        """Return whether it may be: not where it would then open a port of this computer."""
        return super().may_be_installed() and not self.systemd.exists()
