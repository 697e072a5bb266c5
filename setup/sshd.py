"""OpenSSH's server, which tests run on the loopback interface."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from setup import debian
from setup.errors import SetupError
from setup.step import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSTEMD: Final = Path("/run/systemd/system")
"""There where systemd runs, which would start an installed server, now and at each boot."""


class SshServer(Step):
    """The program `sshd`. Without it the tests that need it are skipped, so it is never an error.

    Attributes:
        systemd: The folder that tells whether systemd runs here.
    """

    name = "sshd"
    systemd = _SYSTEMD

    def inputs(self) -> Mapping[str, object]:
        """Return whether it is there, so that its removal or arrival is noticed."""
        return {"sshd": self._find() is not None}

    def is_intact(self) -> bool:
        """Return true: where it could not be installed, the notice is not repeated."""
        return True

    def run(self) -> str:
        """Install it where that opens no port of this computer."""
        if self._find() is None and debian.can_install() and not self.systemd.exists():
            try:
                debian.install(self, "openssh-server")
            except SetupError as error:
                self.say(str(error).splitlines()[0])
        if self._find() is None:
            return "notice: no sshd; the tests that need one are skipped (package openssh-server)"
        return "sshd is there"

    def _find(self) -> str | None:
        return debian.find_program("sshd", self.context.variables.get("PATH"))
