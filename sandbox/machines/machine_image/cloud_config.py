"""Reads a machine's user data, as Flatcar's coreos-cloudinit does.

This file runs on the sandbox's machines: it needs Python 3.11 and PyYAML and nothing of this
project. It is written from the format's documentation, and on purpose shares no code with the
writer of user data, so that each tests the other. It knows exactly the keys that Flatcar's
program knows. An unknown key is ignored with a line in the log, as there: `drop-ins` (the old
spelling of `drop_ins`) is such a key.

Differences: what cannot be read is an error, so that it is seen; `etcd`, `etcd2`, `fleet`,
`flannel` and `oem` are named among the ignored keys; Ignition and multipart data are refused.

Source: Flatcar's documentation, "Using Cloud-Config"; for gzip, the source of coreos-cloudinit.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from dataclasses import dataclass
from typing import Any, Final

import yaml

HEADER: Final = "#cloud-config"

_GZIP: Final = b"\x1f\x8b"
_TRUE: Final = frozenset({"true", "yes", "on", "y"})
_FALSE: Final = frozenset({"", "false", "no", "off", "n", "null", "~"})

_KEYS: Final[dict[str, frozenset[str]]] = {
    "": frozenset(
        {"ssh_authorized_keys", "coreos", "write_files", "hostname", "users", "manage_etc_hosts"}
    ),
    "coreos": frozenset(
        {"etcd", "etcd2", "flannel", "fleet", "locksmith", "oem", "update", "units"}
    ),
    "coreos.update": frozenset({"reboot_strategy", "group", "server"}),
    "coreos.units[]": frozenset(
        {"name", "mask", "enable", "runtime", "content", "command", "drop_ins"}
    ),
    "coreos.units[].drop_ins[]": frozenset({"name", "content"}),
    "write_files[]": frozenset({"encoding", "content", "owner", "path", "permissions"}),
    "users[]": frozenset(
        {
            "name",
            "passwd",
            "ssh_authorized_keys",
            "coreos_ssh_import_github",
            "coreos_ssh_import_github_users",
            "coreos_ssh_import_url",
            "gecos",
            "homedir",
            "no_create_home",
            "primary_group",
            "groups",
            "no_user_group",
            "system",
            "no_log_init",
            "shell",
        }
    ),
}
_NOT_ACTED_ON: Final = frozenset({"etcd", "etcd2", "flannel", "fleet", "oem", "locksmith"})
_COMMANDS: Final = frozenset(
    {
        "start",
        "stop",
        "restart",
        "reload",
        "try-restart",
        "reload-or-restart",
        "reload-or-try-restart",
    }
)


class UserDataError(ValueError):
    """The user data cannot be read or applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """One of `write_files`, decoded.

    Attributes:
        path: Absolute path on the machine.
        content: The bytes to write.
        permissions: The mode, such as 0o644.
        owner: `USER` or `USER:GROUP`; empty means root.
    """

    path: str
    content: bytes
    permissions: int = 0o644
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropIn:
    """A drop-in of a unit."""

    name: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One of `coreos.units`."""

    name: str
    content: str = ""
    command: str = ""
    enable: bool = False
    mask: bool = False
    runtime: bool = False
    drop_ins: tuple[DropIn, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One of `users`."""

    name: str
    authorized_keys: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    shell: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudConfig:
    """What a `#cloud-config` says.

    Attributes:
        hostname: The machine's name; empty leaves it alone.
        authorized_keys: SSH keys of the user core.
        files: Files to write, in order.
        units: systemd units, in order.
        users: Users to create.
        update: Lines of update.conf by variable: REBOOT_STRATEGY, GROUP, SERVER.
        ignored: The keys that were not understood, as dotted paths.
    """

    hostname: str = ""
    authorized_keys: tuple[str, ...] = ()
    files: tuple[WrittenFile, ...] = ()
    units: tuple[Unit, ...] = ()
    users: tuple[User, ...] = ()
    update: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()


def decode(data: bytes) -> str:
    """Return user data as text; gzip is unpacked, as coreos-cloudinit does.

    Raises:
        UserDataError: It is not text, or broken gzip.
    """
    try:
        if data.startswith(_GZIP):
            data = gzip.decompress(data)
        return data.decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        msg = f"user data: must be text or gzip of text, got {len(data)} bytes ({error})"
        raise UserDataError(msg) from error


def read_cloud_config(text: str) -> CloudConfig:
    """Read a `#cloud-config`.

    Args:
        text: The whole document; its first line must be exactly the header.

    Raises:
        UserDataError: It is not a cloud-config, is not YAML, or has a value of a wrong type.
    """
    if text.split("\n", 1)[0].rstrip() != HEADER:
        msg = f"user data: first line must be {HEADER}, got {text[:40]!r}"
        raise UserDataError(msg)
    try:
        # Scalars stay text, as Go's reader sees them for text fields: 0644 is not 420.
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  # BaseLoader is safe
    except yaml.YAMLError as error:
        msg = f"user data: must be YAML: {error}"
        raise UserDataError(msg) from error
    return _Reader().config(document)


class _Reader:
    """Walks the document and notes what it does not know."""

    def __init__(self) -> None:
        self._ignored: list[str] = []

    def config(self, document: object) -> CloudConfig:
        top = self._mapping(document, "")
        core = self._mapping(top.get("coreos"), "coreos")
        update = self._mapping(core.get("update"), "coreos.update")
        self._ignored += [f"coreos.{key} (not acted on)" for key in core if key in _NOT_ACTED_ON]
        if "manage_etc_hosts" in top:
            self._ignored.append("manage_etc_hosts (not acted on)")
        return CloudConfig(
            hostname=_text(top.get("hostname"), "hostname"),
            authorized_keys=_texts(top.get("ssh_authorized_keys"), "ssh_authorized_keys"),
            files=tuple(self._file(f) for f in _list(top.get("write_files"), "write_files")),
            units=tuple(self._unit(u) for u in _list(core.get("units"), "coreos.units")),
            users=tuple(self._user(u) for u in _list(top.get("users"), "users")),
            update=tuple(
                (variable, _text(update[key], f"coreos.update.{key}"))
                for key, variable in (
                    ("reboot_strategy", "REBOOT_STRATEGY"),
                    ("group", "GROUP"),
                    ("server", "SERVER"),
                )
                if update.get(key)
            ),
            ignored=tuple(self._ignored),
        )

    def _mapping(self, value: object, where: str) -> dict[str, Any]:
        if value in (None, ""):
            return {}
        if not isinstance(value, dict):
            msg = f"user data: {where or 'document'}: must be a mapping, got {_kind(value)}"
            raise UserDataError(msg)
        known = _KEYS[where]
        unknown = [str(key) for key in value if key not in known]
        self._ignored += [f"{where}.{key}" if where else key for key in unknown]
        return {str(key): item for key, item in value.items() if key in known}

    def _file(self, value: object) -> WrittenFile:
        data = self._mapping(value, "write_files[]")
        path = _text(data.get("path"), "write_files[].path")
        if not path:
            msg = "user data: write_files[].path: must be given"
            raise UserDataError(msg)
        raw = _text(data.get("permissions"), "write_files[].permissions") or "0644"
        if not re.fullmatch(r"0?[0-7]{3,4}", raw):
            msg = f"user data: {path}: permissions: must be octal such as 0644, got {raw!r}"
            raise UserDataError(msg)
        return WrittenFile(
            path=path,
            content=_decoded(
                _text(data.get("content"), "write_files[].content"),
                _text(data.get("encoding"), "write_files[].encoding"),
                path,
            ),
            permissions=int(raw, 8),
            owner=_text(data.get("owner"), "write_files[].owner"),
        )

    def _unit(self, value: object) -> Unit:
        data = self._mapping(value, "coreos.units[]")
        name = _text(data.get("name"), "coreos.units[].name")
        command = _text(data.get("command"), "coreos.units[].command")
        if command and command not in _COMMANDS:
            msg = f"user data: {name}: command: must be one of {sorted(_COMMANDS)}, got {command!r}"
            raise UserDataError(msg)
        drop_ins = [
            self._mapping(d, "coreos.units[].drop_ins[]")
            for d in _list(data.get("drop_ins"), "coreos.units[].drop_ins")
        ]
        return Unit(
            name=name,
            content=_text(data.get("content"), f"{name}.content"),
            command=command,
            enable=_flag(data.get("enable"), f"{name}.enable"),
            mask=_flag(data.get("mask"), f"{name}.mask"),
            runtime=_flag(data.get("runtime"), f"{name}.runtime"),
            drop_ins=tuple(
                DropIn(
                    name=_text(d.get("name"), f"{name}.drop_ins[].name"),
                    content=_text(d.get("content"), f"{name}.drop_ins[].content"),
                )
                for d in drop_ins
            ),
        )

    def _user(self, value: object) -> User:
        data = self._mapping(value, "users[]")
        return User(
            name=_text(data.get("name"), "users[].name"),
            authorized_keys=_texts(data.get("ssh_authorized_keys"), "users[].ssh_authorized_keys"),
            groups=_texts(data.get("groups"), "users[].groups"),
            shell=_text(data.get("shell"), "users[].shell"),
        )


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else repr(value)


def _text(value: object, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        msg = f"user data: {where}: must be text, got {_kind(value)}"
        raise UserDataError(msg)
    return value


def _list(value: object, where: str) -> list[object]:
    if value in (None, ""):
        return []
    if not isinstance(value, list):
        msg = f"user data: {where}: must be a list, got {_kind(value)}"
        raise UserDataError(msg)
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    return tuple(_text(item, where) for item in _list(value, where))


def _flag(value: object, where: str) -> bool:
    text = _text(value, where).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    msg = f"user data: {where}: must be true or false, got {value!r}"
    raise UserDataError(msg)


def _decoded(content: str, encoding: str, path: str) -> bytes:
    """Decode a file's content as its `encoding` says."""
    steps = encoding.split("+") if encoding else []
    data = content.encode()
    try:
        for step in reversed(steps):
            if step in {"b64", "base64"}:
                data = base64.b64decode(data)
            elif step in {"gz", "gzip"}:
                data = gzip.decompress(data)
            else:
                msg = f"user data: {path}: encoding: must be base64, gzip or gzip+base64, "
                raise UserDataError(msg + f"got {encoding!r}")
    except (binascii.Error, OSError, EOFError, zlib.error) as error:
        msg = f"user data: {path}: content: must be valid {encoding} ({error})"
        raise UserDataError(msg) from error
    return data


def substitute_addresses(text: str, addresses: dict[str, str]) -> str:
    r"""Replace `$private_ipv4` and its like, but not where a backslash stands before it.

    Args:
        text: User data.
        addresses: Values by name, without the dollar sign.
    """
    for name, value in addresses.items():
        text = re.sub(rf"(?<!\\)\${name}", value, text)
        text = text.replace(rf"\${name}", f"${name}")
    return text
