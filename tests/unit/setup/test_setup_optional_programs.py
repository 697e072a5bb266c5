"""Programs of the system that are optional, and an sshd that must open no port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from setup import debian
from setup.optional_programs import SshServer

if TYPE_CHECKING:
    from pathlib import Path

    from setup.step import Context


@pytest.mark.parametrize(
    ("may_install", "has_systemd", "packages"),
    [(True, False, ["openssh-server"]), (True, True, []), (False, False, [])],
)
def test_it_is_installed_where_nothing_starts_it(
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    packages: list[str],
    *,
    may_install: bool,
    has_systemd: bool,
) -> None:
    installed: list[str] = []
    monkeypatch.setattr(debian, "can_install", lambda: may_install)
    monkeypatch.setattr(debian, "find_program", lambda *_: "/sshd" if installed else None)
    monkeypatch.setattr(debian, "install", lambda _step, *names: installed.extend(names))
    monkeypatch.setattr(SshServer, "systemd", tmp_path / "systemd")
    if has_systemd:
        (tmp_path / "systemd").mkdir()
    said = SshServer(context).run()
    assert installed == packages
    notice = "notice: no sshd command; the tests that need one are skipped (package openssh-server)"
    assert said == ("sshd is there" if packages else notice)


def test_it_is_never_an_error(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "can_install", lambda: False)
    monkeypatch.setattr(debian, "find_program", lambda *_: None)
    step = SshServer(context)
    step.perform()
    assert step.is_current()
    monkeypatch.setattr(debian, "find_program", lambda *_: "/usr/sbin/sshd")
    assert not step.is_current()
