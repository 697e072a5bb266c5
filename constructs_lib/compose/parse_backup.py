"""What a service does before and after a snapshot of its data: `x-backup` of a Compose file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.model import BackupCommands

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs_lib.compose.errors import Problems

KEY: Final = "x-backup"
_COMMANDS: Final = ("pre", "post")
_FORM: Final = "must be a command, as one text or as a list of words"


def read_backup(raw: Mapping[str, Any], where: str, problems: Problems) -> BackupCommands | None:
    """Return a service's commands around a snapshot; None where it has none.

    Args:
        raw: The service, as `docker compose config` says it.
        where: Its place, such as `services.db`.
        problems: Gets what is wrong.
    """
    if KEY not in raw:
        return None
    said, path = raw[KEY], f"{where}.{KEY}"
    if not isinstance(said, dict) or not said:
        problems.add(
            path,
            f"must be a mapping with pre, post or both, got {said!r}; without it the service is "
            "stopped for a snapshot",
        )
        return None
    for key in said:
        if key not in _COMMANDS:
            problems.add(f"{path}.{key}", "must be pre or post; leave it out")
    pre, post = (_words(said, key, path, problems) for key in _COMMANDS)
    return BackupCommands(pre=pre, post=post)


def _words(said: Mapping[str, Any], key: str, path: str, problems: Problems) -> tuple[str, ...]:
    command = said.get(key)
    if command is None and key not in said:
        return ()
    if isinstance(command, str) and command.strip():
        return ("sh", "-c", command)
    if isinstance(command, list) and command and all(isinstance(word, str) for word in command):
        return tuple(command)
    problems.add(f"{path}.{key}", f"{_FORM}, got {command!r}")
    return ()
