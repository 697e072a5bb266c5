"""Programs that are built from Go modules, where nobody offers them as files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from setup import debian
from setup.errors import SetupError
from setup.variables import go_variables

if TYPE_CHECKING:
    from setup.project import Project
    from setup.step import Step

_USUAL_PLACE: Final = Path("/usr/local/go/bin/go")


def build(
    step: Step, *, source: Path, package: str, target: Path, flags: tuple[str, ...], remedy: str
) -> None:
    """Build one program into a new file, and put that into its place.

    Args:
        step: The step that needs it.
        source: The folder with the `go.mod` and `go.sum` that pin everything.
        package: The package to build.
        target: Where the program goes.
        flags: More flags of `go build`.
        remedy: What to do where there is no Go.

    Raises:
        SetupError: There is no Go, or the build fails.
    """
    go = debian.find_program("go", step.context.variables.get("PATH"))
    if go is None and os.access(_USUAL_PLACE, os.X_OK):
        go = str(_USUAL_PLACE)
    if go is None:
        msg = f"{step.name}: go: must be there to build {package}, got no such command; {remedy}"
        raise SetupError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = step.project.temporary / target.name
    step.command(
        *(go, "build", "-mod=readonly", "-modcacherw", "-buildvcs=false", "-trimpath"),
        # Not optimised: less than half of the compiler's time, and these programs wait for
        # others anyway.
        "-gcflags=all=-N -l -dwarf=false",
        *flags,
        *("-o", new, package),
        cwd=source,
        variables=go_variables(step.project, step.context.variables),
    )
    new.replace(target)


def forget(project: Project) -> None:
    """Delete Go's caches: gigabytes that only a new version of a program would need."""
    for name in ("go", "go-build"):
        shutil.rmtree(project.cache / name, ignore_errors=True)
