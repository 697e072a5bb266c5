"""What is written in a Compose file, and where, before Compose makes anything of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it."""


def mapping_of(file: Path) -> dict[Any, Any]:
    """Return what a Compose file holds; nothing where it cannot be read, or is no mapping.

    Args:
        file: The file.

    Raises:
        RecursionError: It is nested too deeply.
    """
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


class Written:
    """Compose files as they are written, for whoever asks where something stands in them.

    Each is read when somebody first asks, and never again: what went wrong takes several questions.

    Attributes:
        files: The files.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        """Take files; none of them is read yet."""
        self.files = tuple(files)
        self._found: dict[Path, list[tuple[str, str]]] = {}

    def __iter__(self) -> Iterator[tuple[Path, str, str]]:
        """Yield the file, the place and the text of each value, in the order of the files."""
        for file in self.files:
            if file not in self._found:
                self._found[file] = list(scalars(file))
            for where, text in self._found[file]:
                yield file, where, text


def scalars(file: Path) -> Iterator[tuple[str, str]]:
    """Walk through a Compose file.

    An alias stands for a node that is there already, and a node may hold itself. So each is
    visited once, in the place where it is met first.

    Args:
        file: The file.

    Yields:
        The place and the text of each value that is no list and no mapping, in the file's order;
        nothing where it cannot be read.
    """
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=LOADER)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return
    seen: set[int] = set()
    stack: list[tuple[str, yaml.Node | None]] = [("", root)]
    while stack:
        where, node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            yield where, node.value
        elif isinstance(node, yaml.SequenceNode):
            stack += [(f"{where}[{i}]", item) for i, item in reversed(list(enumerate(node.value)))]
        elif isinstance(node, yaml.MappingNode):
            stack += [
                (f"{where}.{key.value}" if where else str(key.value), item)
                for key, item in reversed(node.value)
                if isinstance(key, yaml.ScalarNode)
            ]
