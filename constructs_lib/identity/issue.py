"""Issuing the server's certificate, as the deployment does once it knows the address."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.identity.certificate_authority import Clock, utc_now
from constructs_lib.identity.pem import load_certificate
from constructs_lib.identity.pki import Pki

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None, *, clock: Clock = utc_now) -> int:
    """Run `python -m constructs_lib.identity.issue`.

    Args:
        arguments: The command line; that of the process where unset.
        clock: Returns the time, aware and in UTC.

    Returns:
        0, or 1 after an error, which is printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m constructs_lib.identity.issue",
        description="Issue the server certificate for an address.",
    )
    parser.add_argument("--pki", type=Path, required=True, help="the folder of the CA")
    parser.add_argument("--certificates", type=Path, required=True, help="the client's folder")
    parser.add_argument("--address", required=True, help="the machine's address")
    options = parser.parse_args(arguments)
    pki = Pki(pki_dir=options.pki, certificates_dir=options.certificates, clock=clock)
    try:
        file = pki.issue_server_certificate(options.address)
        end = load_certificate(file.read_bytes()).not_valid_after_utc
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"server certificate for {options.address}: {file}, valid until {end:%F}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
