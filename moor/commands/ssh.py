"""`moor ssh`."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING

from moor.failure import CommandError
from moor.outputs import Outputs

if TYPE_CHECKING:
    from moor.session import Session


def run(session: Session) -> None:
    """Open a shell on the machine."""
    command = shlex.split(Outputs.load(session.environment).ssh)
    program = shutil.which(command[0])
    if program is None:
        raise CommandError("ssh: must be installed for this command, got nothing of that name")
    # Addresses are used again by new machines: a host key is remembered per environment.
    known = session.environment.ssh / "known_hosts"
    options = ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=accept-new"]
    os.execv(program, [command[0], *options, *command[1:]])
