"""A document of Compose's such that it can be read again, in another checkout, and means the same.

Compose writes each path of this computer as an absolute one. What was written as a relative path is
a file or folder of this computer all the same, and an absolute one is the machine's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path


def portable(
    document: Mapping[str, Any],
    folder: Path,
    *,
    mounts: Collection[tuple[str, str]],
    volumes: Collection[str],
    mesh: Collection[tuple[str, int]],
) -> dict[str, Any]:
    """Return a document whose paths below the project's folder are relative.

    Args:
        document: What Compose has read.
        folder: The project's folder.
        mounts: The bind mounts whose source was written as a relative path: service and target.
        volumes: The volumes that stand for a folder whose path was written as a relative one.
        mesh: The ports that a swarm's mesh publishes: Compose writes `mode: ingress` for all of
            those of which nobody has said anything, too.
    """
    found = dict(document)
    services = {
        name: _service(name, body, folder, mounts, mesh)
        for name, body in (document.get("services") or {}).items()
    }
    found["services"] = services
    if document.get("volumes"):
        found["volumes"] = {
            key: _volume(body, folder) if key in volumes else body
            for key, body in document["volumes"].items()
        }
    for kind in ("secrets", "configs"):
        if document.get(kind):
            found[kind] = {key: _file(body, folder) for key, body in document[kind].items()}
    return found


def _service(
    name: str,
    body: Mapping[str, Any],
    folder: Path,
    mounts: Collection[tuple[str, str]],
    mesh: Collection[tuple[str, int]],
) -> dict[str, Any]:
    found = dict(body)
    if body.get("volumes"):
        found["volumes"] = [
            {**mount, "source": _relative(mount["source"], folder)}
            if mount.get("type") == "bind" and (name, str(mount.get("target"))) in mounts
            else mount
            for mount in body["volumes"]
        ]
    watch = (body.get("develop") or {}).get("watch")
    if watch:
        rules = [{**rule, "path": _relative(rule["path"], folder)} for rule in watch]
        found["develop"] = {**body["develop"], "watch": rules}
    if body.get("ports"):
        found["ports"] = [
            port
            if port.get("mode") != "ingress" or (name, port.get("target")) in mesh
            else {key: value for key, value in port.items() if key != "mode"}
            for port in body["ports"]
        ]
    return found


def _volume(body: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    options = dict(body.get("driver_opts") or {})
    options["device"] = _relative(str(options["device"]), folder)
    return {**body, "driver_opts": options}


def _file(body: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    path = (body or {}).get("file")
    if not isinstance(path, str) or not path.startswith(f"{str(folder).rstrip('/')}/"):
        return dict(body or {})
    return {**body, "file": _relative(path, folder)}


def _relative(path: str, folder: Path) -> str:
    """Return a path as one from the folder, such that nobody takes it for a volume's name."""
    told = os.path.relpath(path, folder)
    return told if told.startswith("..") else f"./{told}"
