"""What a machine says of its operating system."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from moor.failure import CommandError
from moor.operation import ssh, system, system_view
from moor.screen import make_console

if TYPE_CHECKING:
    from constructs_lib.settings.environment import Environment
    from moor.operation.hosts import Host

FLATCAR = """\
NAME="Flatcar Container Linux by Kinvolk"
VERSION_ID=4459.2.1
PRETTY_NAME="Flatcar Container Linux by Kinvolk 4459.2.1 (Oklo)"
@engine
HAS_ENGINE=yes
LAST_CHECKED_TIME=1764000000
PROGRESS=1.000000
CURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT
NEW_VERSION=4593.2.0
NEW_SIZE=1
@group
GROUP=stable
@own
REBOOT_STRATEGY=reboot
LOCKSMITHD_REBOOT_WINDOW_START="Sun 04:00"
LOCKSMITHD_REBOOT_WINDOW_LENGTH=1h
@kernel
6.12.58-flatcar
@uptime
7300.00 1.0
"""
IDLE = FLATCAR.replace("UPDATED_NEED_REBOOT", "IDLE").replace("4593.2.0", "0.0.0")
DEBIAN = "PRETTY_NAME='Debian GNU/Linux 13'\n@engine\n@group\nGROUP=stable\n@own\n@kernel\n6.1\n"


def test_an_update_waits_for_a_reboot_in_its_window(capsys: pytest.CaptureFixture[str]) -> None:
    found = system.read(FLATCAR)
    assert found.needs_reboot
    assert (found.version, found.new_version, found.checked) == (
        *("4459.2.1", "4593.2.0", 1764000000),
    )
    system_view.show([("web-1", found)], make_console())
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "web-1",
        "  system   Flatcar Container Linux by Kinvolk 4459.2.1 (Oklo), channel stable",
        "  kernel   6.12.58-flatcar, up 2 h",
        "  update   an update waits for a reboot: 4593.2.0",
        "  reboots  by itself (reboot, Sun 04:00 UTC for 1h)",
    ]
    assert system.as_json("web-1", found)["needs_reboot"] is True


def test_nothing_waits() -> None:
    found = system.read(IDLE)
    assert not found.needs_reboot
    assert (found.state, found.new_version) == ("up to date, as far as it knows", "")


def test_a_system_that_does_not_update_itself_says_so() -> None:
    found = system.read(DEBIAN)
    assert (found.name, found.state, found.reboots) == (
        "Debian GNU/Linux 13",
        "does not update itself",
        "never by itself",
    )


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Answer each look with the next text; the last one again and again."""
    asked: list[str] = []
    left = list(answers)

    def output(_environment: object, _host: object, command: str) -> str:
        asked.append(command)
        if "-check_for_update" in command:
            return ""
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(ssh, "output", output)
    return asked


def updated(**options: float) -> system.System:
    return system.update(
        cast("Environment", None),
        cast("Host", "web-1"),
        tell=lambda _now: None,
        pause_seconds=0,
        **options,
    )


def test_an_update_is_asked_for_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    loading = IDLE.replace("STATUS_IDLE", "STATUS_DOWNLOADING")
    # The first look after the request may come before the engine has begun.
    asked = answering(monkeypatch, IDLE, IDLE, loading, loading, FLATCAR)
    assert updated().needs_reboot
    assert sum("-check_for_update" in command for command in asked) == 1


def test_there_is_no_update(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, IDLE, IDLE, IDLE.replace("1764000000", "1764000100"))
    assert updated().state == "up to date, as far as it knows"


def test_one_that_waits_already_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, FLATCAR)
    assert updated().new_version == "4593.2.0"
    assert len(asked) == 1


def test_what_cannot_be_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, DEBIAN)
    with pytest.raises(CommandError) as caught:
        updated()
    assert str(caught.value) == (
        "web-1: must be Flatcar Container Linux to be updated, got Debian GNU/Linux 13, which has "
        "no update engine"
    )
    answering(monkeypatch, IDLE, IDLE.replace("STATUS_IDLE", "STATUS_DOWNLOADING"))
    with pytest.raises(CommandError, match="must come to the end of its update within 0 s"):
        updated(patience_seconds=0)
