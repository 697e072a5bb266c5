"""What the addresses of services are called among the outputs of a stack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def output_names(services: Iterable[str]) -> dict[str, str]:
    """Return the name of each service's output, `web_url` for `web`.

    Terraform's names begin with a letter or `_` and have no dots. cdktf leaves dots out, so that
    `a.b` would be called as `ab`: where another service has that name, it is `a_b_url`.

    Args:
        services: The names of the services.
    """
    names = sorted(services)
    # Those that are what the service is called come first: nobody takes theirs away.
    names.sort(key=lambda name: _plain(name) != f"{name}_url")
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        wanted = _plain(name)
        if wanted in taken:
            wanted = _plain(name.replace(".", "_"))
        while wanted in taken:
            wanted = f"_{wanted}"
        taken.add(wanted)
        found[name] = wanted
    return found


def _plain(name: str) -> str:
    text = re.sub(r"[^A-Za-z0-9_-]", "", name)
    return f"{text}_url" if re.match("[A-Za-z_]", text) else f"_{text}_url"
