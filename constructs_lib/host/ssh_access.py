"""How a machine is reached over SSH: as whom, with which key, and by which keys it is known."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.host.host_key import HOST_KEY, KNOWN_HOSTS
from constructs_lib.terraform.literal import Expression, joined

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAccess:
    """How to reach a machine over SSH.

    Attributes:
        user: The user on the machine, with `sudo` and no password.
        port: TCP port of sshd.
        private_key_file: The private key. Terraform reads the file during apply, so the
            key itself is in no configuration, plan or state.
        hosts: Where the host keys of machines are kept; `constructs_lib.host.host_key` learns
            them.
        host_keys: Fingerprints of host keys that the settings name; by them, and not by its
            console, is the machine known.
    """

    user: str
    port: int
    private_key_file: Path
    hosts: Path
    host_keys: tuple[str, ...] = ()

    def host_key_file(self, machine: str) -> tuple[str, str, str]:
        """Return the path of a machine's host keys, in Terraform's form, and in parts.

        Args:
            machine: The instance's id, which may be an expression of Terraform's.
        """
        return (f"{self.hosts}/", machine, f"/{HOST_KEY}")

    def command(self, machine: str, host: str) -> str:
        """Return the command that opens a shell on the machine, and on no other.

        Args:
            machine: The instance's id, which may be an expression of Terraform's.
            host: The machine's address, which may be one, too.
        """
        parts = self._parts(machine, host)
        expressions = any(isinstance(part, Expression) for part in parts)
        return joined(*parts) if expressions else "".join(parts)

    def _parts(self, machine: str, host: str) -> tuple[str, ...]:
        # ssh reads the value as a line of its configuration: it splits it, and fills in what
        # follows a per cent sign.
        folder = str(self.hosts).replace("%", "%%")
        mark = "" if shlex.quote(folder) == folder else '"'
        before = shlex.quote(f"UserKnownHostsFile={mark}{folder}/")
        return (
            f"ssh -p {self.port} -i {shlex.quote(str(self.private_key_file))} -o {before}",
            machine,
            f"{shlex.quote(f'/{KNOWN_HOSTS}{mark}')} -o HostKeyAlias=",
            machine,
            # An agent offers all that it holds first, and sshd hangs up after six keys.
            f" -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes {self.user}@",
            host,
        )
