"""The `#cloud-config` that Flatcar's coreos-cloudinit reads from user data at every boot.

A plain object: add files and units, then `render` the text. Only keys that current Flatcar
knows are written (`drop_ins`, never the old `drop-ins`, which is ignored without a word), and
what coreos-cloudinit would quietly skip or rewrite is refused here.

Source: flatcar/coreos-cloudinit, config/, initialize/config.go and initialize/env.go;
flatcar/Flatcar#1567 for the keys.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Protocol

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER: Final = "#cloud-config\n"
USER_DATA_LIMIT: Final = 16384
"""Bytes of user data that EC2 takes (Source: EC2 User Guide, "Run commands at launch")."""

UPDATE_CONFIGURATION: Final = "/etc/flatcar/update.conf"

_UNIT_SUFFIXES: Final = (
    "service", "socket", "target", "timer", "path", "mount", "automount", "swap", "slice",
)  # fmt: skip
_NETWORK_SUFFIXES: Final = ("network", "netdev", "link")
_COMMANDS: Final = (
    "start", "stop", "restart", "reload", "try-restart", "reload-or-restart",
    "reload-or-try-restart",
)  # fmt: skip
_REBOOT_STRATEGIES: Final = ("reboot", "etcd-lock", "off")
# coreos-cloudinit replaces these anywhere in the text, even in the middle of a file.
_SUBSTITUTED: Final = ("$public_ipv4", "$private_ipv4", "$public_ipv6", "$private_ipv6")
_NAME: Final = re.compile(r"[A-Za-z0-9:_.@\\-]{1,255}")
_PERMISSIONS: Final = re.compile(r"0?[0-7]{3,4}")
_OWNER: Final = re.compile(r"[a-z_][a-z0-9_-]*(:[a-z_][a-z0-9_-]*)?")
_HOSTNAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_WINDOW_START: Final = re.compile(r"((Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([01]\d|2[0-3]):[0-5]\d")
_WINDOW_LENGTH: Final = re.compile(r"(?=\d)(\d+h)?(\d+m)?")


class UserDataTooLargeError(ValueError):
    """The text is larger than EC2 takes.

    Attributes:
        size: Bytes of the text.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(
            f"user data: size: must be at most {USER_DATA_LIMIT} bytes, got {size}; "
            "move files out of user data and upload them after the boot"
        )


class Updates(Protocol):
    """When the machine may reboot to finish an update; the settings have this form."""

    @property
    def reboot_strategy(self) -> str:
        """`reboot`, `etcd-lock` or `off`."""

    @property
    def window_start(self) -> str | None:
        """Start of the reboot window in UTC, such as `Sun 04:00` or `04:00`."""

    @property
    def window_length(self) -> str | None:
        """Length of the reboot window, such as `1h30m`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that is written at every boot.

    Attributes:
        path: Its absolute path.
        content: Its text.
        permissions: Its mode in octal digits, such as `0644`.
        owner: `user` or `user:group`.

    Raises:
        ValueError: A field is not of that form, or the content does not belong in user data.
    """

    path: str
    content: str
    permissions: str = "0644"
    owner: str = "root"

    def __post_init__(self) -> None:
        """Refuse what would fail on the machine, or not do what it says."""
        subject = f"file {self.path}"
        pure = PurePosixPath(self.path)
        # pathlib lets two slashes at the front stand.
        plain = str(pure) == self.path and not self.path.startswith("//")
        if not pure.is_absolute() or not plain or ".." in pure.parts or pure.name == "":
            raise ValueError(f"file: path: must be absolute and plain, got {self.path!r}")
        _check_text(f"{subject}: path", self.path)
        if not _PERMISSIONS.fullmatch(self.permissions):
            raise ValueError(
                f"{subject}: permissions: must be octal digits such as 0644, "
                f"got {self.permissions!r}"
            )
        if not _OWNER.fullmatch(self.owner):
            raise ValueError(f"{subject}: owner: must be user or user:group, got {self.owner!r}")
        _check_text(f"{subject}: content", self.content)

    def to_data(self) -> dict[str, Any]:
        """Give the entry of `write_files`."""
        return {
            "path": _Text(self.path),
            "permissions": _Text(self.permissions),
            "owner": _Text(self.owner),
            "content": _Text(self.content),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DropIn:
    """A drop-in of a unit.

    Attributes:
        name: Its file name, which ends in `.conf`.
        content: Its text; not empty, since an empty one is skipped.

    Raises:
        ValueError: A field is not of that form.
    """

    name: str
    content: str

    def __post_init__(self) -> None:
        """Refuse what systemd or coreos-cloudinit would not read."""
        if not _NAME.fullmatch(self.name) or not self.name.endswith(".conf"):
            raise ValueError(
                f"drop-in: name: must be a file name that ends in .conf, got {self.name!r}"
            )
        _check_unit_text(f"drop-in {self.name}: content", self.content)

    def to_data(self) -> dict[str, Any]:
        """Give the entry of `drop_ins`."""
        return {"name": _Text(self.name), "content": _Text(self.content)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A systemd unit.

    Attributes:
        name: Its name with its suffix.
        content: The whole unit file; none for a unit that the system brings.
        command: What is done with it at every boot, such as `start`.
        enable: Whether its `[Install]` section is carried out.
        mask: Whether it is masked, which removes a unit file of ours.
        runtime: Whether unit file and enabling last until the next boot only.
        drop_ins: Its drop-ins.

    Raises:
        ValueError: A field is not of that form, or fields contradict each other.
    """

    name: str
    content: str | None = None
    command: str | None = None
    enable: bool = False
    mask: bool = False
    runtime: bool = False
    drop_ins: tuple[DropIn, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what coreos-cloudinit would skip or abort at."""
        suffix = self.name.rpartition(".")[2]
        if not _NAME.fullmatch(self.name) or suffix not in _UNIT_SUFFIXES + _NETWORK_SUFFIXES:
            raise ValueError(
                "unit: name: must be a unit's name with its suffix, such as docker.service, "
                f"got {self.name!r}"
            )
        subject = f"unit {self.name}"
        if self.content is not None:
            _check_unit_text(f"{subject}: content", self.content)
        if self.command is not None and self.command not in _COMMANDS:
            raise ValueError(
                f"{subject}: command: must be one of {', '.join(_COMMANDS)}, got {self.command!r}"
            )
        if suffix in _NETWORK_SUFFIXES and (self.enable or self.command is not None):
            raise ValueError(
                f"{subject}: must have neither enable nor command, got one; "
                "coreos-cloudinit ignores them for network units"
            )
        if self.mask and (self.content is not None or self.enable):
            raise ValueError(
                f"{subject}: must not be masked and have content or be enabled, got both"
            )
        _check_unique(f"{subject}: drop_ins", [d.name for d in self.drop_ins])

    def to_data(self) -> dict[str, Any]:
        """Give the entry of `coreos.units`."""
        data: dict[str, Any] = {"name": _Text(self.name)}
        data.update({key: True for key in ("enable", "mask", "runtime") if getattr(self, key)})
        if self.command is not None:
            data["command"] = _Text(self.command)
        if self.content is not None:
            data["content"] = _Text(self.content)
        if self.drop_ins:
            data["drop_ins"] = [drop_in.to_data() for drop_in in self.drop_ins]
        return data


class CloudConfig:
    """Files, units and update strategy of a machine."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._files: list[File] = []
        self._units: list[Unit] = []
        self._hostname: str | None = None

    @property
    def files(self) -> tuple[File, ...]:
        """The files, in the order of their adding."""
        return tuple(self._files)

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units, in the order of their adding, which is also that of their commands."""
        return tuple(self._units)

    def add_file(
        self, path: str, content: str, *, permissions: str = "0644", owner: str = "root"
    ) -> None:
        """Add a file.

        Args:
            path: Its absolute path, once a configuration.
            content: Its text.
            permissions: Its mode in octal digits.
            owner: `user` or `user:group`.

        Raises:
            ValueError: As `File` says, or the path is taken.
        """
        file = File(path=path, content=content, permissions=permissions, owner=owner)
        _check_unique("cloud-config: files", [*(f.path for f in self._files), path])
        self._files.append(file)

    def add_unit(
        self,
        name: str,
        *,
        content: str | None = None,
        command: str | None = None,
        enable: bool = False,
        mask: bool = False,
        runtime: bool = False,
        drop_ins: Sequence[DropIn] = (),
    ) -> None:
        """Add a unit, or settings of a unit that the system brings.

        Args:
            name: Its name with its suffix, once a configuration.
            content: The whole unit file.
            command: What is done with it at every boot.
            enable: Whether its `[Install]` section is carried out.
            mask: Whether it is masked.
            runtime: Whether this lasts until the next boot only.
            drop_ins: Its drop-ins.

        Raises:
            ValueError: As `Unit` says, or the name is taken.
        """
        unit = Unit(
            name=name,
            content=content,
            command=command,
            enable=enable,
            mask=mask,
            runtime=runtime,
            drop_ins=tuple(drop_ins),
        )
        _check_unique("cloud-config: units", [*(u.name for u in self._units), name])
        self._units.append(unit)

    def set_update(
        self,
        *,
        reboot_strategy: str,
        window_start: str | None = None,
        window_length: str | None = None,
    ) -> None:
        """Say when the machine may reboot to finish an update.

        Written as a file: the key `coreos.update` makes coreos-cloudinit read update.conf
        under its old path first, and give up on the whole user data where it is missing.
        locksmithd must be restarted to see it on the first boot.

        Args:
            reboot_strategy: `reboot`, `etcd-lock` or `off`.
            window_start: Start of the reboot window in UTC, such as `Sun 04:00` or `04:00`.
            window_length: Its length, such as `1h30m`; both or neither.

        Raises:
            ValueError: An argument is not of that form, or it was called before.

        Source: flatcar/locksmith, README; Flatcar's documentation, "Update and reboot strategies".
        """
        if reboot_strategy not in _REBOOT_STRATEGIES:
            raise ValueError(
                f"updates: reboot_strategy: must be one of {', '.join(_REBOOT_STRATEGIES)}, "
                f"got {reboot_strategy!r}"
            )
        lines = [f"REBOOT_STRATEGY={reboot_strategy}"]
        if (window_start is None) != (window_length is None):
            raise ValueError(
                "updates: window_start and window_length: must be given together, got one"
            )
        if window_start is not None and window_length is not None:
            if not _WINDOW_START.fullmatch(window_start):
                raise ValueError(
                    "updates: window_start: must be a time such as Sun 04:00 or 04:00, "
                    f"got {window_start!r}"
                )
            if not _WINDOW_LENGTH.fullmatch(window_length):
                raise ValueError(
                    "updates: window_length: must be hours and minutes such as 1h30m, "
                    f"got {window_length!r}"
                )
            # Quoted: systemd and shells both read this file.
            lines.append(f'LOCKSMITHD_REBOOT_WINDOW_START="{window_start}"')
            lines.append(f'LOCKSMITHD_REBOOT_WINDOW_LENGTH="{window_length}"')
        self.add_file(UPDATE_CONFIGURATION, "\n".join(lines) + "\n")

    def set_hostname(self, hostname: str) -> None:
        """Set the machine's name.

        Args:
            hostname: 1 to 63 lower-case letters, digits and hyphens.

        Raises:
            ValueError: The name is not of that form.
        """
        if not _HOSTNAME.fullmatch(hostname):
            raise ValueError(
                "cloud-config: hostname: must be 1 to 63 lower-case letters, digits and hyphens, "
                f"got {hostname!r}"
            )
        self._hostname = hostname

    def render(self) -> str:
        """Give the text.

        Returns:
            `#cloud-config`, a newline and YAML, at most 16384 bytes of UTF-8.

        Raises:
            UserDataTooLargeError: It would be larger.
        """
        data: dict[str, Any] = {}
        if self._hostname is not None:
            data["hostname"] = _Text(self._hostname)
        if self._files:
            data["write_files"] = [file.to_data() for file in self._files]
        if self._units:
            data["coreos"] = {"units": [unit.to_data() for unit in self._units]}
        body = yaml.dump(
            data,
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=False,
            # Folded lines are hard to read and nobody has to print this.
            width=USER_DATA_LIMIT * 4,
        )
        text = HEADER + (body if data else "{}\n")
        size = len(text.encode())
        if size > USER_DATA_LIMIT:
            raise UserDataTooLargeError(size)
        return text


class _Text(str):
    """A value, as opposed to a key: written so that no reader takes it for another type."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes values as literal blocks where they have lines, else in double quotes.

    Never plain: `off`, `0644` or `03:00` would be a boolean or a number to some readers.
    """


def _represent_text(dumper: yaml.SafeDumper, value: _Text) -> yaml.ScalarNode:
    # The emitter falls back to double quotes where a block would not come back equal.
    style = "|" if "\n" in value else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style=style)


_Dumper.add_representer(_Text, _represent_text)


def _check_text(subject: str, text: str) -> None:
    for position, character in enumerate(text):
        category = unicodedata.category(character)
        # Cc: control characters; Cs: halves of surrogate pairs; Cn covers non-characters.
        # U+FEFF is a byte-order mark to a YAML reader, and vanishes.
        if (
            category in ("Cc", "Cs") and character not in "\t\n\r"
        ) or character in "\ufeff\ufffe\uffff":
            raise ValueError(
                f"{subject}: must have no control characters, "
                f"got U+{ord(character):04X} at position {position}"
            )
    if "PRIVATE KEY" in text:
        raise ValueError(
            f"{subject}: must hold no private key, got one; user data can be read by everything "
            "on the machine, so upload the key after the boot"
        )
    for name in _SUBSTITUTED:
        if name in text:
            raise ValueError(
                f"{subject}: must not hold {name}, which coreos-cloudinit replaces; "
                f"write ${{{name[1:]}}} or another name"
            )


def _check_unit_text(subject: str, text: str) -> None:
    if not text.strip():
        raise ValueError(f"{subject}: must not be empty, got {text!r}; coreos-cloudinit skips it")
    _check_text(subject, text)


def _check_unique(subject: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{subject}: must have different names, got {name} twice")
