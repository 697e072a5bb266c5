"""Debian's packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from setup import debian
from setup.errors import SetupError
from setup.optional_programs import Graphviz

if TYPE_CHECKING:
    from pathlib import Path

    from setup.step import Context


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID=debian\n", True),
        ('ID=ubuntu\nID_LIKE="debian"\n', True),
        ("ID=fedora\n", False),
        ("ID=arch\nNAME=debian\n", False),
    ],
)
def test_is_debian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, *, expected: bool
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/apt-get")
    (tmp_path / "os-release").write_text(text)

    assert debian.is_debian(tmp_path / "os-release") is expected
    assert not debian.is_debian(tmp_path / "none")


def test_the_lists_are_updated_when_a_package_is_not_there(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Graphviz(context)
    calls: list[str] = []

    def command(*words: str, **options: bool) -> None:
        assert options == {"on_system": True}
        calls.append(" ".join(words))
        if len(calls) == 1:
            raise SetupError("no such package")

    monkeypatch.setattr(step, "command", command)
    debian.install(step, "graphviz")

    install = "apt-get -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends graphviz"
    assert calls == [install, "apt-get -o DPkg::Lock::Timeout=120 update", install]


def test_graphviz_is_never_an_error(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(debian, "can_install", lambda: False)
    monkeypatch.setattr(debian, "find_program", lambda *_arguments: None)
    step = Graphviz(context)
    step.perform()

    assert "notice: no dot command; `make graph` needs it" in capsys.readouterr().out
    assert step.is_current()
    monkeypatch.setattr(debian, "find_program", lambda *_arguments: "/usr/bin/dot")
    assert not step.is_current()
