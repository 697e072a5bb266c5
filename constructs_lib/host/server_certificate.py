"""The server's certificate: the machine asks for it, and it is issued here.

The machine makes its private key itself, and keeps it. What it sends is a request, which is signed
by that key; it is fetched from the machine that the host keys are of, and from no other.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from constructs_lib.host import remote_command
from constructs_lib.host.remote_command import RemoteCommandError
from constructs_lib.host.ssh_access import SshAccess
from constructs_lib.identity.certificate_authority import Clock, utc_now
from constructs_lib.identity.pki import Pki

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUEST_FILE: Final = "/run/moor/server.csr"
"""Where `open-docker-api.sh request` leaves it."""

_LARGEST_REQUEST: Final = 16 * 1024
_SECONDS: Final = 60


class FetchError(Exception):
    """The machine's request cannot be had."""


def fetch(ssh: SshAccess, machine: str, address: str) -> bytes:
    """Fetch the machine's request for a certificate.

    Args:
        ssh: How to reach it.
        machine: The instance's id, whose host keys are known.
        address: Its address.

    Returns:
        The request, as the machine sent it.

    Raises:
        FetchError: It cannot be fetched.
    """
    subject = f"machine {machine} at {address}"
    try:
        request = remote_command.run(
            shlex.split(ssh.command(machine, address)),
            f"cat {REQUEST_FILE}",
            seconds=2 * _SECONDS,
            connect_seconds=_SECONDS,
        )
    except RemoteCommandError as error:
        raise FetchError(f"{subject}: {error}") from None
    if len(request) > _LARGEST_REQUEST:
        raise FetchError(f"{subject}: certificate request: must be short, got {len(request)} bytes")
    return request


def main(arguments: Sequence[str] | None = None, *, clock: Clock = utc_now) -> int:
    """Run `python -m constructs_lib.host.server_certificate`.

    Args:
        arguments: The command line; that of the process where unset.
        clock: Returns the time, aware and in UTC.

    Returns:
        0, or 1 after an error, which is printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m constructs_lib.host.server_certificate",
        description="Issue the server certificate that a machine asks for.",
    )
    parser.add_argument("--pki", type=Path, required=True, help="the folder of the CA")
    parser.add_argument("--certificates", type=Path, required=True, help="the client's folder")
    parser.add_argument("--machine", required=True, help="the instance's id")
    parser.add_argument("--address", required=True, help="the machine's address")
    parser.add_argument("--user", required=True, help="the user on the machine")
    parser.add_argument("--port", type=int, required=True, help="TCP port of sshd")
    parser.add_argument("--key", type=Path, required=True, help="the private key's file")
    parser.add_argument("--hosts", type=Path, required=True, help="where host keys are kept")
    parser.add_argument("--node", help="the machine's name, where it is one of several")
    options = parser.parse_args(arguments)
    pki = Pki(pki_dir=options.pki, certificates_dir=options.certificates, clock=clock)
    ssh = SshAccess(
        user=options.user, port=options.port, private_key_file=options.key, hosts=options.hosts
    )
    try:
        request = fetch(ssh, options.machine, options.address)
        end = pki.issue_server_certificate(options.address, request, node=options.node)
    except (FetchError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"server certificate for {options.address}: valid until {end:%F}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
