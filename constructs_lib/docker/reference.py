"""References of images, as the engine understands them. Plain values; they import no cdktf."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_DOMAIN: Final = "docker.io"
_PLAIN: Final = re.compile(r"[\w.:@/-]*", re.ASCII)
_LIBRARY: Final = "library/"


def untagged(reference: str) -> str:
    """Return a reference without its tag and its digest."""
    named = reference.partition("@")[0]
    repository, _, tag = named.rpartition(":")
    return repository if repository and "/" not in tag else named


def familiar(reference: str) -> str:
    """Return the shortest reference that means the same.

    `docker.io/library/nginx:latest` is `nginx`, as it is for BuildKit where it compares a `FROM`
    with the names that it was given.

    Source: distribution/reference, `FamiliarString`, and BuildKit's dockerui, `NamedContext`.
    """
    found = reference
    for domain in (f"{_DOMAIN}/", f"index.{_DOMAIN}/"):
        found = found.removeprefix(domain)
    if found.startswith(_LIBRARY) and found.count("/") == 1:
        found = found.removeprefix(_LIBRARY)
    return found if "@" in found else found.removesuffix(":latest")


def identifier(*parts: str) -> str:
    """Return a construct's id that no other parts have; a slash would be made two hyphens.

    Args:
        parts: References and the like. Of what else there may be in one, a digest is taken.
    """
    return ",".join(
        part.replace("/", "|")
        if _PLAIN.fullmatch(part)
        else hashlib.sha256(part.encode(errors="surrogateescape")).hexdigest()
        for part in parts
    )
