"""What `--help` prints."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from moor.help import paragraphs
from moor.program import make_app


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["up"], "moor up [OPTIONS] [SERVICE]..."),
        (["restart"], "moor restart [OPTIONS] SERVICE..."),
        (["exec"], "moor exec [OPTIONS] SERVICE COMMAND..."),
        (["ssh"], "moor ssh [OPTIONS] [NODE] [COMMAND]..."),
        (["rollback"], "moor rollback [OPTIONS] [N]"),
        (["unshare"], "moor unshare [OPTIONS] NAME"),
        (["backup", "create"], "moor backup create [OPTIONS] [NODE]..."),
    ],
)
def test_the_usage_is_spelled_as_in_manuals(words: list[str], usage: str) -> None:
    told = CliRunner().invoke(make_app(), [*words, "--help"], env={"COLUMNS": "100"}).output
    (line,) = (line.strip() for line in told.splitlines() if "Usage:" in line)
    assert line == f"Usage: {usage}"


def test_each_paragraph_is_as_wide_as_the_screen() -> None:
    assert (
        paragraphs("""One line.

    Two lines that
    belong together.
    """)
        == "One line.\n\nTwo lines that belong together."
    )
    assert paragraphs(None) is None
