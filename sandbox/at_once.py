"""Work of the engine's that takes a while each, and is done for several at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Item = TypeVar("_Item")

_MOST: Final = 8


def at_once(work: Callable[[_Item], object], items: Iterable[_Item]) -> None:
    """Do something for each of several, and return when all of it has ended.

    Args:
        work: Does it for one. What it raises first is raised here, when the others have ended.
        items: What it is done for.
    """
    todo = list(items)
    if len(todo) == 1:
        work(todo[0])
    elif todo:
        with ThreadPoolExecutor(min(_MOST, len(todo))) as pool:
            for done in [pool.submit(work, item) for item in todo]:
                done.result()
