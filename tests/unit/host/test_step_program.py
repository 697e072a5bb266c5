"""What a step's program prints, and what it returns, however its work ends."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import APIError

from constructs_lib.host import step_program
from constructs_lib.host.step_program import StepError, run_step

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = Namespace(host="192.0.2.1", port=2376, certificates=Path("/c"))


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, int]]:
    found: list[tuple[str, Path, int]] = []

    def connect(host: str, certificates: Path, *, timeout: int) -> str:
        found.append((host, certificates, timeout))
        return "the engine"

    monkeypatch.setattr(step_program, "connect", connect)
    return found


def test_each_thing_that_is_done_is_a_line(
    asked: list[tuple[str, Path, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    def work(engine: object) -> Iterator[str]:
        assert engine == "the engine"
        yield "one"
        yield "two"

    assert run_step(OPTIONS, work, seconds=7) == 0
    assert asked == [("tcp://192.0.2.1:2376", Path("/c"), 7)]
    assert capsys.readouterr() == ("one\ntwo\n", "")


@pytest.mark.parametrize(
    ("error", "must", "told"),
    [
        (
            StepError("web: must run, got none\nits tasks:"),
            "",
            "web: must run, got none\nits tasks:",
        ),
        (OSError("gone"), "", "192.0.2.1:2376: the Docker API must answer, got: gone"),
        (
            APIError("500 Server Error", explanation="no space"),
            "a.txt: must be copied",
            "a.txt: must be copied, got: no space",
        ),
    ],
)
def test_an_error_is_told_after_what_was_done(
    error: Exception, must: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(_engine: Any) -> Iterator[str]:  # noqa: ANN401
        yield "one"
        raise error

    assert run_step(OPTIONS, work, must=must) == 1
    assert capsys.readouterr() == ("one\n", f"{told}\n")
