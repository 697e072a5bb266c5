"""The page of the permissions is the one that the statements make."""

from __future__ import annotations

from pathlib import Path

from constructs_lib.aws.permissions_page import page

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_is_current() -> None:
    """`python -m constructs_lib.aws.permissions_page > docs/iam.md` writes it anew."""
    assert (ROOT / "docs" / "iam.md").read_text(encoding="utf-8") == page()
