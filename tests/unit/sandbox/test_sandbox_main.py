"""The command that the emulator's process is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_wrong_words_are_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["serve"]) == main(["start", "x"]) == 2
    assert capsys.readouterr().err == "usage: python -m sandbox serve DIRECTORY\n" * 3


def test_without_parameters_it_serves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(tmp_path)]) == 1
    assert "parameters.json: must be readable; start the sandbox with make up" in (
        capsys.readouterr().err
    )
