"""A pushed image: what the engine says of it, what is written down, and what is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import APIError

from constructs_lib.host import step_program
from constructs_lib.swarm.push import PushError, main, push
from constructs_lib.terraform.output_file import read_output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = "moor-registry:5000/shop-web:0123456789ab"
DIGEST = f"sha256:{'a' * 64}"
SAID: list[dict[str, Any]] = [
    {"status": "The push refers to repository [moor-registry:5000/shop-web]"},
    {"status": "Preparing", "id": "0badc0de"},
    {"status": "Pushing", "id": "0badc0de", "progressDetail": {"current": 1}},
    {"status": "Pushing", "id": "0badc0de", "progressDetail": {"current": 2}},
    {"status": "Pushed", "id": "0badc0de"},
    {"progressDetail": {}, "aux": {"Tag": "0123456789ab", "Digest": DIGEST, "Size": 9}},
]


class Engine:
    """Says what an engine of Docker 26 says; a stand-in, as a unit test has no engine."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.api = SimpleNamespace(push=self._push)
        self.asked: list[tuple[str, str]] = []
        self._lines = lines

    def _push(self, name: str, *, tag: str, **_others: object) -> Iterator[dict[str, Any]]:
        self.asked.append((name, tag))
        return iter(self._lines)


def test_a_pushed_image_is_known_by_its_digest(capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine(SAID)
    assert push(engine, IMAGE) == f"moor-registry:5000/shop-web@{DIGEST}"  # type: ignore[arg-type]
    assert engine.asked == [("moor-registry:5000/shop-web", "0123456789ab")]
    assert capsys.readouterr().out == "0badc0de: Pushed\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [{"error": "no basic auth credentials"}],
            f"{IMAGE}: must be taken by its registry, got: no basic auth credentials",
        ),
        (SAID[:-1], f"{IMAGE}: must be given a digest by its registry, got none"),
    ],
)
def test_a_push_fails_that_the_registry_does_not_take(
    lines: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(PushError, match=f"^{message}$"):
        push(Engine(lines), IMAGE)  # type: ignore[arg-type]


def arguments(tmp_path: Path) -> list[str]:
    options = {
        "--host": "203.0.113.7",
        "--port": "2376",
        "--certificates": str(tmp_path),
        "--file": str(tmp_path / "image.tfstate"),
    }
    return [*(word for pair in options.items() for word in pair), "--", IMAGE]


def test_the_program_writes_down_what_the_registry_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(step_program, "connect", lambda *_, **__: Engine(SAID))
    assert main(arguments(tmp_path)) == 0
    assert read_output(tmp_path / "image.tfstate") == f"moor-registry:5000/shop-web@{DIGEST}"
    assert capsys.readouterr().out.endswith(f"moor-registry:5000/shop-web@{DIGEST}\n")


def test_the_program_tells_the_image_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> Engine:
        raise APIError("refused", explanation="x509: unknown authority")

    monkeypatch.setattr(step_program, "connect", refuse)
    assert main(arguments(tmp_path)) == 1
    assert capsys.readouterr().err == (
        f"{IMAGE}: must be taken by its registry, got: x509: unknown authority\n"
    )
    assert read_output(tmp_path / "image.tfstate") is None
