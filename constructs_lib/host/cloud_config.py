"""The `#cloud-config` that Flatcar's coreos-cloudinit reads from user data at every boot.

Only keys that current Flatcar knows are written (`drop_ins`, never the old `drop-ins`, which is
ignored without a word), and what coreos-cloudinit would quietly skip or rewrite is refused here.

Source: flatcar/coreos-cloudinit, config/, initialize/config.go and initialize/env.go;
flatcar/Flatcar#1567 for the keys.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

import yaml

from constructs_lib.aws.limits import USER_DATA_LIMIT
from constructs_lib.host.machine_config import NETWORK_SUFFIXES

if TYPE_CHECKING:
    from constructs_lib.host.machine_config import DropIn, File, MachineConfig, Unit

HEADER: Final = "#cloud-config\n"

# coreos-cloudinit replaces these anywhere in the text, even in the middle of a file.
_SUBSTITUTED: Final = ("$public_ipv4", "$private_ipv4", "$public_ipv6", "$private_ipv6")


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


def render(config: MachineConfig) -> str:
    """Return the text of a machine's configuration.

    Args:
        config: The configuration.

    Returns:
        `#cloud-config`, a newline and YAML, at most 16384 bytes of UTF-8.

    Raises:
        UserDataTooLargeError: It would be larger.
        ValueError: coreos-cloudinit would skip or rewrite something of it.
    """
    data: dict[str, Any] = {}
    if config.files:
        data["write_files"] = [_file(file) for file in config.files]
    if config.units:
        data["coreos"] = {"units": [_unit(unit) for unit in config.units]}
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


def _file(file: File) -> dict[str, Any]:
    """Return the entry of `write_files`."""
    subject = f"file {file.path}"
    _check_text(f"{subject}: path", file.path)
    _check_text(f"{subject}: content", file.content)
    return {
        "path": _Text(file.path),
        "permissions": _Text(file.permissions),
        "owner": _Text(file.owner),
        "content": _Text(file.content),
    }


def _unit(unit: Unit) -> dict[str, Any]:
    """Return the entry of `coreos.units`."""
    subject = f"unit {unit.name}"
    suffix = unit.name.rpartition(".")[2]
    if suffix in NETWORK_SUFFIXES and (unit.enable or unit.command is not None):
        raise ValueError(
            f"{subject}: must have neither enable nor command, got one; "
            "coreos-cloudinit ignores them for network units"
        )
    data: dict[str, Any] = {"name": _Text(unit.name)}
    data.update({key: True for key in ("enable", "mask", "runtime") if getattr(unit, key)})
    if unit.command is not None:
        data["command"] = _Text(unit.command)
    if unit.content is not None:
        _check_unit_text(f"{subject}: content", unit.content)
        data["content"] = _Text(unit.content)
    if unit.drop_ins:
        data["drop_ins"] = [_drop_in(drop_in) for drop_in in unit.drop_ins]
    return data


def _drop_in(drop_in: DropIn) -> dict[str, Any]:
    """Return the entry of `drop_ins`."""
    _check_unit_text(f"drop-in {drop_in.name}: content", drop_in.content)
    return {"name": _Text(drop_in.name), "content": _Text(drop_in.content)}


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
