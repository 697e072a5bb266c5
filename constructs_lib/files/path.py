"""Whether one path is below another: of their words alone, whatever there is."""

from __future__ import annotations


def below(path: str, outer: str) -> str | None:
    """Return a path relative to another one that it is below.

    Args:
        path: The path.
        outer: The other one, both absolute or both relative to the same folder, without `.` and
            `..`, and with `/` between their words.

    Returns:
        `.` for the same path; None where it is not below.
    """
    top = outer.rstrip("/")
    if path.rstrip("/") == top:
        return "."
    return path[len(top) + 1 :] if path.startswith(f"{top}/") else None
