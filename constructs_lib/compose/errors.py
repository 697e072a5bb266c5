"""What is wrong with Compose files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ComposeError(ValueError):
    """Compose files cannot be used.

    Attributes:
        problems: One line a problem, each `FILE: FIELD: what must be, got VALUE; remedy`.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))
