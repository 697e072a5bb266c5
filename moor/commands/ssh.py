"""`moor ssh`."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING

from moor import typed
from moor.failure import CommandError
from moor.outputs import Outputs

if TYPE_CHECKING:
    from moor.session import Session


def run(session: Session) -> None:
    """Open a shell on the machine."""
    command = shlex.split(Outputs.load(session.environment).ssh)
    if "StrictHostKeyChecking=yes" not in command:
        raise CommandError(
            "ssh: the machine's host keys must be known, got a deployment of the version before, "
            f"which did not ask for them; run {typed.command(session.environment, 'up')} first"
        )
    program = shutil.which(command[0])
    if program is None:
        raise CommandError("ssh: must be installed for this command, got nothing of that name")
    os.execv(program, command)
