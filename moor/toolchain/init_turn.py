"""One `terraform init` at a time, where the plugin cache is shared.

Terraform's documentation names it: the cache does not bear two `init` at once. One of them then
finds a provider half written, or misses it. Two environments that are deployed from one checkout
share the cache, so each `init` takes its turn. The lock is the kernel's, on a file beside the
cache; the program inherits it, and so it ends with the program, whatever ends that.

Run in a stack's folder, with Python's standard library only and in isolated mode, which starts in a
fraction of the time: `init_turn.py PROGRAM init …` becomes `PROGRAM init …`.

Source: https://developer.hashicorp.com/terraform/cli/config/config-file#provider-plugin-cache
"""

from __future__ import annotations

import fcntl
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def lock_file(variables: Mapping[str, str]) -> str | None:
    """Return the lock's path, or None where no cache is shared.

    Args:
        variables: The environment variables; Terraform's `TF_PLUGIN_CACHE_DIR` names the cache.
    """
    cache = variables.get("TF_PLUGIN_CACHE_DIR", "").rstrip("/")
    return f"{cache}.lock" if cache else None


def main(words: Sequence[str]) -> None:
    """Wait for this one's turn, and become the program.

    Args:
        words: The program's path, and its arguments.

    Raises:
        OSError: The lock cannot be made, or the program cannot be started.
    """
    path = lock_file(os.environ)
    if path is not None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.set_inheritable(descriptor, True)
    os.execv(words[0], [*words])


if __name__ == "__main__":
    main(sys.argv[1:])
