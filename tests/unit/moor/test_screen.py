"""What a person sees while a command works."""

from __future__ import annotations

import contextlib
import io
import re
import time
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from moor import screen as screen_module
from moor.screen import Screen, make_console

if TYPE_CHECKING:
    from collections.abc import Callable

TIME = re.compile(r"^ *\d+\.\ds  ")


class Clock:
    """A clock that the tests turn."""

    def __init__(self) -> None:
        self.now = 50.0

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(screen_module, "time", clock)
    return clock


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def plain() -> tuple[Screen, Callable[[], list[str]]]:
    """Return a screen into a file, and what reads its lines."""
    file = io.StringIO()
    return Screen(make_console(file)), lambda: file.getvalue().splitlines()


def live(width: int = 80) -> tuple[Screen, Callable[[], str]]:
    """Return a screen at a terminal, and what reads all that was written since the last time."""
    file = Terminal()
    console = Console(file=file, width=width, height=40, force_terminal=True, highlight=False)

    def read() -> str:
        text = file.getvalue()
        file.seek(0)
        file.truncate()
        return text

    return Screen(console), read


def visible(text: str) -> str:
    """Return text without what steers the terminal."""
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text).replace("\r", "\n")


# Into a file


def test_into_a_file_each_line_has_its_time(clock: Clock) -> None:
    screen, lines = plain()
    screen.say("one")
    clock.now += 12.34
    screen.say("two [bold]x[/]", style="bold red")
    assert lines() == ["   0.0s  one", "  12.3s  two [bold]x[/]"]


def test_into_a_file_progress_is_a_line_at_each_event(clock: Clock) -> None:
    screen, lines = plain()
    screen.start("a", "creating a")
    screen.note("a", "half of it")
    screen.tick(now=True)
    clock.now += 2.5
    assert screen.finish("a") == 2.5
    screen.close()
    assert lines() == ["   0.0s  creating a ..."]


def test_a_phase_tells_how_long_it_took(clock: Clock) -> None:
    screen, lines = plain()
    with screen.phase("synthesis"):
        clock.now += 1.25
    with screen.phase("plan", done="planned"):
        clock.now += 1
    with screen.phase("sandbox", done=""):
        clock.now += 1
    assert lines() == [
        "   0.0s  synthesis ...",
        "   1.2s  synthesis (1.2 s)",
        "   1.2s  plan ...",
        "   2.2s  planned (1.0 s)",
        "   2.2s  sandbox ...",
    ]


def test_a_phase_that_fails_is_not_called_done(clock: Clock) -> None:
    screen, lines = plain()
    with contextlib.suppress(ValueError), screen.phase("synthesis"):
        clock.now += 1
        raise ValueError
    assert lines() == ["   0.0s  synthesis ..."]
    assert screen.finish("synthesis") == 0


def test_nothing_but_plain_text_goes_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    screen, lines = plain()
    screen.say("\x1b[31mred\x1b[0m \x07bell\x1b]0;title\x07", style="bold red")
    screen.console.print("[bold]bold[/]")
    with screen.phase("a"):
        screen.note("a", "x")
        screen.tick(now=True)
    assert [TIME.sub("", line) for line in lines()] == [
        "red bell]0;title",
        "bold",
        "a ...",
        "a (0.0 s)",
    ]
    assert all(line.isprintable() for line in lines())


def test_a_long_line_into_a_file_is_one_line() -> None:
    screen, lines = plain()
    screen.say("x" * 300)
    assert [TIME.sub("", line) for line in lines()] == ["x" * 300]


# At a terminal


def test_at_a_terminal_lines_have_no_times() -> None:
    screen, read = live()
    screen.say("one [bold]x[/]", style="red")
    assert read() == "\x1b[31mone [bold]x[/]\x1b[0m\n"


def test_what_is_under_way_is_drawn_and_gone_afterwards(clock: Clock) -> None:
    screen, read = live()
    screen.start("a", "creating a")
    clock.now += 3
    screen.note("a", "\x1b[31mhalf\x1b[0m of it")
    screen.tick()
    assert visible(read()).splitlines()[-1][2:] == "creating a  3 s  half of it"
    screen.say("said meanwhile")
    assert "said meanwhile\n" in visible(read())
    assert screen.finish("a") == 3
    last = read()
    assert last.endswith(("\x1b[2K", "\x1b[?25h"))
    assert "\x1b[?25h" in last, "the cursor must show again"
    screen.tick(now=True)
    assert read() == ""


def test_it_is_drawn_ten_times_a_second_at_the_most(clock: Clock) -> None:
    screen, read = live()
    screen.start("a", "creating a")
    read()
    screen.tick()
    clock.now += 0.09
    screen.tick()
    assert read() == ""
    clock.now += 0.02
    screen.tick()
    assert "creating a" in read()
    screen.close()


def test_what_is_left_is_still_drawn_when_one_has_ended() -> None:
    screen, read = live()
    screen.start("a", "creating a")
    screen.start("b", "creating b")
    read()
    screen.finish("a")
    text = visible(read())
    assert "creating a" not in text
    assert "creating b" in text
    screen.close()
    assert "\x1b[?25h" in read()


def test_many_at_a_time_are_counted() -> None:
    screen, read = live()
    for number in range(15):
        screen.start(str(number), f"creating {number}")
    rows = visible(read()).splitlines()[-13:]
    assert [row[2:].split("  ")[0] for row in rows[:12]] == [f"creating {n}" for n in range(12)]
    assert rows[12] == "  and 3 more"
    screen.close()


@pytest.mark.parametrize("width", [40, 80])
def test_no_row_is_wider_than_the_screen(width: int) -> None:
    screen, read = live(width)
    screen.start("a", "creating " + "a" * 70)
    screen.note("a", "b" * 200)
    screen.tick(now=True)
    rows = visible(read()).splitlines()
    assert max(map(len, rows)) < width
    assert rows[-1].endswith("…")
    screen.close()


def test_what_nobody_has_begun_can_be_noted_and_ended() -> None:
    screen, read = live()
    screen.note("a", "x")
    screen.tick(now=True)
    assert screen.finish("a") == 0
    screen.close()
    assert read() == ""


def test_time_is_told_by_the_real_clock() -> None:
    screen, _ = plain()
    screen.start("a", "a")
    begin = time.monotonic()
    time.sleep(0.01)
    assert 0.005 < screen.finish("a") < time.monotonic() - begin + 1


# Consoles


class Gone(io.StringIO):
    """A terminal that goes away after some writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    def write(self, text: str) -> int:
        """Write, or fail as a terminal that is gone."""
        if self.left == 0:
            raise OSError(5, "Input/output error")
        self.left -= 1
        return super().write(text)

    def flush(self) -> None:
        """Flush, or fail likewise."""
        if self.left == 0:
            raise OSError(5, "Input/output error")


def test_a_terminal_that_goes_away_is_no_failure() -> None:
    stream = Gone(writes=1)
    screen = Screen(make_console(stream))
    screen.say("one")
    with screen.phase("two"):
        screen.say("three")
    stream.left = 100
    screen.say("four")
    assert [TIME.sub("", line) for line in stream.getvalue().splitlines()] == ["one"]


def test_a_file_is_wide_and_a_terminal_as_wide_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.setenv("TERM", "xterm")
    assert make_console(io.StringIO()).width == 200
    console = make_console(Terminal())
    assert console.width == 77
    assert console.is_terminal


def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    make_console().print("a [bold]b[/]")
    assert capsys.readouterr() == ("a b\n", "")


def test_a_stream_that_cannot_spell_it_gets_question_marks() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    make_console(stream).print("a … ±")
    stream.seek(0)
    assert stream.read() == "a ? ?\n"
