"""Tables in Graphviz's nodes."""

from __future__ import annotations

import pytest

from moor.graph import labels


def test_text_is_escaped_and_what_cannot_be_printed_is_spelled_out() -> None:
    assert labels.font('a<b> & "c"\x1b', "#000000") == (
        '<font color="#000000" point-size="9">a&lt;b&gt; &amp; &quot;c&quot;\\x1b</font>'
    )


def test_a_font_is_never_empty_since_graphviz_refuses_that() -> None:
    assert labels.small("", "#000000") == '<font color="#000000" point-size="8"> </font>'


def test_bold_text_of_a_size() -> None:
    assert labels.font("web", "#111111", size=11, bold=True) == (
        '<font color="#111111" point-size="11"><b>web</b></font>'
    )


def test_a_card_is_a_round_table_around_a_table() -> None:
    rows = [labels.row(labels.cell("x", port="p0"), labels.cell("y", align="right"))]
    inner = (
        '<table border="0" cellborder="0" cellspacing="0" cellpadding="1">'
        '<tr><td align="left" port="p0">x</td><td align="right">y</td></tr></table>'
    )
    assert labels.card(rows, border="#222222", ground="#333333", width=5) == (
        '<table border="1" cellborder="0" cellspacing="0" cellpadding="5" color="#222222" '
        f'bgcolor="#333333" style="rounded" width="5"><tr><td align="left">{inner}</td></tr>'
        "</table>"
    )


@pytest.mark.parametrize(
    ("text", "length", "short"),
    [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abc…fg"), ("abcdefgh", 5, "ab…gh")],
)
def test_long_text_loses_its_middle(text: str, length: int, short: str) -> None:
    assert labels.shortened(text, length) == short
    assert len(short) <= length
