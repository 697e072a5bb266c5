"""Lines of several containers as one text."""

from __future__ import annotations

from moor.operation.log_lines import Line, Painter, lines, merged


def test_lines_are_cut_wherever_the_pieces_end() -> None:
    pieces = [
        b"2026-11-28T22:40:00.1Z on",
        b"e\r\n2026-11-28T22:40:00.2Z tw\xc3",
        b"\xb6\n",
        b"3Z ",
    ]
    assert list(lines(pieces, "web-1")) == [
        Line("2026-11-28T22:40:00.1Z", "web-1", "one"),
        Line("2026-11-28T22:40:00.2Z", "web-1", "twö"),
        Line("3Z", "web-1", ""),
    ]


def test_lines_of_several_are_in_the_order_of_time() -> None:
    one = [Line("1", "a", "x"), Line("3", "a", "z")]
    other = [Line("2", "b", "y"), Line("2", "b", "a")]
    assert [line.text for line in merged([one, other])] == ["x", "y", "a", "z"]


def test_prefixes_are_of_one_width_and_plain_for_a_file() -> None:
    painter = Painter(["web-1", "worker-1"], coloured=False, times=True)
    assert painter.painted(Line("1", "web-1", "a")) == "web-1    | 1 a"
    assert painter.painted(Line("2", "worker-1", "\x1b[2Jb")) == "worker-1 | 2 \x1b[2Jb"
    assert Painter([], coloured=False, prefixed=False).painted(Line("1", "a", "x")) == "x"


def test_each_has_a_colour_and_none_moves_the_cursor() -> None:
    painter = Painter(["web-1"], coloured=True)
    assert painter.painted(Line("1", "web-1", "a")) == "\x1b[36mweb-1 |\x1b[0m a"
    assert painter.painted(Line("1", "new-1", "a")) == "\x1b[33mnew-1 |\x1b[0m a"
    bad = "\x1b[2J\x1b[31mred\x1b[0m\x1b]0;title\x07\x08\x1bc!"
    assert painter.painted(Line("1", "web-1", bad)) == (
        "\x1b[36mweb-1 |\x1b[0m \x1b[31mred\x1b[0m!\x1b[0m"
    )
