"""What of a service its digest is made of: the same wherever the project lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constructs_lib.files.path import below

if TYPE_CHECKING:
    from collections.abc import Mapping


def paths_relative_to(folder: str, service: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service with the paths of this computer below a folder made relative to it.

    Compose makes these keys absolute, and no others: what merely looks like a path in a command
    or a variable is what the container gets, and stays.

    Args:
        folder: The project's folder; empty where nobody knows.
        service: The service.
    """
    found = dict(service)
    if not folder:
        return found
    if found.get("volumes"):
        found["volumes"] = [
            _with_relative(mount, "source", folder) if mount.get("type") == "bind" else mount
            for mount in found["volumes"]
        ]
    develop = found.get("develop")
    if develop and develop.get("watch"):
        watch = [_with_relative(rule, "path", folder) for rule in develop["watch"]]
        found["develop"] = {**develop, "watch": watch}
    return found


def _with_relative(value: Mapping[str, Any], key: str, folder: str) -> dict[str, Any]:
    path = value.get(key)
    rest = below(path, folder) if isinstance(path, str) else None
    if rest is None:
        return dict(value)
    return {**value, key: "." if rest == "." else f"./{rest}"}
