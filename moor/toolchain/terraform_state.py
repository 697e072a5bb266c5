"""What Terraform remembers of an environment, read without running Terraform.

Terraform takes an empty state file for no state at all, and would make everything once more.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.files.private_file import write_private
from moor.failure import CommandError
from moor.outputs import outputs_file

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.settings.environment import Environment


_EMPTY: Final = "an empty file"


def resource_count(environment: Environment) -> int:
    """Count the managed resources in the environment's local state files.

    Raises:
        CommandError: A state file is not readable as one.
    """
    return sum(_count(_document(file)) for file in _files(environment))


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that Terraform has kept of a state.

    Attributes:
        file: The backup.
        serial: Which version of the state it is.
        resources: How many resources it knows.
        written: When it was written, in seconds since 1970.
    """

    file: Path
    serial: int
    resources: int
    written: float


def check(environment: Environment) -> None:
    """See that no local state file is empty, damaged or gone beside a backup that is good.

    Raises:
        CommandError: One is; with what to do about it.
    """
    problems, deployed = [], _deployed(environment)
    for file in sorted({*_files(environment), *map(_without_backup, _backups(environment))}):
        problem = damage(file)
        if problem is None:
            continue
        found = backup_of(file)
        if found is None and problem == _EMPTY and file.stem not in deployed:
            # Terraform makes the file when it begins to plan; killed then, it leaves it empty.
            continue
        if found is None:
            problems.append(
                f"{file}: must be a Terraform state, got {problem}, and no backup of it; if "
                "nothing is deployed, remove it; else see `moor state adopt --help`"
            )
        else:
            problems.append(
                f"{file}: must be a Terraform state, got {problem}, beside a good backup of "
                f"{found.resources} resources; run: moor state restore {file.stem}"
            )
    if problems:
        raise CommandError("\n".join(problems))


def damage(file: Path) -> str | None:
    """Return what is wrong with a state file, in words; None where nothing is.

    A state that is not there is fine where no backup knows any resources.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        found = backup_of(file)
        return "no such file" if found is not None and found.resources else None
    except (OSError, UnicodeDecodeError):
        return "a file that cannot be read"
    if not text.strip():
        return _EMPTY
    return None if _parsed(text) is not None else "something else"


def backup_of(file: Path) -> Backup | None:
    """Return the backup of a state file; None where there is none that is whole."""
    backup = file.with_name(f"{file.name}.backup")
    try:
        document = _parsed(backup.read_text(encoding="utf-8"))
        written = backup.stat().st_mtime
    except (OSError, UnicodeDecodeError):
        return None
    if document is None:
        return None
    return Backup(
        file=backup,
        serial=document.get("serial", 0),
        resources=_count(document),
        written=written,
    )


def restore(file: Path) -> Path | None:
    """Put the backup of a state file into its place.

    Returns:
        Where the damaged file is kept; None where there was none.

    Raises:
        CommandError: There is no good backup.
        OSError: A file cannot be written.
    """
    found = backup_of(file)
    if found is None:
        raise CommandError(f"{file}: must have a good backup beside it to be restored, got none")
    kept = None
    if file.exists():
        kept = _unused(file.with_name(f"{file.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"))
        write_private(kept, file.read_bytes())
    write_private(file, found.file.read_bytes())
    return kept


def set_aside(environment: Environment) -> Path:
    """Move the local state files into a folder of their own, and name that folder.

    For a sandbox whose emulated AWS is gone: the resources of the state exist no more.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = _unused(environment.directory / f"state-of-lost-sandbox-{stamp}")
    environment.state.rename(folder)
    return folder


def _unused(path: Path) -> Path:
    """Return a path, with a number where something is there already."""
    chosen, number = path, 1
    while chosen.exists():
        number += 1
        chosen = path.with_name(f"{path.name}-{number}")
    return chosen


def _files(environment: Environment) -> list[Path]:
    return sorted(environment.state.glob("*.tfstate"))


def _deployed(environment: Environment) -> set[str]:
    """Return the stacks that were applied to their end once, and so must have a state."""
    try:
        return set(json.loads(outputs_file(environment).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return set()


def _backups(environment: Environment) -> list[Path]:
    return sorted(environment.state.glob("*.tfstate.backup"))


def _without_backup(file: Path) -> Path:
    return file.with_name(file.name.removesuffix(".backup"))


def _document(file: Path) -> dict[str, Any]:
    problem = damage(file)
    if problem == _EMPTY:
        return {}
    document = None if problem else _parsed(file.read_text(encoding="utf-8"))
    if document is None:
        raise CommandError(
            f"{file}: must be a Terraform state, got {problem}; run: moor state restore {file.stem}"
        )
    return document


def _parsed(text: str) -> dict[str, Any] | None:
    """Return a state's document; None where the text is no whole one."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, dict) or "version" not in document:
        return None
    resources = document.get("resources", [])
    is_whole = (
        isinstance(document.get("serial", 0), int)
        and isinstance(resources, list)
        and all(isinstance(r, dict) and isinstance(r.get("instances", []), list) for r in resources)
    )
    return document if is_whole else None


def _count(document: dict[str, Any]) -> int:
    return sum(
        len(resource.get("instances", []))
        for resource in document.get("resources", [])
        if resource.get("mode") == "managed"
    )
