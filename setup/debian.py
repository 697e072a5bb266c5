"""Packages of the operating system, where that is Debian or a descendant and we are root."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from setup.errors import SetupError

if TYPE_CHECKING:
    from setup.step import Step

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

_APT = threading.Lock()
"""Held while packages are installed: apt's lists have a lock that it does not wait for."""


def find_program(name: str, path: str | None = None) -> str | None:
    """Find a program on PATH or in a folder for the administrator's programs.

    Args:
        name: The program's name.
        path: The value of PATH; None for this process's.
    """
    folders = [path if path is not None else os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS]
    return shutil.which(name, path=os.pathsep.join(folders))


def is_debian(os_release: Path = Path("/etc/os-release")) -> bool:
    """Return whether packages come from apt."""
    try:
        lines = os_release.read_text().splitlines()
    except OSError:
        return False
    words: list[str] = []
    for line in lines:
        key, _, value = line.partition("=")
        if key in {"ID", "ID_LIKE"}:
            words += value.strip("\"'").split()
    return "debian" in words and shutil.which("apt-get") is not None


def can_install() -> bool:
    """Return whether we may install packages here."""
    return os.geteuid() == 0 and is_debian()


def install(step: Step, *packages: str) -> None:
    """Install packages.

    Args:
        step: The step that needs them.
        *packages: Their names.

    Raises:
        SetupError: apt-get fails, also after its lists were brought up to date.
    """
    command = (
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=120",
        "install",
        "--yes",
        "--no-install-recommends",
        *packages,
    )
    with step.turn(_APT):
        step.doing(f"installing with apt-get: {' '.join(packages)}")
        try:
            step.command(*command, on_system=True)
        except SetupError:
            # Lists that are missing or out of date name packages that are not there (any more).
            step.command("apt-get", "-o", "DPkg::Lock::Timeout=120", "update", on_system=True)
            step.command(*command, on_system=True)


def is_known(step: Step, package: str) -> bool:
    """Return whether apt knows a package."""
    return bool(step.read("apt-cache", "--quiet=2", "show", package))
