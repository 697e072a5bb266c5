"""Steps on a machine, over SSH, to the machine that has the learned host keys and to no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdktf import FileProvisioner, RemoteExecProvisioner, SSHProvisionerConnection

from constructs_lib.terraform.literal import content_of_file, define

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.host.ssh_access import SshAccess

STAGING: Final = "/run/moor"
"""Where files arrive on the machine: in memory, and open to nobody but the SSH user."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Steps on the machine.

    Each has the connection for itself: one that all steps shared would be evaluated for the
    first one as well, before the host key is there.
    """

    connection: SSHProvisionerConnection

    @classmethod
    def to(
        cls, host: str, *, machine: str, ssh: SshAccess, connect_timeout_seconds: int = 300
    ) -> Remote:
        """Return the way to a machine.

        Args:
            host: The machine's address.
            machine: The instance's id.
            ssh: How to reach the machine.
            connect_timeout_seconds: How long to wait for SSH.
        """
        return cls(
            define(
                SSHProvisionerConnection,
                type="ssh",
                host=host,
                port=ssh.port,
                user=ssh.user,
                private_key=content_of_file(str(ssh.private_key_file)),
                # Read when a step begins; the first one has written it by then.
                host_key=content_of_file(*ssh.host_key_file(machine)),
                # An agent would offer its own keys first, and sshd gives up after six.
                agent="false",
                timeout=f"{connect_timeout_seconds}s",
            )
        )

    def run(self, command: str) -> RemoteExecProvisioner:
        """Return the step that runs a command."""
        return define(
            RemoteExecProvisioner, type="remote-exec", inline=[command], connection=self.connection
        )

    def make_staging(self, user: str) -> RemoteExecProvisioner:
        """Return the step that makes the folder for arrivals.

        It is private before anything arrives in it: files that Terraform uploads are readable by
        everyone (mode 0644).

        Args:
            user: The SSH user.
        """
        return self.run(f"sudo install -d -m 0700 -o {user} -g {user} {STAGING}")

    def upload(self, source: Path, name: str) -> FileProvisioner:
        """Return the step that uploads a file, under a name in the folder for arrivals."""
        return define(
            FileProvisioner,
            type="file",
            source=str(source),
            destination=f"{STAGING}/{name}",
            connection=self.connection,
        )
