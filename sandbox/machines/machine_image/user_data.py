"""Applies a machine's user data at boot, in the place of Flatcar's coreos-cloudinit.

This file runs on the sandbox's machines: it needs Python 3.11 and PyYAML and nothing of this
project. It is written from the format's documentation, and on purpose shares no code with the
writer of user data, so that each tests the other. It knows exactly the keys that Flatcar's
program knows. An unknown key is ignored with a line in the log, as there: `drop-ins` (the old
spelling of `drop_ins`) is such a key.

Differences: a user datum that cannot be read or applied fails the boot, so that it is seen;
`etcd`, `etcd2`, `fleet`, `flannel`, `oem` and network units are named in the log and not acted
on; Ignition and multipart data are refused.

Source: Flatcar's documentation, "Using Cloud-Config" and "coreos-cloudinit"; for the order of
things and for gzip, the program's own source.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Machine:
    """Applies a cloud-config to a file system and its systemd.

    Args:
        root: The root folder; `/` on a machine.
        run: Runs a command and returns its exit status.
        log: Takes one line.
    """

    def __init__(
        self, *, root: Path, run: Callable[[list[str]], int], log: Callable[[str], None]
    ) -> None:
        self._root = root
        self._run = run
        self._log = log

    def apply(self, config: CloudConfig, *, keys: tuple[str, ...] = ()) -> None:
        """Apply everything, in coreos-cloudinit's order.

        Args:
            config: What to apply.
            keys: Further SSH keys of core: those of the instance's key pair.

        Raises:
            UserDataError: A step failed. The steps after it are not done.
        """
        for key in config.ignored:
            self._log(f"ignoring unknown key {key}")
        if config.hostname:
            self._must("set the host name", ["hostnamectl", "set-hostname", config.hostname])
        for user in config.users:
            self._add_user(user)
        self._authorize("core", (*keys, *config.authorized_keys))
        for file in config.files:
            self._write(file)
        if config.update:
            self._write_update(config)
        self._apply_units((*config.units, *_units_of_update(config.update)))

    def _must(self, what: str, command: list[str]) -> None:
        if status := self._run(command):
            msg = f"user data: cannot {what}: {command[0]} returned {status}"
            raise UserDataError(msg)

    def _path(self, path: str) -> Path:
        return self._root / str(PurePosixPath("/", path)).lstrip("/")

    def _write(self, file: WrittenFile) -> None:
        target = self._path(file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{target.name}.cloudinit"
        try:
            temporary.write_bytes(b"")
            temporary.chmod(file.permissions)
            temporary.write_bytes(file.content)
            if file.owner:
                self._must(f"give {file.path} away", ["chown", file.owner, str(temporary)])
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        self._log(f"wrote file {file.path}")

    def _write_update(self, config: CloudConfig) -> None:
        """Write update.conf: the lines there are, with ours in their place."""
        changed = dict(config.update)
        lines: list[str] = []
        for source in ("/etc/flatcar/update.conf", "/usr/share/flatcar/update.conf"):
            if self._path(source).exists():
                lines = self._path(source).read_text().splitlines()
                break
        kept = [line for line in lines if line.partition("=")[0] not in changed]
        text = "".join(f"{line}\n" for line in (*kept, *(f"{k}={v}" for k, v in config.update)))
        self._write(WrittenFile(path="/etc/flatcar/update.conf", content=text.encode()))

    def _add_user(self, user: User) -> None:
        if not user.name:
            self._log("user without a name, skipping")
            return
        if self._run(["id", "--user", user.name]):
            command = ["useradd", "--create-home", "--password", "*"]
            command += ["--shell", user.shell or "/bin/bash"]
            if user.groups:
                command += ["--groups", ",".join(user.groups)]
            self._must(f"create user {user.name}", [*command, user.name])
        if user.authorized_keys:
            self._authorize(user.name, user.authorized_keys)

    def _authorize(self, user: str, keys: tuple[str, ...]) -> None:
        if not keys:
            return
        folder = self._path(f"/home/{user}/.ssh")
        self._must(
            f"make {folder}",
            ["install", "-d", "-m", "0700", "-o", user, "-g", user, str(folder)],
        )
        text = "".join(f"{key.strip()}\n" for key in dict.fromkeys(keys))
        self._write(
            WrittenFile(
                path=f"/home/{user}/.ssh/authorized_keys",
                content=text.encode(),
                permissions=0o600,
                owner=f"{user}:{user}",
            )
        )

    def _apply_units(self, units: tuple[Unit, ...]) -> None:
        reload = False
        commands: list[Unit] = []
        for unit in units:
            if not unit.name:
                self._log("unit without a name, skipping")
                continue
            if unit.name.endswith((".network", ".netdev", ".link")):
                self._log(f"network unit {unit.name} is not acted on")
                continue
            reload = self._place(unit) or reload
            if unit.enable:
                options = ["--runtime"] if unit.runtime else []
                self._must(
                    f"enable {unit.name}",
                    ["systemctl", "--force", "--no-reload", *options, "enable", unit.name],
                )
                reload = True
            if unit.command:
                commands.append(unit)
        if reload:
            self._must("reload systemd", ["systemctl", "daemon-reload"])
        for unit in commands:
            # A command's failure is logged, no more: so does coreos-cloudinit.
            status = self._run(["systemctl", unit.command, unit.name])
            outcome = "done" if status == 0 else f"failed ({status})"
            self._log(f"{unit.command} {unit.name}: {outcome}")

    def _place(self, unit: Unit) -> bool:
        """Write a unit's files. Returns whether systemd must read them."""
        folder = "/run/systemd/system" if unit.runtime else "/etc/systemd/system"
        destination = f"{folder}/{unit.name}"
        files = [(destination, unit.content)] if unit.content else []
        files += [
            (f"{destination}.d/{drop_in.name}", drop_in.content)
            for drop_in in unit.drop_ins
            if drop_in.name and drop_in.content
        ]
        for path, content in files:
            self._write(WrittenFile(path=path, content=content.encode()))
        if unit.mask:
            self._mask(destination)
            return True
        unmasked = unit.runtime and self._unmask(destination)
        return unmasked or bool(files)

    def _mask(self, destination: str) -> None:
        path = self._path(destination)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
        self._log(f"masked {path.name}")

    def _unmask(self, destination: str) -> bool:
        path = self._path(destination)
        if path.is_symlink() and path.readlink() == Path("/dev/null"):
            path.unlink()
            return True
        return False


def _units_of_update(update: tuple[tuple[str, str], ...]) -> tuple[Unit, ...]:
    """Return the units that a changed update.conf concerns."""
    values = dict(update)
    units: list[Unit] = []
    if strategy := values.get("REBOOT_STRATEGY"):
        off = strategy == "off"
        units.append(
            Unit(
                name="locksmithd.service",
                command="stop" if off else "restart",
                mask=off,
                runtime=True,
            )
        )
    if "GROUP" in values or "SERVER" in values:
        units.append(Unit(name="update-engine.service", command="restart"))
    return tuple(units)


def main(folder: Path = Path("/var/lib/moor"), root: Path = Path("/")) -> int:
    """Apply the user data that the sandbox left on the machine.

    Args:
        folder: Holds `user-data`, `authorized-keys` and `addresses`, each optional.
        root: Where to apply it.

    Returns:
        The exit status: 1 where the user data cannot be applied.
    """

    def log(line: str) -> None:
        print(f"user-data: {line}", file=sys.stderr, flush=True)  # noqa: T201  # the journal

    def run(command: list[str]) -> int:
        return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode

    def read(name: str) -> bytes:
        file = folder / name
        return file.read_bytes() if file.exists() else b""

    keys = tuple(line for line in read("authorized-keys").decode().splitlines() if line)
    machine = Machine(root=root, run=run, log=log)
    try:
        text = decode(read("user-data"))
        pairs = (line.partition("=") for line in read("addresses").decode().splitlines())
        text = substitute_addresses(text, {name: value for name, _, value in pairs})
        if text.startswith("#!"):
            machine.apply(CloudConfig(), keys=keys)
            script = folder / "script"
            script.write_text(text)
            return run(["/bin/bash", str(script)])
        config = read_cloud_config(text) if text.strip() else CloudConfig()
        machine.apply(config, keys=keys)
    except (UserDataError, OSError) as error:
        log(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
