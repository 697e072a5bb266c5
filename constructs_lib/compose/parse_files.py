"""What a service finds in its file system: mounts, and files that are copied into it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.folders import looks_like_a_file, place_of
from constructs_lib.compose.model import Delivery, FolderMount, NamedMount
from constructs_lib.compose.parse_values import makes_its_source, read_whole
from constructs_lib.docker.container_options import HostMount, TmpfsMount
from constructs_lib.files.path import below
from constructs_lib.files.tree import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from constructs_lib.compose.errors import Problems
    from constructs_lib.docker.container_options import ContainerOptions

_HIGHEST_ID: Final = 2**32 - 2
"""The kernel's last one means nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounts:
    """The `volumes` of a service, by their kind.

    Attributes:
        named: Volumes of the Compose file.
        copied: Files of this computer.
        folders: Folders of this computer.
        host: Files and folders of the machine.
        tmpfs: Folders in memory.
        anonymous: Paths that get a volume without a name.
    """

    named: list[NamedMount] = field(default_factory=list)
    copied: list[Delivery] = field(default_factory=list)
    folders: list[FolderMount] = field(default_factory=list)
    host: list[HostMount] = field(default_factory=list)
    tmpfs: list[TmpfsMount] = field(default_factory=list)
    anonymous: list[str] = field(default_factory=list)


def read_mounts(
    raw: Mapping[str, Any],
    where: str,
    local: AbstractSet[str],
    folder: Path,
    problems: Problems,
) -> Mounts:
    """Read the `volumes` of a service.

    Args:
        raw: The service.
        where: Its place in the file, for messages.
        local: The targets whose source is a relative path.
        folder: The project's folder.
        problems: Gets what is wrong.
    """
    found = Mounts()
    for index, mount in enumerate(raw.get("volumes") or ()):
        here = f"{where}.volumes[{index}]"
        target = str(mount.get("target", ""))
        read_only = bool(mount.get("read_only"))
        if not target.startswith("/"):
            problems.add(f"{here}.target", f"must be an absolute path, got {target!r}")
        elif mount["type"] == "volume" and mount.get("source"):
            how, label = mount.get("volume") or {}, (mount.get("bind") or {}).get("selinux")
            if label and (how.get("nocopy") or how.get("subpath")):
                problems.add(
                    f"{here}.bind.selinux",
                    f"must not stand beside nocopy or subpath, got {label}; leave out one of them",
                )
            found.named.append(
                NamedMount(
                    volume=mount["source"],
                    path=target,
                    read_only=read_only,
                    no_copy=bool(how.get("nocopy")),
                    subpath=how.get("subpath"),
                    selinux=label or None,
                )
            )
        elif mount["type"] == "volume":
            found.anonymous.append(target)
        elif mount["type"] == "tmpfs":
            how = mount.get("tmpfs") or {}
            found.tmpfs.append(
                TmpfsMount(
                    path=target,
                    size_bytes=read_whole(
                        how.get("size") or 0, f"{here}.tmpfs.size", problems, most=2**63 - 1
                    ),
                    mode=read_whole(
                        how.get("mode") or 0, f"{here}.tmpfs.mode", problems, most=0o7777
                    ),
                    read_only=read_only,
                )
            )
        elif mount["type"] == "bind" and target in local:
            _check_labels(mount, here, problems, is_local=True)
            _local(mount, folder, here, found, problems)
        elif mount["type"] == "bind":
            how = mount.get("bind") or {}
            _check_labels(mount, here, problems, is_local=False)
            found.host.append(
                HostMount(
                    source=mount["source"],
                    path=target,
                    read_only=read_only,
                    create=makes_its_source(mount),
                    propagation=how.get("propagation"),
                    selinux=how.get("selinux"),
                )
            )
        else:
            problems.add(f"{here}.type", f"must be bind, volume or tmpfs, got {mount['type']}")
    return found


def _check_labels(
    mount: Mapping[str, Any], where: str, problems: Problems, *, is_local: bool
) -> None:
    """Refuse a label of SELinux that the engine would drop.

    It takes the labels, and these other options, by two ways that exclude each other.
    """
    how = mount.get("bind") or {}
    label, propagation = how.get("selinux"), how.get("propagation")
    conflicts = {
        f"propagation: {propagation}": bool(propagation),
        # A folder of ours is there in any case.
        "create_host_path: false": not is_local and not makes_its_source(mount),
    }
    for other, is_there in conflicts.items():
        if label and is_there:
            problems.add(
                f"{where}.bind.selinux",
                f"must not stand beside {other}, with which the engine sets no label, got "
                f"{label}; leave one of them out",
            )


def _local(
    mount: Mapping[str, Any],
    folder: Path,
    where: str,
    found: Mounts,
    problems: Problems,
) -> None:
    """Turn a file of this computer into a copy, and a folder into one of the machine."""
    source, target = Path(mount["source"]), str(mount["target"])
    how = mount.get("bind") or {}
    read_only = bool(mount.get("read_only"))
    if source.is_file():
        uid, gid = _owner(source)
        found.copied.append(
            Delivery(
                path=target,
                source=source,
                mode=_mode(source),
                uid=uid,
                gid=gid,
                writable=not read_only,
                origin=where,
            )
        )
    elif source.is_symlink() and not source.exists():
        problems.add(
            f"{where}.source",
            f"must be a file or folder of this computer, got a link that leads nowhere, {source} "
            f"-> {shown(str(source.readlink()))}; remove it",
        )
    elif source.exists() and not source.is_dir():
        problems.add(
            f"{where}.source",
            f"must be a file or folder of this computer, got neither in {source}; use an absolute "
            "path for what is the machine's",
        )
    elif not source.exists() and not makes_its_source(mount):
        problems.add(
            f"{where}.source",
            f"must be a file or folder of this computer, got no such thing as {source}; create "
            "it, or set bind.create_host_path to true",
        )
    elif not source.exists() and looks_like_a_file(str(source), target):
        problems.add(
            f"{where}.source",
            f"must be a file or folder of this computer, got no such thing as {source}, and a "
            "new folder would not do for a file; create it",
        )
    else:
        found.folders.append(
            FolderMount(
                source=source,
                place=place_of(source, folder),
                path=target,
                read_only=read_only,
                propagation=how.get("propagation") or None,
                selinux=how.get("selinux") or None,
                origin=where,
            )
        )


def _owner(file: Path) -> tuple[str, str]:
    """Return a file's owner; root's are the engine's default."""
    status = file.stat()
    if not status.st_uid and not status.st_gid:
        return "", ""
    return str(status.st_uid), str(status.st_gid)


def _mode(file: Path) -> str:
    """Return a file's own permissions; those beyond them, such as setuid, no provider takes."""
    return f"{file.stat().st_mode & 0o777:04o}"


def read_deliveries(
    raw: Mapping[str, Any], where: str, document: Mapping[str, Any], problems: Problems
) -> list[Delivery]:
    """Read the `configs` and `secrets` of a service.

    Args:
        raw: The service.
        where: Its place in the file, for messages.
        document: The whole file, which says where their content is.
        problems: Gets what is wrong.
    """
    return [
        delivery
        for kind in ("configs", "secrets")
        for delivery in _deliveries(raw, kind, where, document, problems)
    ]


def _deliveries(
    raw: Mapping[str, Any], kind: str, where: str, document: Mapping[str, Any], problems: Problems
) -> Iterator[Delivery]:
    folder = "/run/secrets/" if kind == "secrets" else "/"
    for index, use in enumerate(raw.get(kind) or ()):
        here = f"{where}.{kind}[{index}]"
        definition = (document.get(kind) or {}).get(use["source"])
        if not definition or definition.get("external"):
            continue
        target = str(use.get("target") or use["source"])
        for key in ("uid", "gid"):
            if use.get(key):
                read_whole(use[key], f"{here}.{key}", problems, most=_HIGHEST_ID)
        mode = str(use.get("mode") or "0444").rjust(4, "0")
        if not re.fullmatch("0*[0-7]{3}", mode):
            problems.add(
                f"{here}.mode",
                f"must be permissions such as 0440, got {mode}; the provider takes no others",
            )
        source = definition.get("file")
        if source is not None and not Path(source).is_file():
            problems.add(
                f"{kind}.{use['source']}.file",
                f"must be a file, got no such file as {source}; {where} needs it",
            )
            continue
        yield Delivery(
            path=target if target.startswith("/") else f"{folder}{target}",
            source=None if source is None else Path(source),
            variable=definition.get("environment"),
            content=definition.get("content") if kind == "configs" else None,
            is_secret=kind == "secrets" or bool(definition.get("environment")),
            mode=mode[-4:],
            uid=str(use.get("uid") or ""),
            gid=str(use.get("gid") or ""),
            origin=here,
        )


def check_deliveries(
    options: ContainerOptions, deliveries: list[Delivery], problems: Problems
) -> None:
    """Refuse files that would not be seen.

    Args:
        options: The service's options.
        deliveries: All files that are copied into it.
        problems: Gets what is wrong.
    """
    memory = [*options.tmpfs, *(mount.path for mount in options.tmpfs_mounts)]
    seen: set[str] = set()
    for delivery in deliveries:
        for path in memory:
            if below(delivery.path, path) not in (None, "."):
                problems.add(
                    delivery.origin,
                    f"must not be below the folder in memory {path}, which would hide it, "
                    f"got {delivery.path}; choose another target",
                )
        if delivery.path in seen:
            problems.add(delivery.origin, f"must have a path of its own, got {delivery.path} twice")
        seen.add(delivery.path)
