"""The machine during a backup: commands on it over SSH, to the one with the learned host keys."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moor.operation import ssh

if TYPE_CHECKING:
    from constructs_lib.settings.environment import Environment
    from moor.operation.hosts import Host

PLACE: Final = "/mnt/moor"
"""Where the data volume is mounted, as `data-volume.sh` does it."""

# The sockets first: whoever connects meanwhile would start Docker, which would wait for the volume.
_LEAVE: Final = """sudo bash -ec '
! mountpoint --quiet /mnt/moor || bash /etc/moor/data-volume.sh end
systemctl stop docker-tls-tcp.socket docker.socket docker.service
systemctl stop moor-data-folders.service mnt-moor.mount'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine that is reached over SSH.

    Attributes:
        environment: The environment.
        host: The machine.
    """

    environment: Environment
    host: Host

    def run(self, command: str, *, seconds: float = 60.0, given: bytes = b"") -> str:
        """Run a command there, and return what it prints.

        Args:
            command: For a shell there.
            seconds: How long it may take.
            given: What it reads on its standard input.

        Raises:
            CommandError: The machine is not reached, or the command fails.
        """
        return ssh.output(self.environment, self.host, command, seconds=seconds, given=given)

    def write_down(self) -> None:
        """Have all that was written be on the data volume.

        Raises:
            CommandError: It is not known to be.
        """
        self.run(f"sudo sync --file-system {PLACE}", seconds=300)

    def leave_volume(self) -> None:
        """Stop all services and Docker, cleanly, and take the data volume out of use.

        Raises:
            CommandError: Something holds it.
        """
        self.run(_LEAVE, seconds=900)

    def use_volume(self, volume: str) -> None:
        """Have Docker's data and the services' folders on a volume that is attached.

        Raises:
            CommandError: It cannot be used; with what the machine says.
        """
        self.run(f"sudo bash /etc/moor/data-volume.sh use {volume}", seconds=600)
        self.run("sudo systemctl start docker.service", seconds=300)

    def fullness(self) -> tuple[int, str]:
        """Return how many MiB of the data volume are free, and what fills it, for a person.

        Raises:
            CommandError: The machine is not reached.
        """
        script = (
            f"df --output=avail --block-size=1M {PLACE} | tail -n 1; "
            # Only root may list what is there.
            f"sudo sh -c 'du --summarize --block-size=1M {PLACE}/docker/* {PLACE}/moor' "
            "2>/dev/null | sort --reverse --numeric-sort | head -n 3"
        )
        free, *rest = self.run(script, seconds=120).splitlines() or ["0"]
        fills = [line.split("\t", 1) for line in rest if "\t" in line]
        return int(free), ", ".join(f"{path} {size} MiB" for size, path in fills)


class Guard:
    """What starts services again, by a timer on a machine, where nobody comes back to do it.

    Args:
        machine: The machine.
    """

    UNIT: Final = "moor-backup-guard"
    SECONDS: Final = 600

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def arm(self, command: str) -> None:
        """Have the machine run a command by itself after ten minutes.

        Args:
            command: For a shell there; root runs it.

        Raises:
            CommandError: The machine cannot promise that.
        """
        self._machine.run(
            f"sudo systemctl stop {self.UNIT}.timer 2>/dev/null; "
            f"sudo systemd-run --quiet --collect --unit={self.UNIT} --on-active={self.SECONDS} "
            f"/bin/sh -c {shlex.quote(command)}"
        )

    def disarm(self) -> None:
        """Have it not do so.

        Raises:
            CommandError: The machine is not reached.
        """
        self._machine.run(f"sudo systemctl stop {self.UNIT}.timer 2>/dev/null || true")
