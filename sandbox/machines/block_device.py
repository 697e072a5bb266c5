"""Block devices of machines: loop devices of this computer, each with a file behind it.

A loop device is a resource of the computer that everybody shares, so its number says whose it is:
each machine has one number, that of its address, and is allowed this one device and no other. What
is in the file outlives the machine, and the sandbox.

Source: loop(4); the kernel's `include/uapi/linux/loop.h`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address

MAJOR: Final = 7
_CONTROL: Final = Path("/dev/loop-control")
_ADD: Final = 0x4C80
_REMOVE: Final = 0x4C81
_MINOR_BITS: Final = 20
_KERNELS_OWN: Final = 1024
"""Numbers below are those that the kernel and other programs choose."""

_MOST_PARTITIONS: Final = Path("/sys/module/loop/parameters/max_part")
_DEVICES: Final = Path("/sys/block")


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """The one block device that a machine may have beside its disk.

    Attributes:
        number: The N of `/dev/loopN`, 1024 or more.
        minor: Its minor device number.
    """

    number: int
    minor: int

    @classmethod
    def of(cls, address: IPv4Address) -> BlockDevice:
        """Return the device of the machine that has an address, which one machine has at a time."""
        shift = _partition_bits()
        numbers = (1 << (_MINOR_BITS - shift)) - _KERNELS_OWN
        number = int(address) % numbers + _KERNELS_OWN
        return cls(number, number << shift)

    @property
    def rule(self) -> str:
        """What lets a container use this device, and no other, in Docker's words."""
        return f"b {MAJOR}:{self.minor} rwm"

    @property
    def path(self) -> Path:
        """The device on this computer."""
        return Path(f"/dev/loop{self.number}")

    def attach(self, file: Path) -> None:
        """Put a file behind the device.

        Raises:
            SandboxError: The computer gives no loop devices, or another file is behind it.
        """
        behind = _file_behind(self.number)
        if behind == file:
            return
        if behind is not None:
            msg = (
                f"loop device {self.path}: must be free for {file}, got {behind} behind it; "
                "choose another sandbox.subnet"
            )
            raise SandboxError(msg)
        with _control() as control:
            try:
                fcntl.ioctl(control, _ADD, self.number)
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise _no_devices(str(error)) from error
        _run("losetup", str(self.path), str(file))

    def detach(self) -> None:
        """Take the file away from the device, and the device from the computer."""
        if _file_behind(self.number) is not None:
            _run("losetup", "--detach", str(self.path))
        with contextlib.suppress(OSError, SandboxError), _control() as control:
            fcntl.ioctl(control, _REMOVE, self.number)

    def grow(self) -> None:
        """Let the device have the size that its file has by now."""
        _run("losetup", "--set-capacity", str(self.path))


def must_be_there() -> None:
    """Refuse a computer that gives no loop devices.

    Raises:
        SandboxError: It gives none, with what can be done.
    """
    with _control():
        pass


def attached(folder: Path) -> Iterator[BlockDevice]:
    """Yield the devices that have a file of a folder behind them.

    Args:
        folder: Files directly in it count, and no others.
    """
    shift = _partition_bits()
    for entry in _DEVICES.glob("loop*"):
        number = entry.name.removeprefix("loop")
        if number.isdecimal():
            behind = _file_behind(int(number))
            if behind is not None and behind.parent == folder:
                yield BlockDevice(int(number), int(number) << shift)


def _partition_bits() -> int:
    """Return how many bits of a minor number are for partitions, as the kernel was told."""
    try:
        return int(_MOST_PARTITIONS.read_text()).bit_length()
    except (OSError, ValueError):
        return 0


def _file_behind(number: int) -> Path | None:
    try:
        text = (_DEVICES / f"loop{number}" / "loop" / "backing_file").read_text()
    except OSError:
        return None
    return Path(text.rstrip("\n").removesuffix(" (deleted)"))


@contextlib.contextmanager
def _control() -> Iterator[int]:
    try:
        control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise _no_devices(f"{_CONTROL}: {error.strerror}") from error
    try:
        yield control
    finally:
        os.close(control)


def _no_devices(reason: str) -> SandboxError:
    return SandboxError(
        f"aws.data_volume: must have a loop device of this computer in a sandbox, got {reason}; "
        "run as root where there is /dev/loop-control (modprobe loop), or remove the setting"
    )


def _run(*words: str) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise _no_devices(f"{words[0]}: {error.strerror}") from error
    if done.returncode:
        raise _no_devices(done.stderr.strip())
