"""Moments as a person types them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from moor.failure import WrongUseError
from moor.operation.moments import moment

NOW = datetime(2026, 11, 28, 22, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", datetime(2026, 11, 28, 22, 38, 30, tzinfo=UTC)),
        ("1h30m", datetime(2026, 11, 28, 21, 10, tzinfo=UTC)),
        ("2d", datetime(2026, 11, 26, 22, 40, tzinfo=UTC)),
        ("1w", datetime(2026, 11, 21, 22, 40, tzinfo=UTC)),
        ("2026-11-28T10:00:00+02:00", datetime(2026, 11, 28, 8, tzinfo=UTC)),
        ("2026-11-28T10:00:00Z", datetime(2026, 11, 28, 10, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert moment(text, option="--since", now=NOW) == expected


@pytest.mark.parametrize("text", ["10", "ten minutes", "5y", "-5m", "2026-13-01", "٣m"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(WrongUseError) as caught:
        moment(text, option="--since", now=NOW)
    assert str(caught.value) == (
        "--since: must be how long ago, such as 10m or 2d, or a time such as 2026-11-28T22:40, "
        f"got {text!r}"
    )
