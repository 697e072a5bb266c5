"""Packages of the operating system, where that is Debian or a descendant and we are root."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from setup import children
from setup.errors import SetupError
from setup.variables import child_variables

if TYPE_CHECKING:
    from setup.step import Step

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


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
    step.say(f"installing with apt-get: {' '.join(packages)}")
    # Never with the lock: a package may start a service, which would hold it for ever.
    command = (
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=120",
        "install",
        "--yes",
        "--no-install-recommends",
        *packages,
    )
    try:
        step.command(*command, holds_lock=False)
    except SetupError:
        # Lists that are missing or out of date name packages that are not there (any more).
        step.command("apt-get", "-o", "DPkg::Lock::Timeout=120", "update", holds_lock=False)
        step.command(*command, holds_lock=False)


def is_known(step: Step, package: str) -> bool:
    """Return whether apt knows a package."""
    variables = child_variables(step.project, step.context.variables)
    shown = children.read(
        ["apt-cache", "--quiet=2", "show", package], cwd=step.project.root, variables=variables
    )
    return bool(shown)
