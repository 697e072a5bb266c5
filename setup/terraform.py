"""Which Terraform is used: Terraform 1.5 or later, or else OpenTofu."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from setup.errors import SetupError
from setup.step import Step, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from setup.project import Project

Kind: TypeAlias = Literal["terraform", "tofu"]

OLDEST: Final = (1, 5)
_KINDS: Final[dict[str, Kind]] = {"Terraform": "terraform", "OpenTofu": "tofu"}
_VERSION: Final = re.compile(r"^(Terraform|OpenTofu) v(\d+)\.(\d+)\.(\d+\S*)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """A Terraform or OpenTofu that runs.

    Attributes:
        path: Its absolute path.
        kind: Which of the two it is, by its own word.
        version: Such as `1.11.4`.
    """

    path: Path
    kind: Kind
    version: str

    @classmethod
    def load(cls, project: Project) -> Self:
        """Read the recorded one.

        Raises:
            SetupError: There is no usable record.
        """
        record = load_record(project)
        try:
            return cls(path=Path(record["path"]), kind=record["kind"], version=record["version"])
        except KeyError as error:
            msg = (
                f"{project.terraform_record}: {error.args[0]}: must be recorded, got nothing; "
                "delete the file"
            )
            raise SetupError(msg) from error


def load_record(project: Project) -> dict[str, Any]:
    """Read the record; an empty one where there is none."""
    try:
        record = json.loads(project.terraform_record.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def save_record(project: Project, record: Mapping[str, object]) -> None:
    """Write the record."""
    replace(project.terraform_record, json.dumps(record, indent=2) + "\n")


def identify(text: str) -> tuple[Kind, str] | None:
    """Read what `terraform version` prints.

    Returns:
        The kind and the version; None where the text has neither.
    """
    match = _VERSION.search(text)
    if match is None:
        return None
    return _KINDS[match[1]], ".".join(match.groups()[1:])


class Terraform(Step):
    """The record of the Terraform binary."""

    name = "terraform"

    def inputs(self) -> Mapping[str, object]:
        """Return the file that would be used now: an update or another PATH is noticed."""
        return {"wanted": self._wanted(), "candidates": [_state_of(p) for p in self._candidates()]}

    def is_intact(self) -> bool:
        """Return whether the recorded binary is there."""
        return os.access(load_record(self.project).get("path", ""), os.X_OK)

    def run(self) -> str:
        """Take the first that answers with a version that will do."""
        refused = []
        for path in self._candidates():
            output = self.read(path, "version", cwd=self.project.tools)
            found = identify(output or "")
            if found is None:
                refused.append(f"{path} (no answer)")
                continue
            kind, version = found
            if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
                refused.append(f"{path} ({version})")
                continue
            save_record(self.project, {"path": str(path), "kind": kind, "version": version})
            return f"{path} is {kind} {version}"
        msg = (
            f"terraform: {self._wanted() or 'terraform or tofu on PATH'}: must be Terraform "
            f"{OLDEST[0]}.{OLDEST[1]} or later, or OpenTofu, got {', '.join(refused) or 'none'}; "
            "install Terraform or OpenTofu, or name one with TERRAFORM_BINARY_NAME"
        )
        raise SetupError(msg)

    def _wanted(self) -> str:
        return self.context.variables.get("TERRAFORM_BINARY_NAME", "")

    def _candidates(self) -> list[Path]:
        names = [self._wanted()] if self._wanted() else ["terraform", "tofu"]
        path = self.context.variables.get("PATH")
        found = [shutil.which(name, path=path) for name in names]
        return [Path(name).absolute() for name in found if name is not None]


def _state_of(path: Path) -> list[object]:
    state = path.stat()
    return [str(path), state.st_size, state.st_mtime_ns]
