"""People with whom the access to the Docker API is shared: a certificate each, with an end.

Docker has no list of revoked certificates, neither CRL nor OCSP: dockerd takes what its file of
client authorities vouches for. So each person's certificate is in that file by itself, and is
refused as soon as it is taken out and dockerd has read the file again.

Source: `tlsconfig` of docker/go-connections; crypto/x509 of Go, `Certificate.Verify`.
"""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from constructs_lib.files.private_file import write_private, write_public
from constructs_lib.identity.certificate_authority import LEAF_LIFETIME, issue_client
from constructs_lib.identity.pki_files import read

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from constructs_lib.identity.pki import Pki

LONGEST_DAYS: Final = LEAF_LIFETIME.days

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


def share(pki: Pki, name: str, *, days: int, folder: Path) -> datetime:
    """Make a person's certificate and key, to be handed over.

    The API answers it from the next deployment on.

    Args:
        pki: The environment's certificates, after `ensure`.
        name: The person's name.
        days: How long it is valid, 1 to 397.
        folder: Where `ca.pem`, `cert.pem` and `key.pem` for that person are written.

    Returns:
        When it ends.

    Raises:
        ValueError: The name or the days are not of that form, or this person has one that is
            still valid.
    """
    _check(name)
    if not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"share: days: must be in 1..{LONGEST_DAYS}, got {days}")
    with pki.locked():
        there = pki.people().get(name)
        if there is not None and pki.clock() < there.not_valid_after_utc:
            raise ValueError(
                f"share: name: must be of somebody who has no access, got {name}, who has until "
                f"{there.not_valid_after_utc:%F}; moor unshare {name} takes it back"
            )
        issued = issue_client(name, lifetime=timedelta(days=days), clock=pki.clock)
        # The folder first: a run that is interrupted has given nobody any access.
        for file, content in (
            ("ca.pem", read(pki.ca_file, pki.new_authority)),
            ("cert.pem", issued.certificate_pem),
            ("key.pem", issued.private_key_pem),
        ):
            write_private(folder / file, content)
        write_public(pki.people_dir / f"{name}.pem", issued.certificate_pem)
        pki.write_clients()
    return issued.certificate.not_valid_after_utc


def unshare(pki: Pki, name: str, *, folder: Path) -> None:
    """Take a person's certificate back: the next deployment makes the API refuse it.

    Args:
        pki: The environment's certificates, after `ensure`.
        name: The person's name.
        folder: Where that person's files were written; they are removed.

    Raises:
        ValueError: Nobody of that name has any access.
    """
    _check(name)
    with pki.locked():
        file = pki.people_dir / f"{name}.pem"
        if not file.exists():
            names = ", ".join(pki.people()) or "nobody"
            raise ValueError(
                f"unshare: name: must be of somebody who has access, got {name}; "
                f"it is shared with {names}"
            )
        file.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        pki.write_clients()


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "share: name: must be 1 to 32 lower-case letters, digits, dots, hyphens and "
            f"underscores with a letter or digit first, got {name!r}"
        )
