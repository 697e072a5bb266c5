"""Who is asked, and what counts as a yes."""

from __future__ import annotations

import os
import pty
from io import StringIO
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from constructs_lib.settings.environment import Environment
from moor.approval import confirm, must_be_attended
from moor.failure import CommandError
from moor.session import Session

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = (
    "environment production: must be approved at a terminal, got none; --approve, or APPROVE=1, "
    "approves beforehand"
)


def session(folder: Path, *, sandbox: bool = False) -> Session:
    environment = Environment.from_variable(folder, {"ENVIRONMENT": "production"})
    made = Session(environment=environment)
    made.__dict__["settings"] = SimpleNamespace(sandbox=SimpleNamespace() if sandbox else None)
    return made


def test_outside_a_sandbox_somebody_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("yes\n"))
    must_be_attended(session(tmp_path, sandbox=True), approve=False)
    must_be_attended(session(tmp_path), approve=True)
    with pytest.raises(CommandError) as caught:
        must_be_attended(session(tmp_path), approve=False)
    assert str(caught.value) == NOBODY
    with pytest.raises(CommandError) as caught:
        confirm(session(tmp_path), "Remove it?")
    assert str(caught.value) == NOBODY


@pytest.mark.parametrize(("answer", "agreed"), [("yes", True), ("y", False), ("", False)])
def test_only_a_yes_is_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    agreed: bool,  # noqa: FBT001
) -> None:
    mine, theirs = pty.openpty()
    os.write(mine, f"{answer}\n".encode())
    said = StringIO()
    with (
        os.fdopen(theirs, encoding="utf-8") as terminal,
        os.fdopen(os.dup(theirs), "w", encoding="utf-8") as out,
    ):
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr("sys.stdout", out)
        must_be_attended(session(tmp_path), approve=False)
        if agreed:
            confirm(session(tmp_path), "Remove it?", Console(file=said))
        else:
            with pytest.raises(CommandError, match="not approved: nothing of this was changed"):
                confirm(session(tmp_path), "Remove it?", Console(file=said))
    os.close(mine)
    assert said.getvalue() == "Remove it? Type yes: "
