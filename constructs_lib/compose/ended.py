"""Which containers have come to a good end, as the last deployment saw it.

The provider starts a stopped container again, since most have fallen over, or gone down with their
machine; it cannot tell those that have done their work. What had ended well when a deployment was
done is such a one: it stays ended until something of its configuration changes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from constructs_lib.files.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path


def read(file: Path) -> dict[str, str]:
    """Return the digest of the configuration of each container that has ended well, by its name.

    Args:
        file: Where it is kept. One that is missing, or holds something else, says of none that it
            has ended: then it is started again, which Compose would do, too.
    """
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {name: digest for name, digest in document.items() if isinstance(digest, str)}


def keep(file: Path, ended: Mapping[str, str], *, of: Collection[str], is_all: bool) -> None:
    """Write down what has ended well.

    Args:
        file: Where it is kept.
        ended: The digest of the configuration of each container that has ended well, by its name.
        of: The names of all that were looked at: what is not among those that have ended has not.
        is_all: Whether there is nothing else; otherwise what is known of others stays.

    Raises:
        OSError: The file cannot be written.
    """
    known = read(file)
    others = {} if is_all else {name: known[name] for name in known.keys() - set(of)}
    now = {**others, **ended}
    if now != known:
        write_private(file, json.dumps(now, indent=1, sort_keys=True).encode())
