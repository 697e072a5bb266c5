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
        self.problems = tuple(dict.fromkeys(map(one_line, problems)))
        super().__init__("\n".join(self.problems))


def one_line(text: str) -> str:
    """Return a text in which what is no visible character is written as Python writes it.

    Values are the file's, and a line break in one would make two problems of it.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


class Problems:
    """Collects what is wrong, so that all of it can be told at once.

    Args:
        file: The Compose file, for messages.

    Attributes:
        found: One line a problem.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self.found: list[str] = []

    def add(self, where: str, text: str) -> None:
        """Note a problem.

        Args:
            where: The key, such as `services.web.image`.
            text: What must be, what there is, and the remedy.
        """
        self.found.append(one_line(f"{self._file}: {where}: {text}"))
