"""The page that is written from the table of what is supported."""

from __future__ import annotations

from pathlib import Path

from constructs_lib.compose.support_page import document

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_table_says() -> None:
    written = (ROOT / "docs" / "compose.md").read_text(encoding="utf-8")
    assert written == document(), "python -m constructs_lib.compose.support_page > docs/compose.md"
