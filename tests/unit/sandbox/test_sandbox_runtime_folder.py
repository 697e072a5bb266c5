"""The folder whose content is believed: only its owner can have written it."""

from __future__ import annotations

import os
import re
import tempfile
from typing import TYPE_CHECKING

import pytest

from sandbox.engine import runtime_folder as folders
from sandbox.engine.runtime_folder import private, runtime_folder
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(os.geteuid() != 0, reason="root's")
def test_roots_is_where_nobody_else_may_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "ROOTS", tmp_path / "roots")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert runtime_folder() == tmp_path / "roots"
    assert runtime_folder().stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_another_users_is_in_his_sessions_and_else_has_his_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(folders, "USERS", tmp_path)
    for folder in (tmp_path / "moor-sandbox-1234", tmp_path / "1234" / "moor-sandbox"):
        folder.mkdir(mode=0o700, parents=True)
        os.chown(folder, 1234, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    # Root's still: nothing that is his.
    assert runtime_folder() == tmp_path / "moor-sandbox-1234"
    os.chown(tmp_path / "1234", 1234, -1)
    assert runtime_folder() == tmp_path / "1234" / "moor-sandbox"


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with pytest.raises(SandboxError, match=r"link: must be a folder of user .*; remove it$"):
        private(tmp_path / "link")


def test_somebody_elses_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    (tmp_path / "theirs").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    message = f"theirs: must be a folder of user {owner + 1}, got one of user {owner}; remove it"
    with pytest.raises(SandboxError, match=re.escape(message)):
        private(tmp_path / "theirs")


def test_one_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(SandboxError) as caught:
        private(folder)
    assert str(caught.value) == (
        f"{folder}: mode: must give no rights to others, got 0755; chmod 700 {folder}"
    )


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SandboxError, match=r"file: must be a folder of ours, got: File exists"):
        private(tmp_path / "file")
