"""What is printed, with and without a terminal."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest

from setup.console import Console, fit, width_of

if TYPE_CHECKING:
    from pathlib import Path


_PARTS = re.compile(r"\x1b\[(\d+)A|\x1b\[(J)|([^\x1b])")


class Terminal(io.StringIO):
    """A terminal that does not tell its size, and that shows what is left on its screen."""

    def isatty(self) -> bool:
        """Return true."""
        return True

    def screen(self) -> list[str]:
        """Return what a person sees: moves up and erasures to the end are carried out."""
        rows = [""]
        row = 0
        for up, erase, character in _PARTS.findall(self.getvalue()):
            if up:
                row -= int(up)
            elif erase:
                rows[row:] = [""]
            elif character == "\n":
                row += 1
                rows += [""] * (row == len(rows))
            elif character != "\r":
                rows[row] += character
        return rows[:-1]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_without_a_terminal_there_are_plain_lines(tmp_path: Path) -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.begin("compose", tmp_path / "compose.log")
    console.doing("compose", "building")
    console.begin("node", tmp_path / "node.log")
    console.doing("node", "installing")
    console.doing("node", "trying it")
    console.draw()
    console.end("node")
    console.say("node", "cdktf-cli is installed (2.0 s)")
    console.say_up_to_date(["terraform", "shims"])
    console.say_up_to_date([])

    assert stream.getvalue() == (
        "set-up  compose          building\n"
        "set-up  node             installing, beside compose\n"
        "set-up  node             trying it\n"
        "set-up  node             cdktf-cli is installed (2.0 s)\n"
        "set-up  up to date       terraform, shims\n"
    )


def test_at_a_terminal_what_runs_stays_below_what_is_done(
    terminal: Terminal, tmp_path: Path
) -> None:
    console = Console(terminal)
    log = tmp_path / "compose.log"
    console.begin("compose", log)
    console.doing("compose", "building")
    console.begin("node", tmp_path / "node.log")
    console.doing("node", "installing")
    console.say("shims", "done (0.0 s)")
    log.write_text("one\ngithub.com/docker/compose\n")
    console.draw()
    assert terminal.screen() == [
        "set-up  shims            done (0.0 s)",
        "        compose             0 s  building: github.com/docker/compose",
        "        node                0 s  installing",
    ]

    console.end("compose")
    console.say("compose", "done (9.0 s)")
    console.end("node")
    assert terminal.screen() == [
        "set-up  shims            done (0.0 s)",
        "set-up  compose          done (9.0 s)",
    ]


def test_a_line_never_wraps(terminal: Terminal, tmp_path: Path) -> None:
    console = Console(terminal)
    log = tmp_path / "log"
    console.begin("packages", log)
    console.doing("packages", "installing")
    log.write_text("\x1b[32m" + "界" * 100 + "\n")
    console.draw()

    (line,) = terminal.screen()
    assert width_of(line) <= 79
    assert "\x1b[32m" not in terminal.getvalue()


def test_a_terminal_that_can_do_nothing_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    console = Console(stream)
    console.begin("node", tmp_path / "log")
    console.doing("node", "installing")

    assert stream.getvalue() == "set-up  node             installing\n"


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("plain", 10, "plain"),
        ("plain", 3, "pla"),
        ("界界界", 5, "界界"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301e\u0301"),
        ("\x1b[1mbold\x1b[0m\ttab\a", 20, "boldtab"),
        ("\x1b]0;title\x07text", 20, "text"),
        ("text", 0, ""),
    ],
)
def test_what_fits(text: str, columns: int, expected: str) -> None:
    assert fit(text, columns) == expected


def test_a_line_that_is_written_over(terminal: Terminal, tmp_path: Path) -> None:
    log = tmp_path / "log"
    console = Console(terminal)
    console.begin("packages", log)
    console.doing("packages", "installing")
    log.write_bytes(b"first\n 10%\r 20%\r\n\n")
    console.draw()
    assert terminal.screen() == ["        packages            0 s  installing: 20%"]

    console.doing("packages", "compiling")
    assert terminal.screen() == ["        packages            0 s  compiling"]
