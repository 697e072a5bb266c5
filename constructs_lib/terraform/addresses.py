"""Addresses of resources, and what becomes of a resource whose place has changed."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_HIDDEN: Final = "Resource"
_LONGEST: Final = 240


def logical_id(path: Sequence[str]) -> str:
    """Return what cdktf calls a resource.

    It is only for a place where no construct is any more: of one that is there, ask it.

    Args:
        path: The ids of the constructs from the stack, which is left out, to the resource; two
            or more.

    Source: cdktf 0.21, its module `private/unique`.
    """
    told: list[str] = []
    for part in path:
        if not told or not told[-1].endswith(part):
            told.append(part)
    plain = [re.sub(r"[^A-Za-z0-9_-]", "", part) for part in told if part != _HIDDEN]
    digest = hashlib.md5("/".join(path).encode(), usedforsecurity=False).hexdigest()
    return f"{'_'.join(plain)[:_LONGEST]}_{digest[:8].upper()}"
