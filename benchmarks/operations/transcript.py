"""What a command printed, without what is another one each time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHANGING: Final = (
    # Times and durations.
    (r"\(\d+(\.\d+)? s\)", "(… s)"),
    (r"\b\d+\.\d+ (s|min)\b", r"… \1"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC|\+00:00)?", "2026-01-02 03:04"),
    (r"(?<!of )(?<!Version\": \")\b\d{4}-\d\d-\d\d\b", "2026-01-02"),
    (r"^\d\d:\d\d:\d\d\b", "03:04:05"),
    # What AWS, Docker and OpenSSH number or compute.
    (r"\b(ami|eipalloc|eipassoc|eni|i|sg|sgr|snap|subnet|vol|vpc)-[0-9a-f]{8,17}\b", r"\1-0123…"),
    (r"\bsha256:[0-9a-f]{12,64}", "sha256:0123…"),
    (r"\bSHA256:[A-Za-z0-9+/]{43}", "SHA256:0123…"),
    (r"\b[zh]1:[A-Za-z0-9+/=]{20,}", "h1:0123…"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "0123…"),
    (r"(?<!blob/)\b[0-9a-f]{40,64}\b", "0123…"),
    # One that did not fit is cut.
    (r"\b[0-9a-f]{20,}…", "0123…"),
    (r"(?<!sts::)\b[0-9a-f]{12}\b", "0123456789ab"),
    # What is another one on each computer, or at each moment.
    (r"\b\d+ (s|min)\b", "1 min"),
    (r"\beu-central-1[abc]\b", "eu-central-1a"),
    (r"\bkernel( +)[0-9][\w.-]*", r"kernel\g<1>6.12.0"),
    (r"\bup \d+ (min|h|days)\b", "up 1 min"),
    (r"\bUp (\d+|[Aa]bout an?|[Ll]ess than a) (second|minute|hour)s?", "Up 2 minutes"),
    (r"\b[\d.]+ GiB of \d+ GiB free", "10 GiB of 20 GiB free"),
    (r"\b\d+% of [\d.]+ GiB", "10% of 20 GiB"),
    (r"\]:\d{5}\b", "]:50000"),
    (r" +100% +\d+ +\S+B/s +\S+ *$", "  100%"),
    (r"(?<=the folder )/\S+/registry\.", "PLUGINS/registry."),
    (r"(?<=by )[\w.-]+@[\w.-]+$|^[\w.-]+@(?![0-9a-f]{12}$)[\w.-]+$", "ada@desk"),
    (r"^[0-9a-f]{8}\+?$", "0123abcd"),
)

_PROGRESS: Final = re.compile(
    r"^(aws|docker): .*(created|changed|destroyed|replaced|failed after) ?.*\(… s\)$"
)
"""A line of what is under way. Their order is another one each time."""

_OF_THE_COMPUTER: Final = re.compile(r"docker engine started in ")
"""A line that is there where nothing else of this computer's has begun the sandbox's engine."""

_HEADER: Final = re.compile(r"(service|container|node|environment|snapshot|no\.)  +[a-z]")
"""The first line of a table whose columns begin where their names do."""

_USE: Final = re.compile(r" +cpu +memory ")
"""The first line of what is used, whose numbers are others each time."""

_USED: Final = "1.0%  100 MiB  1%  1.0 KiB/s  1.0 KiB/s      0 B/s  1.0 KiB/s"

LEFT_OUT: Final = "…"


def normalised(text: str, folders: dict[str, str]) -> str:
    """Return a transcript that is the same each time.

    Args:
        text: What was printed, without colours.
        folders: What stands for folders of this computer, by their paths; longer ones first.
    """
    for path, name in folders.items():
        text = text.replace(path, name)
    lines: list[str] = []
    for line in _exchanged("\n".join(_tables(text.splitlines()))).splitlines():
        if _OF_THE_COMPUTER.match(line):
            continue
        if not _PROGRESS.match(line):
            lines.append(line.rstrip())
        elif not lines or lines[-1] != LEFT_OUT:
            lines.append(LEFT_OUT)
    return "\n".join(lines).strip("\n")


def _exchanged(text: str) -> str:
    """Put constants in the place of what changes."""
    for pattern, constant in _CHANGING:
        text = re.sub(pattern, constant, text, flags=re.MULTILINE)
    return text


def _tables(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines whose tables are as wide as their constants."""
    table: list[list[str]] = []
    starts: list[int] = []
    is_use = False
    for line in [*lines, ""]:
        if table and _is_row(line, starts):
            table.append(_cells(line, starts))
            continue
        yield from _aligned(table)
        table = []
        is_use = bool(_USE.match(line) or (is_use and line.strip()))
        if is_use:
            yield _use(line)
        elif _HEADER.match(line):
            starts = [match.start() for match in re.finditer(r"\S+( \S+)*", line)]
            table = [_cells(line, starts)]
        else:
            yield line


def _use(line: str) -> str:
    if _USE.match(line):
        return f"{'':10} cpu   memory        net in        out  disk read    written  full"
    full = "  10%" if line.rsplit(maxsplit=1)[-1].endswith("%") else ""
    return f"{line.split(maxsplit=1)[0]:9}  {_USED}{full}"


def _is_row(line: str, starts: list[int]) -> bool:
    """Return whether a line is blank in front of each column."""
    return bool(line.strip()) and all(not line[i - 2 : i].strip() for i in starts[1:])


def _cells(line: str, starts: list[int]) -> list[str]:
    ends = [*starts[1:], None]
    return [_exchanged(line[i:j].strip()) for i, j in zip(starts, ends, strict=True)]


def _aligned(table: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = zip(row, widths, table[0], strict=True)
        # Numbers of things stand one below the other by their last digits.
        padded = (c.rjust(width) if name == "no." else c.ljust(width) for c, width, name in cells)
        yield "  ".join(padded).rstrip()
