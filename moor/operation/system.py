"""The operating system of a machine: its release, an update that waits for a reboot, its window.

Source: Flatcar Container Linux, "Update strategies"; update_engine_client of Flatcar's
update_engine, whose `-status` prints `NAME=VALUE` lines.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moor.failure import CommandError
from moor.operation import ssh

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.settings.environment import Environment
    from moor.operation.hosts import Host

_PARTS: Final = ("release", "engine", "group", "own", "kernel", "uptime")
_PATH: Final = "PATH=$PATH:/usr/sbin:/opt/bin"
_LOOK: Final = (
    f"{_PATH}; cat /etc/os-release; echo @engine; "
    "if command -v update_engine_client > /dev/null; "
    "then echo HAS_ENGINE=yes; update_engine_client -status 2> /dev/null; fi; "
    "echo @group; cat /usr/share/flatcar/update.conf 2> /dev/null; "
    "echo @own; cat /etc/flatcar/update.conf 2> /dev/null; "
    "echo @kernel; uname -r; echo @uptime; cat /proc/uptime"
)
_CHECK: Final = (
    # sudo has a path of its own.
    f'{_PATH}; sudo "$(command -v update_engine_client)" -check_for_update'
)
_LINE: Final = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")

_NEED_REBOOT: Final = "UPDATE_STATUS_UPDATED_NEED_REBOOT"
_IDLE: Final = "UPDATE_STATUS_IDLE"
_WORDS: Final = {
    _IDLE: "up to date, as far as it knows",
    "UPDATE_STATUS_CHECKING_FOR_UPDATE": "asking for an update",
    "UPDATE_STATUS_UPDATE_AVAILABLE": "an update is there",
    "UPDATE_STATUS_DOWNLOADING": "downloading an update",
    "UPDATE_STATUS_VERIFYING": "verifying an update",
    "UPDATE_STATUS_FINALIZING": "installing an update",
    _NEED_REBOOT: "an update waits for a reboot",
    "UPDATE_STATUS_REPORTING_ERROR_EVENT": "an update has failed",
}

_PATIENCE_SECONDS: Final = 900.0
_PAUSE_SECONDS: Final = 2.0
_NO_VERSION: Final = ("", "0.0.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What a machine says of its system.

    Attributes:
        name: Its name and version, for a person.
        version: Its version.
        kernel: The kernel's.
        up_seconds: How long it has run.
        has_updates: Whether it updates itself, as Flatcar does.
        operation: What its updates are at; in update_engine's word.
        progress: How far that is, 0 to 1.
        checked: When it last asked for an update, in seconds since 1970; 0 for never.
        new_version: The version that waits or is on its way; empty for none.
        group: Which of Flatcar's channels it follows.
        strategy: When it reboots by itself: `reboot`, `etcd-lock` or `off`.
        window_start: When the window for that begins, in UTC; empty for always.
        window_length: How long it is.
    """

    name: str
    version: str
    kernel: str
    up_seconds: float
    has_updates: bool
    operation: str = ""
    progress: float = 0.0
    checked: int = 0
    new_version: str = ""
    group: str = ""
    strategy: str = ""
    window_start: str = ""
    window_length: str = ""

    @property
    def needs_reboot(self) -> bool:
        """Whether an update is installed that the next boot takes."""
        return self.operation == _NEED_REBOOT

    @property
    def state(self) -> str:
        """What its updates are at, for a person."""
        if not self.has_updates:
            return "does not update itself"
        told = _WORDS.get(self.operation, self.operation.lower() or "does not say")
        return f"{told}: {self.new_version}" if self.new_version else told

    @property
    def reboots(self) -> str:
        """When it reboots by itself, for a person."""
        if not self.has_updates or self.strategy == "off":
            return "never by itself"
        window = (
            f", {self.window_start} UTC for {self.window_length}"
            if self.window_start
            else ", at any time"
        )
        return f"by itself ({self.strategy or 'reboot'}{window})"


def look(environment: Environment, host: Host) -> System:
    """Ask a machine, over SSH.

    Args:
        environment: The environment.
        host: The machine.

    Raises:
        CommandError: It does not answer.
    """
    return read(ssh.output(environment, host, _LOOK))


def read(text: str) -> System:
    """Read what a machine has told.

    Args:
        text: What it printed.
    """
    parts: dict[str, list[str]] = {part: [] for part in _PARTS}
    part = _PARTS[0]
    for line in text.splitlines():
        if line.startswith("@") and line[1:] in parts:
            part = line[1:]
        else:
            parts[part].append(line)
    release, engine = _values(parts["release"]), _values(parts["engine"])
    conf = {**_values(parts["group"]), **_values(parts["own"])}
    new = engine.get("NEW_VERSION", "")
    return System(
        name=release.get("PRETTY_NAME", "unknown"),
        version=release.get("VERSION_ID", ""),
        kernel=" ".join(parts["kernel"]).strip(),
        up_seconds=_number(" ".join(parts["uptime"]).partition(" ")[0]),
        has_updates=bool(engine.get("HAS_ENGINE")),
        operation=engine.get("CURRENT_OP", ""),
        progress=_number(engine.get("PROGRESS", "")),
        checked=int(_number(engine.get("LAST_CHECKED_TIME", ""))),
        new_version="" if new in _NO_VERSION else new,
        group=conf.get("GROUP", ""),
        strategy=conf.get("REBOOT_STRATEGY", ""),
        window_start=conf.get("LOCKSMITHD_REBOOT_WINDOW_START", ""),
        window_length=conf.get("LOCKSMITHD_REBOOT_WINDOW_LENGTH", ""),
    )


def update(
    environment: Environment,
    host: Host,
    *,
    tell: Callable[[System], None],
    patience_seconds: float = _PATIENCE_SECONDS,
    pause_seconds: float = _PAUSE_SECONDS,
) -> System:
    """Have a machine look for an update and install it beside the present system.

    Args:
        environment: The environment.
        host: The machine.
        tell: Takes what it is at, at each look.
        patience_seconds: How long it may take.
        pause_seconds: How long to wait between two looks.

    Returns:
        What it says at the end: nothing has changed, or an update waits for a reboot.

    Raises:
        CommandError: It has no such updates, or does not come to an end.
    """
    before = look(environment, host)
    if not before.has_updates:
        raise CommandError(
            f"{host}: must be Flatcar Container Linux to be updated, got {before.name}, which has "
            "no update engine"
        )
    if before.needs_reboot:
        return before
    ssh.output(environment, host, _CHECK)
    deadline = time.monotonic() + patience_seconds
    has_begun = False
    while True:
        now = look(environment, host)
        tell(now)
        has_begun = has_begun or now.operation != _IDLE or now.checked > before.checked
        if now.needs_reboot or (has_begun and now.operation == _IDLE):
            return now
        if time.monotonic() > deadline:
            raise CommandError(
                f"{host}: must come to the end of its update within {patience_seconds:.0f} s, got "
                f"{now.state}; `moor ssh journalctl -u update-engine` tells more"
            )
        time.sleep(pause_seconds)


def as_json(name: str, system: System) -> dict[str, Any]:
    """Return it for a script.

    Args:
        name: The machine.
        system: What it says.
    """
    return {
        "machine": name,
        "system": system.name,
        "version": system.version,
        "kernel": system.kernel,
        "up_seconds": system.up_seconds,
        "updates": system.has_updates,
        "operation": system.operation or None,
        "new_version": system.new_version or None,
        "needs_reboot": system.needs_reboot,
        "group": system.group or None,
        "reboot_strategy": system.strategy or None,
        "window_start": system.window_start or None,
        "window_length": system.window_length or None,
    }


def _values(lines: list[str]) -> dict[str, str]:
    found = (_LINE.fullmatch(line.strip()) for line in lines)
    return {match[1]: match[2].strip().strip("\"'") for match in found if match}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
