"""What a machine is made of: files, units and drop-ins, as values that no format knows of.

What a format cannot say, or says differently, is the format's own matter: see `cloud_config`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

UPDATE_CONFIGURATION: Final = "/etc/flatcar/update.conf"

UNIT_SUFFIXES: Final = (
    "service", "socket", "target", "timer", "path", "mount", "automount", "swap", "slice",
)  # fmt: skip
NETWORK_SUFFIXES: Final = ("network", "netdev", "link")
_COMMANDS: Final = (
    "start", "stop", "restart", "reload", "try-restart", "reload-or-restart",
    "reload-or-try-restart",
)  # fmt: skip
_REBOOT_STRATEGIES: Final = ("reboot", "etcd-lock", "off")
_NAME: Final = re.compile(r"[A-Za-z0-9:_.@\\-]{1,255}")
_PERMISSIONS: Final = re.compile(r"0?[0-7]{3,4}")
_OWNER: Final = re.compile(r"[a-z_][a-z0-9_-]*(:[a-z_][a-z0-9_-]*)?")
WINDOW_START: Final = re.compile(r"((Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([01]\d|2[0-3]):[0-5]\d")
WINDOW_LENGTH: Final = re.compile(r"(?=\d)(\d+h)?(\d+m)?")


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
    """A file of the machine.

    Attributes:
        path: Its absolute path.
        content: Its text.
        permissions: Its mode in octal digits, such as `0644`.
        owner: `user` or `user:group`.

    Raises:
        ValueError: A field is not of that form, or the content is a private key.
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
        if not _PERMISSIONS.fullmatch(self.permissions):
            raise ValueError(
                f"{subject}: permissions: must be octal digits such as 0644, "
                f"got {self.permissions!r}"
            )
        if not _OWNER.fullmatch(self.owner):
            raise ValueError(f"{subject}: owner: must be user or user:group, got {self.owner!r}")
        _check_no_key(f"{subject}: content", self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropIn:
    """A drop-in of a unit.

    Attributes:
        name: Its file name, which ends in `.conf`.
        content: Its text.

    Raises:
        ValueError: A field is not of that form, or the content is a private key.
    """

    name: str
    content: str

    def __post_init__(self) -> None:
        """Refuse what systemd would not read."""
        if not _NAME.fullmatch(self.name) or not self.name.endswith(".conf"):
            raise ValueError(
                f"drop-in: name: must be a file name that ends in .conf, got {self.name!r}"
            )
        _check_no_key(f"drop-in {self.name}: content", self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A systemd unit.

    Attributes:
        name: Its name with its suffix; a network's (`network`, `netdev`, `link`) as well.
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
        """Refuse what systemd knows no meaning for."""
        suffix = self.name.rpartition(".")[2]
        if not _NAME.fullmatch(self.name) or suffix not in UNIT_SUFFIXES + NETWORK_SUFFIXES:
            raise ValueError(
                "unit: name: must be a unit's name with its suffix, such as docker.service, "
                f"got {self.name!r}"
            )
        subject = f"unit {self.name}"
        if self.content is not None:
            _check_no_key(f"{subject}: content", self.content)
        if self.command is not None and self.command not in _COMMANDS:
            raise ValueError(
                f"{subject}: command: must be one of {', '.join(_COMMANDS)}, got {self.command!r}"
            )
        if self.mask and (self.content is not None or self.enable):
            raise ValueError(
                f"{subject}: must not be masked and have content or be enabled, got both"
            )
        _check_unique(f"{subject}: drop_ins", [d.name for d in self.drop_ins])


class MachineConfig:
    """Files and units of a machine, in no format yet: add them, then let a format render them."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._files: list[File] = []
        self._units: list[Unit] = []

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
        _check_unique("machine: files", [*(f.path for f in self._files), path])
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
        _check_unique("machine: units", [*(u.name for u in self._units), name])
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
            if not WINDOW_START.fullmatch(window_start):
                raise ValueError(
                    "updates: window_start: must be a time such as Sun 04:00 or 04:00, "
                    f"got {window_start!r}"
                )
            if not WINDOW_LENGTH.fullmatch(window_length):
                raise ValueError(
                    "updates: window_length: must be hours and minutes such as 1h30m, "
                    f"got {window_length!r}"
                )
            # Quoted: systemd and shells both read this file.
            lines.append(f'LOCKSMITHD_REBOOT_WINDOW_START="{window_start}"')
            lines.append(f'LOCKSMITHD_REBOOT_WINDOW_LENGTH="{window_length}"')
        self.add_file(UPDATE_CONFIGURATION, "\n".join(lines) + "\n")


def _check_no_key(subject: str, text: str) -> None:
    if "PRIVATE KEY" in text:
        raise ValueError(
            f"{subject}: must hold no private key, got one; user data can be read by everything "
            "on the machine, so upload the key after the boot"
        )


def _check_unique(subject: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{subject}: must have different names, got {name} twice")
