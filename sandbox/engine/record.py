"""What is written down of the private engine of a network, in a file that only we can write.

An engine that is not written down there is not ours: it is never stopped, and never used either,
unless the user names it. There is one record for each network namespace, as only one engine in
each may manage its firewall; the checkouts of a user therefore share an engine.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from constructs_lib.files.private_file import GROUP_AND_OTHERS, write_private
from sandbox.engine.processes import ProcessIdentity, command_line
from sandbox.engine.runtime_folder import runtime_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMER_NAME: Final = "engine.json"
"""The record of earlier versions, in the engine's own folder."""

_GROUP_AND_OTHERS_WRITE: Final = 0o022


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecord:
    """One private engine.

    Attributes:
        directory: Its folder.
        before: What it changes on the computer, as it was; see `host_network`.
        containerd: Its process; None before it is started.
        dockerd: Likewise.
    """

    directory: Path
    before: Mapping[str, Any] = field(default_factory=dict)
    containerd: ProcessIdentity | None = None
    dockerd: ProcessIdentity | None = None

    @classmethod
    def read(cls) -> Self | None:
        """Return the record of this network; None where there is none that we have written."""
        return cls._load(record_file(), forbidden=GROUP_AND_OTHERS)

    def write(self) -> None:
        """Make it the record of this network."""
        data = {"directory": str(self.directory), "before": dict(self.before)}
        for name in ("containerd", "dockerd"):
            if (identity := getattr(self, name)) is not None:
                data[name] = identity.to_json()
        write_private(record_file(), json.dumps(data, indent=1).encode())

    @staticmethod
    def forget() -> None:
        """Remove the record of this network."""
        record_file().unlink(missing_ok=True)

    @classmethod
    def adopt(cls, directory: Path) -> Self | None:
        """Take over what an earlier version wrote into an engine's folder, where it still runs.

        Args:
            directory: The folder.

        Returns:
            The record, written where it belongs; None where there is nothing to take over.
        """
        file = directory / _FORMER_NAME
        if not file.is_file():
            return None
        found = cls._load(file, forbidden=_GROUP_AND_OTHERS_WRITE, directory=directory)
        if found is not None and found.runs():
            found.write()
            file.unlink()
            return found
        return None

    def runs(self) -> bool:
        """Tell whether the engine's process is alive: ours, this very one, with its folder."""
        daemon = self.dockerd
        if daemon is None or not daemon.is_ours():
            return False
        option = "--data-root="
        roots = (a.removeprefix(option) for a in command_line(daemon.pid) if a.startswith(option))
        return any(Path(root).resolve() == self.directory / "data" for root in roots)

    @classmethod
    def _load(cls, file: Path, *, forbidden: int, directory: Path | None = None) -> Self | None:
        try:
            data = json.loads(_read_own(file, forbidden))
            found = cls(
                directory=directory or Path(data["directory"]),
                containerd=ProcessIdentity.from_json(data.get("containerd")),
                dockerd=ProcessIdentity.from_json(data.get("dockerd")),
            )
            before = data.get("before")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return replace(found, before=before) if isinstance(before, dict) else found


def record_file() -> Path:
    """Return where the engine of this network is written down."""
    return runtime_folder() / f"engine-{Path('/proc/self/ns/net').stat().st_ino}.json"


def _read_own(file: Path, forbidden: int) -> str:
    """Read a file that is ours.

    Raises:
        OSError: It is a link, or cannot be read.
        ValueError: It is somebody else's, or others have rights on it that they must not have.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, encoding="utf-8") as opened:
        status = os.fstat(opened.fileno())
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_uid != os.geteuid()
            or status.st_mode & forbidden
        ):
            raise ValueError(file)
        return opened.read()
