"""Lets the instance's key pair log in as core, in the place of Flatcar's Afterburn.

This file runs on the sandbox's machines, as the unit coreos-metadata-sshkeys@.service starts it.
Unlike coreos-cloudinit it tries again with a new token until the metadata service answers, so that
a machine whose user data could not be fetched can be logged in to.

Source: coreos/afterburn, README and src/retry/.
"""

from __future__ import annotations

import sys
import time

from .authorized_keys import authorize
from .datasource import Datasource, DatasourceError

_PATIENCE = 300.0
_PAUSE = 0.5


def main(user: str) -> int:
    """Fetch the keys, and authorize them.

    Args:
        user: The user on the machine.

    Returns:
        The exit status: 1 where the service did not answer in time.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        source = Datasource(lambda _: None)
        if source.has_token:
            try:
                authorize(user, "afterburn", source.metadata().keys)
            except DatasourceError:
                pass
            else:
                return 0
        time.sleep(_PAUSE)
    print("the metadata service does not answer", file=sys.stderr)  # noqa: T201  # the journal
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
