"""Programs that are built from Go modules, where nobody offers them as files.

What a build takes is the compiler's time, so that two at once would gain nothing: each would
compile the packages that both need. One after the other, the second finds them compiled. For
that the modules that both name have to have the same version (see `setup/compose/go.mod`).
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Final

from setup import debian
from setup.errors import SetupError
from setup.variables import go_variables

if TYPE_CHECKING:
    from setup.project import Project
    from setup.step import Step

_USUAL_PLACE: Final = Path("/usr/local/go/bin/go")

_COMPILER: Final = threading.Lock()
"""Held while a program is built."""

_PACKAGE_NAME: Final = re.compile(r"[\w.~/-]+")
"""A line of `go build -v`: a package that is compiled now."""

_BUILD_INFO: Final = b"\xff Go buildinf:"

_NOTHING: Final = '{{""}}'
"""The format in which `go list` prints nothing."""


def build(
    step: Step,
    *,
    source: Path,
    package: str,
    target: Path,
    remedy: str,
    linker_flags: str = "-s -w",
    tags: str = "",
) -> None:
    """Build one program into a new file, and put that into its place.

    Args:
        step: The step that needs it.
        source: The folder with the `go.mod` and `go.sum` that pin everything.
        package: The package to build.
        target: Where the program goes.
        remedy: What to do where there is no Go.
        linker_flags: What the linker is told.
        tags: The build's tags.

    Raises:
        SetupError: There is no Go, or the build fails.
        StoppedError: Another step failed, or set-up is interrupted.
    """
    go = debian.find_program("go", step.context.variables.get("PATH"))
    if go is None and os.access(_USUAL_PLACE, os.X_OK):
        go = str(_USUAL_PLACE)
    if go is None:
        msg = f"{step.name}: go: must be there to build {package}, got no such command; {remedy}"
        raise SetupError(msg)
    flags = ("-mod=readonly", "-modcacherw", "-buildvcs=false", "-trimpath", f"-tags={tags}")
    variables = go_variables(step.project, step.context.variables)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = step.project.temporary / target.name
    # To list the packages fetches the modules. That waits for the network, and so it needs no
    # turn: it goes on while another program is compiled.
    step.doing("fetching Go modules")
    step.command(
        go, "list", *flags, "-deps", "-f", _NOTHING, package, cwd=source, variables=variables
    )
    with step.turn(_COMPILER):
        step.doing(f"building {target.name} (some minutes)")
        step.command(
            *(go, "build", "-v", *flags),
            # Not optimised: less than half of the compiler's time, and these programs wait for
            # others anyway.
            "-gcflags=all=-N -l -dwarf=false",
            *("-ldflags", linker_flags, "-o", new, package),
            cwd=source,
            variables=variables,
            noise=_PACKAGE_NAME,
        )
    new.replace(target)


def version_of(binary: Path) -> str:
    """Return the version of the Go that built a program, such as `1.25.8`; else `unknown`.

    Args:
        binary: The program.

    Source: Go's package `debug/buildinfo`; since Go 1.18 the version stands 32 bytes behind the
        mark.
    """
    with binary.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        place = content.find(_BUILD_INFO)
        if place < 0:
            return "unknown"
        # A length of one byte, since no version is longer than 127.
        length = content[place + 32]
        text = content[place + 33 : place + 33 + length].decode(errors="replace")
    found = re.match(r"go(\d[\w.+-]*)", text)
    return found[1] if found else "unknown"


def forget(project: Project) -> None:
    """Delete Go's caches: gigabytes that only a new version of a program would need."""
    for name in ("go", "go-build"):
        shutil.rmtree(project.cache / name, ignore_errors=True)
