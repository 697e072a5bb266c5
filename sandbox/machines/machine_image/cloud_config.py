"""Reads a machine's user data, as Flatcar's coreos-cloudinit does.

This file runs on the sandbox's machines: it needs Python 3.11 and PyYAML and nothing of this
project. It shares on purpose no code with the writer of user data, so that each tests the other.
It knows exactly the keys that Flatcar's program knows. An unknown key is ignored with a line in
the log, as there: `drop-ins` (the old spelling of `drop_ins`) is such a key.

What is odd about that program is odd here too, since somebody's user data may rely on it, or fail
because of it: a set-user-id bit is dropped, a quoted `"true"` is no truth value, a key that stands
twice makes the whole document void, and so on. The document is therefore walked node by node
rather than loaded: how a value is written decides what it means.

Differences: `etcd`, `etcd2`, `fleet`, `flannel`, `oem` and `manage_etc_hosts` are named in the log
and not acted on.

Source: flatcar/coreos-cloudinit, config/, initialize/user_data.go and initialize/env.go; its
yaml.v3 for what a scalar is.
"""

from __future__ import annotations

import binascii
import email
import json
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import yaml

if TYPE_CHECKING:
    from email.message import Message

HEADER: Final = "#cloud-config"

_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
_TAG: Final = "tag:yaml.org,2002:"
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
# What YAML 1.1 took for truth values. They may be quoted, unlike those above.
_OLD_TRUE: Final = frozenset({"y", "Y", "yes", "on"})
_OLD_FALSE: Final = frozenset({"n", "N", "no", "off"})
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})

_KEYS: Final[dict[str, frozenset[str]]] = {
    "": frozenset(
        {"ssh_authorized_keys", "coreos", "write_files", "hostname", "users", "manage_etc_hosts"}
    ),
    "coreos": frozenset(
        {"etcd", "etcd2", "flannel", "fleet", "locksmith", "oem", "update", "units"}
    ),
    "coreos.locksmith": frozenset(
        {
            "endpoint",
            "etcd_cafile",
            "etcd_certfile",
            "etcd_keyfile",
            "etcd_username",
            "etcd_password",
            "group",
            "window_start",
            "window_length",
        }
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
_NOT_ACTED_ON: Final = frozenset({"etcd", "etcd2", "flannel", "fleet", "oem"})
_UPDATE: Final = {"reboot_strategy": "REBOOT_STRATEGY", "group": "GROUP", "server": "SERVER"}
_LOCKSMITH: Final = {
    "endpoint": "LOCKSMITHD_ENDPOINT",
    "etcd_cafile": "LOCKSMITHD_ETCD_CAFILE",
    "etcd_certfile": "LOCKSMITHD_ETCD_CERTFILE",
    "etcd_keyfile": "LOCKSMITHD_ETCD_KEYFILE",
    "etcd_username": "LOCKSMITHD_ETCD_USERNAME",
    "etcd_password": "LOCKSMITHD_ETCD_PASSWORD",
    "group": "LOCKSMITHD_GROUP",
    "window_start": "REBOOT_WINDOW_START",
    "window_length": "REBOOT_WINDOW_LENGTH",
}
_GZIP_TYPES: Final = frozenset(
    {
        "application/gzip",
        "application/gzip-compressed",
        "application/gzipped",
        "application/x-compress",
        "application/x-compressed",
        "application/x-gunzip",
        "application/x-gzip",
        "application/x-gzip-compressed",
    }
)
ADDRESSES: Final = ("public_ipv4", "private_ipv4", "public_ipv6", "private_ipv6")


class UserDataError(ValueError):
    """The user data cannot be read or applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """One of `write_files`, decoded.

    Attributes:
        path: Path on the machine.
        content: The bytes to write.
        permissions: The mode as it was written, such as `0644`; empty means that one.
        owner: `USER` or `USER:GROUP`; empty means root.
    """

    path: str
    content: bytes
    permissions: str = ""
    owner: str = ""

    @property
    def mode(self) -> int:
        """The mode that the file gets.

        The number is one of Go's modes, in which set-user-id and its like are bits far up: a
        4755 has none of them, and a negative number all.

        Raises:
            UserDataError: It is no number in octal digits, or does not fit into 32 bits.
        """
        raw = self.permissions or "0644"
        number = int(raw, 8) if re.fullmatch(r"[+-]?[0-7]+", raw) else None
        if number is None or not -(2**31) <= number < 2**31:
            msg = (
                f"user data: {self.path}: permissions: must be octal such as 0644, "
                f"got {self.permissions!r}"
            )
            raise UserDataError(msg)
        special = ((23, 0o4000), (22, 0o2000), (20, 0o1000))
        return number & 0o777 | sum(bit for place, bit in special if number >> place & 1)


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
    password_hash: str = ""
    authorized_keys: tuple[str, ...] = ()
    gecos: str = ""
    home: str = ""
    no_create_home: bool = False
    primary_group: str = ""
    groups: tuple[str, ...] = ()
    no_user_group: bool = False
    system: bool = False
    no_log_init: bool = False
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
        locksmith: Variables of locksmithd by name.
        ignored: The keys that were not understood, as dotted paths.
    """

    hostname: str = ""
    authorized_keys: tuple[str, ...] = ()
    files: tuple[WrittenFile, ...] = ()
    units: tuple[Unit, ...] = ()
    users: tuple[User, ...] = ()
    update: tuple[tuple[str, str], ...] = ()
    locksmith: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of user data; where it is not multipart, all of it.

    Attributes:
        name: What the log calls it.
        kind: `cloud-config`, `script`, `ignition` or `unknown`; the last two are ignored.
        config: What a cloud-config says.
        script: A script's text.
    """

    name: str
    kind: str
    config: CloudConfig | None = None
    script: str = ""


def decompressed(data: bytes) -> bytes:
    """Return user data without the gzip around it, where there is one.

    Raises:
        UserDataError: The gzip is broken.
    """
    if not data.startswith(_GZIP):
        return data
    unpacked, broken = _unpacked(data)
    if broken:
        msg = f"user data: must be whole gzip, got {len(data)} bytes ({broken})"
        raise UserDataError(msg)
    return unpacked


def read_parts(data: bytes, addresses: dict[str, str]) -> tuple[Part, ...]:
    """Read user data of any kind.

    Args:
        data: User data without gzip.
        addresses: What is put in for `$private_ipv4` and its like, by name; for a name that is
            missing, nothing is.

    Raises:
        UserDataError: A part of it says of itself what it is, and is not that.
    """
    # Bytes that are no text reach the YAML reader as such, which refuses them.
    return _parts(data.decode(errors="surrogateescape"), addresses)


def _parts(text: str, addresses: dict[str, str]) -> tuple[Part, ...]:
    first = text.split("\n", 1)[0]
    if not text:
        return ()
    if first.startswith("#!"):
        return (_script_part("userdata.sh", text, addresses),)
    if first.rstrip() == HEADER:
        return (_config_part("cloud-config.yaml", text, addresses),)
    if _is_ignition(text):
        return (Part(name="ignition.json", kind="ignition"),)
    message = email.message_from_string(text)
    if message.get_content_type() == "multipart/mixed":
        return _multipart(message, addresses)
    return (Part(name="userdata.txt", kind="unknown"),)


def _script_part(name: str, text: str, addresses: dict[str, str]) -> Part:
    text = substitute_addresses(text, addresses)
    if not text.startswith("#!"):
        msg = f"user data: {name}: must be a script, got {text[:20]!r}"
        raise UserDataError(msg)
    return Part(name=name, kind="script", script=text)


def _config_part(name: str, text: str, addresses: dict[str, str]) -> Part:
    config = read_cloud_config(substitute_addresses(text, addresses))
    return Part(name=name, kind="cloud-config", config=config)


def _is_ignition(text: str) -> bool:
    try:
        document = json.loads(text)
    except ValueError:
        return False
    if not isinstance(document, dict):
        return False
    inner = document.get("ignition")
    version = inner.get("version") if isinstance(inner, dict) else None
    return isinstance(version, str) or isinstance(document.get("ignitionVersion"), int)


def _multipart(message: Message, addresses: dict[str, str]) -> tuple[Part, ...]:
    if message.get_boundary() is None:
        msg = "user data: multipart: must name its boundary, got none"
        raise UserDataError(msg)
    parts: list[Part] = []
    for item in message.get_payload():
        assert not isinstance(item, str)  # noqa: S101  # a multipart message holds messages
        name = item.get_filename() or ""
        if "Content-Type" not in item:
            msg = f"user data: multipart: {name or 'a part'}: must have a Content-Type, got none"
            raise UserDataError(msg)
        payload = item.get_payload(decode=True)
        body = payload if isinstance(payload, bytes) else b""
        kind = item.get_content_type()
        if kind in _GZIP_TYPES:
            body = decompressed(body)
        text = body.decode(errors="surrogateescape")
        if kind == "text/cloud-config":
            parts.append(_config_part(name, text, addresses))
        elif kind == "text/x-shellscript":
            parts.append(_script_part(name, text, addresses))
        else:
            parts += _parts(text, addresses)
    return tuple(parts)


def read_cloud_config(text: str) -> CloudConfig:
    """Read a cloud-config; a second document in it is ignored.

    Raises:
        UserDataError: It is not YAML, or has a value of a wrong type.
    """
    try:
        node = next(iter(yaml.compose_all(text, Loader=yaml.SafeLoader)), None)
    except yaml.YAMLError as error:
        msg = f"user data: must be YAML: {error}"
        raise UserDataError(msg) from error
    return _Reader().config(node)


class _Reader:
    """Walks the document and notes what it does not know."""

    def __init__(self) -> None:
        self._ignored: list[str] = []

    def config(self, document: yaml.Node | None) -> CloudConfig:
        top = self._mapping(document, "")
        core = self._mapping(top.get("coreos"), "coreos")
        update = self._mapping(core.get("update"), "coreos.update")
        locksmith = self._mapping(core.get("locksmith"), "coreos.locksmith")
        self._ignored += [f"coreos.{key} (not acted on)" for key in core if key in _NOT_ACTED_ON]
        if "manage_etc_hosts" in top:
            self._ignored.append("manage_etc_hosts (not acted on)")
        return CloudConfig(
            hostname=_text(top.get("hostname"), "hostname"),
            authorized_keys=_texts(top.get("ssh_authorized_keys"), "ssh_authorized_keys"),
            files=tuple(self._file(f) for f in _list(top.get("write_files"), "write_files")),
            units=tuple(self._unit(u) for u in _list(core.get("units"), "coreos.units")),
            users=tuple(self._user(u) for u in _list(top.get("users"), "users")),
            update=_variables(update, _UPDATE, "coreos.update"),
            locksmith=_variables(locksmith, _LOCKSMITH, "coreos.locksmith"),
            ignored=tuple(self._ignored),
        )

    def _mapping(self, node: yaml.Node | None, where: str) -> dict[str, yaml.Node]:
        pairs = _pairs(node, where or "document")
        known = _KEYS[where]
        unknown = [key for key in pairs if key not in known]
        self._ignored += [f"{where}.{key}" if where else key for key in unknown]
        return {key: value for key, value in pairs.items() if key in known}

    def _file(self, node: yaml.Node) -> WrittenFile:
        data = self._mapping(node, "write_files[]")
        path = _text(data.get("path"), "write_files[].path")
        return WrittenFile(
            path=path,
            content=_decoded(
                _text(data.get("content"), "write_files[].content"),
                _text(data.get("encoding"), "write_files[].encoding"),
                path,
            ),
            permissions=_text(data.get("permissions"), "write_files[].permissions"),
            owner=_text(data.get("owner"), "write_files[].owner"),
        )

    def _unit(self, node: yaml.Node) -> Unit:
        data = self._mapping(node, "coreos.units[]")
        name = _text(data.get("name"), "coreos.units[].name")
        drop_ins = [
            self._mapping(d, "coreos.units[].drop_ins[]")
            for d in _list(data.get("drop_ins"), "coreos.units[].drop_ins")
        ]
        return Unit(
            name=name,
            content=_text(data.get("content"), f"{name}.content"),
            command=_text(data.get("command"), f"{name}.command"),
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

    def _user(self, node: yaml.Node) -> User:
        data = self._mapping(node, "users[]")

        def text(key: str) -> str:
            return _text(data.get(key), f"users[].{key}")

        def flag(key: str) -> bool:
            return _flag(data.get(key), f"users[].{key}")

        return User(
            name=text("name"),
            password_hash=text("passwd"),
            authorized_keys=_texts(data.get("ssh_authorized_keys"), "users[].ssh_authorized_keys"),
            gecos=text("gecos"),
            home=text("homedir"),
            no_create_home=flag("no_create_home"),
            primary_group=text("primary_group"),
            groups=_texts(data.get("groups"), "users[].groups"),
            no_user_group=flag("no_user_group"),
            system=flag("system"),
            no_log_init=flag("no_log_init"),
            shell=text("shell"),
        )


def _pairs(node: yaml.Node | None, where: str) -> dict[str, yaml.Node]:
    """Return a mapping's values by key, with what it merges (`<<`) behind its own."""
    if _is_null(node):
        return {}
    if not isinstance(node, yaml.MappingNode):
        msg = f"user data: {where}: must be a mapping, got {_kind(node)}"
        raise UserDataError(msg)
    own: dict[str, yaml.Node] = {}
    merged: list[yaml.Node] = []
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            msg = f"user data: {where}: must have text for keys, got {_kind(key)}"
            raise UserDataError(msg)
        if key.tag == f"{_TAG}merge":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
        elif key.value in own:
            msg = f"user data: {where}: must have each key once, got {key.value!r} twice"
            raise UserDataError(msg)
        else:
            own[key.value] = value
    for other in merged:
        for key, value in _pairs(other, f"{where}.<<").items():
            own.setdefault(key, value)
    return own


def _is_null(node: yaml.Node | None) -> bool:
    return node is None or (
        isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}null" and node.value in _NULL
    )


def _kind(node: yaml.Node | None) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else repr(node.value if node else None)


def _text(node: yaml.Node | None, where: str) -> str:
    """Return a scalar as it is written: 0644 is not 420."""
    if node is None or _is_null(node):
        return ""
    if not isinstance(node, yaml.ScalarNode):
        msg = f"user data: {where}: must be text, got {_kind(node)}"
        raise UserDataError(msg)
    value: str = node.value
    if node.tag == f"{_TAG}binary":
        return _base64(value, where).decode(errors="surrogateescape")
    return value


def _list(node: yaml.Node | None, where: str) -> list[yaml.Node]:
    if _is_null(node):
        return []
    if not isinstance(node, yaml.SequenceNode):
        msg = f"user data: {where}: must be a list, got {_kind(node)}"
        raise UserDataError(msg)
    items: list[yaml.Node] = node.value
    return items


def _texts(node: yaml.Node | None, where: str) -> tuple[str, ...]:
    return tuple(_text(item, where) for item in _list(node, where))


def _flag(node: yaml.Node | None, where: str) -> bool:
    if _is_null(node):
        return False
    if isinstance(node, yaml.ScalarNode):
        is_bool = node.tag == f"{_TAG}bool"
        if node.value in _OLD_TRUE or (is_bool and node.value in _TRUE):
            return True
        if node.value in _OLD_FALSE or (is_bool and node.value in _FALSE):
            return False
    msg = f"user data: {where}: must be true or false, unquoted, got {_kind(node)}"
    raise UserDataError(msg)


def _variables(
    data: dict[str, yaml.Node], names: dict[str, str], where: str
) -> tuple[tuple[str, str], ...]:
    values = ((name, _text(data.get(key), f"{where}.{key}")) for key, name in names.items())
    return tuple((name, value) for name, value in values if value)


def _decoded(content: str, encoding: str, path: str) -> bytes:
    """Decode a file's content as its `encoding` says."""
    data = content.encode(errors="surrogateescape")
    if not encoding:
        return data
    if not re.fullmatch(r"(gz|gzip)(\+(b64|base64))?|b64|base64", encoding):
        msg = f"user data: {path}: encoding: must be base64, gzip or gzip+base64, got {encoding!r}"
        raise UserDataError(msg)
    packing, _, last = encoding.rpartition("+")
    if last in {"b64", "base64"}:
        data = _base64(data.decode(errors="surrogateescape"), f"{path}: content")
    else:
        packing = last
    if packing:
        if not data.startswith(_GZIP):
            msg = f"user data: {path}: content: must be gzip, got {len(data)} other bytes"
            raise UserDataError(msg)
        # Of broken gzip the file gets what can be unpacked.
        data, _ = _unpacked(data)
    return data


def _base64(text: str, where: str) -> bytes:
    try:
        return binascii.a2b_base64(text.replace("\r", "").replace("\n", ""), strict_mode=True)
    except (binascii.Error, ValueError) as error:
        msg = f"user data: {where}: must be base64, got something else ({error})"
        raise UserDataError(msg) from error


def _unpacked(data: bytes) -> tuple[bytes, str]:
    """Unpack gzip. Returns what could be unpacked, and why no more; empty where all was."""
    result = bytearray()
    while data:
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        # In small steps, or a broken end would take what is before it along.
        for start in range(0, len(data), 64):
            try:
                result += unpacker.decompress(data[start : start + 64])
            except zlib.error as error:
                return bytes(result), str(error)
            if unpacker.eof:
                data = unpacker.unused_data + data[start + 64 :]
                break
        else:
            return bytes(result), "it ends too early"
    return bytes(result), ""


def substitute_addresses(text: str, addresses: dict[str, str]) -> str:
    r"""Replace `$private_ipv4` and its like, but not where a backslash stands before it.

    Args:
        text: User data.
        addresses: Values by name, without the dollar sign; of a missing one nothing is left.
    """
    for name in ADDRESSES:
        # An address has no backslash, which would mean something in a replacement.
        value = rf"\g<1>{addresses.get(name, '')}"
        text = re.sub(rf"([^\\]|^)\${name}", value, text)
        text = text.replace(rf"\${name}", f"${name}")
    return text


def merged_keys(parts: tuple[Part, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Return all SSH keys of the user core: of the parts, and `more`."""
    keys: list[str] = []
    for part in parts:
        if part.config is not None:
            keys += part.config.authorized_keys
            for user in part.config.users:
                keys += user.authorized_keys if user.name == "core" else ()
    return tuple(dict.fromkeys((*keys, *more)))
