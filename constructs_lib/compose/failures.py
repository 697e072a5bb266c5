"""What Compose complains of, in the words of this project."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from constructs_lib.aws.port_range import HIGHEST
from constructs_lib.compose.port_failures import port_problem
from constructs_lib.compose.schema import schema_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from constructs_lib.compose.places import Written

_UNSET: Final = re.compile(r'The \\?"([^"\\]+)\\?" variable is not set')
_USED: Final = re.compile(r"\$(?:\$|\{?([A-Za-z_][A-Za-z0-9_]*))")
"""A use of a variable, or two dollar signs that stand for one."""

_MOST: Final = 20
"""Variables that are not set, each told in a line of its own."""

_PATH: Final = r"(?P<path>/\S+?)"
_FAILURES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), message)
    for pattern, message in (
        (
            rf"validating {_PATH}: (?P<subject>\S+) (?P<rest>.*)",
            "{path}: {subject}: {rest}; see docs/compose.md",
        ),
        (rf"failed to parse {_PATH}: (?:yaml: )?(?P<rest>.*)", "{path}: is not YAML: {rest}"),
        (
            r'service "?(?P<service>[^" ]+)"? depends on undefined service "?(?P<name>[^" ]+)"?',
            (
                "{file}: services.{service}.depends_on: must name a service of this file, got "
                "{name}; define it"
            ),
        ),
        (
            (
                r'service "?(?P<service>[^" ]+)"? refers to undefined (?P<kind>\w+) '
                r'"?(?P<name>[^" ]+)"?'
            ),
            (
                "{file}: services.{service}.{kind}s: must name a {kind} of this file, got {name}; "
                "define it"
            ),
        ),
        (
            r"service ports (?P<where>services\.\S+\.ports)\.(?P<index>\[\d+\]) is missing .*",
            f"{{file}}: {{where}}{{index}}.target: must be in 1..{HIGHEST}, got none, or 0",
        ),
        (r'service "?(?P<service>[^" ]+)"? (?P<rest>.*)', "{file}: services.{service}: {rest}"),
        (
            (
                r"error while interpolating (?P<where>\S+): failed to cast to expected type: "
                r"(?:strconv\.Parse\w+: )?(?P<rest>.*)"
            ),
            "{file}: {where}: is of the wrong type: {rest}",
        ),
        (
            r"error while interpolating (?P<where>\S+): (?P<rest>.*)",
            "{file}: {where}: {rest}; set it in .env or the settings' variables",
        ),
        (
            rf"open {_PATH}: no such file or directory",
            "{file}: must name files that exist, got no such file as {path}; create it",
        ),
        (
            r"(?P<where>(?:services|networks|volumes|configs|secrets)\.[^:]+): (?P<rest>.*)",
            "{file}: {where}: {rest}",
        ),
    )
)
"""What Compose complains of, and how this project says it."""

_ADDITIONAL: Final = re.compile(
    rf"validating {_PATH}: (?P<where>\S+) additional properties (?P<keys>.*) not allowed"
)

_MOST_PLACES: Final = 5
"""How many places a message names of those that it may be about."""


def shown(path: Path) -> str:
    """Return what a file is called in messages: its path from the working directory."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def unset_variables(stderr: str, written: Written) -> list[str]:
    """Tell which variables are not set, which Compose only warns of, and where they are used.

    Args:
        stderr: What Compose has said.
        written: The Compose files.

    Returns:
        One line a variable, and no more lines than a person reads.
    """
    unset = set(_UNSET.findall(stderr))
    if not unset:
        return []
    places: dict[str, list[tuple[Path, str]]] = {}
    for file, where, text in written:
        for variable in dict.fromkeys(_USED.findall(text)):
            if variable in unset:
                places.setdefault(variable, []).append((file, where))
    # In the order of the files: Compose's own is one of chance, in which two plans would differ.
    for variable in sorted(unset):
        places.setdefault(variable, [])
    found = [_unset(name, at, written.files[0]) for name, at in list(places.items())[:_MOST]]
    if len(places) > _MOST:
        found.append(
            f"{shown(written.files[0])}: {len(places) - _MOST} more variables are not set, the "
            f"first of them {list(places)[_MOST]}; set them, too"
        )
    return found


def failures(stderr: str, written: Written) -> Iterator[str]:
    """Put what Compose complains of into the form of this project's errors.

    Args:
        stderr: What a Compose that failed has said.
        written: The Compose files.

    Yields:
        One line a problem.
    """
    file = shown(written.files[0])
    lines = [line for line in stderr.splitlines() if line and not line.startswith("time=")]
    text = " ".join(" ".join(lines).split()).removesuffix(": invalid compose project")
    refused = re.match(rf"validating {_PATH}: ", text)
    problems = schema_problems(Path(refused["path"])) if refused else []
    # Compose tells the first one of several.
    if refused and len(problems) > 1:
        yield from (f"{shown(Path(refused['path']))}: {problem}" for problem in problems)
    else:
        yield from _failure(text, file, written)


def _failure(text: str, file: str, written: Written) -> Iterator[str]:
    """Tell in our words what Compose complains of."""
    if found := _ADDITIONAL.fullmatch(text):
        for key in re.findall(r"'([^']*)'", found["keys"]):
            yield (
                f"{shown(Path(found['path']))}: {found['where']}.{key}: unknown key; see "
                "docs/compose.md for the keys"
            )
    elif found := re.match(rf"env file {_PATH} not found", text):
        yield from _env_file(Path(found["path"]), written)
    elif found := re.fullmatch(r"dependency cycle detected: (?P<circle>\S+(?: -> \S+)+)", text):
        yield _circle(found["circle"], written)
    elif "decoding failed" in text:
        yield from _undecoded(text, file)
    elif told := _looked_up(text, written):
        yield told
    else:
        for pattern, message in _FAILURES:
            if found := pattern.fullmatch(text):
                groups = {"file": file, **found.groupdict()}
                if "path" in groups:
                    groups["path"] = shown(Path(groups["path"]))
                yield message.format_map(groups)
                return
        yield f"{file}: {text or 'Compose refuses it and does not say why'}"


def _undecoded(text: str, file: str) -> Iterator[str]:
    """Tell each value that is of the wrong type."""
    said = re.findall(r"'([^']+)' (.*?)(?= '\w+\[|$)", text.partition(":")[2])
    for place, what in said:
        where = re.sub(r"\[(.*?)\]", r".\1", place)
        yield f"{file}: {where}: {what}"
    if not said:
        yield f"{file}: {text}"


def _looked_up(text: str, written: Written) -> str | None:
    """Tell what Compose says without its place, which the files have; None for all else."""
    if text.startswith("healthcheck.test must start"):
        return _healthcheck(text, written)
    if ported := port_problem(text):
        return _port(*ported, written)
    return None


def _healthcheck(text: str, written: Written) -> str:
    """Tell which healthcheck begins with what is no way to run it."""
    for file, where, word in written:
        found = re.fullmatch(r"(services\..*\.healthcheck\.test)\[0\]", where)
        if found and word not in ("CMD", "CMD-SHELL", "NONE"):
            return (
                f"{shown(file)}: {found[1]}: must start with CMD, CMD-SHELL or NONE, got "
                f"{word!r:.60}; put CMD in front of it"
            )
    return f"{shown(written.files[0])}: services: {text}"


def _port(value: str, requirement: str, written: Written) -> str:
    """Tell which port is wrong; where variables make it, which of them it may be."""
    for pattern in (re.compile(rf"(?<![^:\[/]){re.escape(value)}(?![^:/])"), re.compile(r"\$")):
        places: dict[Path, list[str]] = {}
        for file, where, text in written:
            if pattern.search(text) and re.search(r"\.ports\[\d+\](\.host_ip)?$", where):
                places.setdefault(file, []).append(where)
        if places:
            file, found = next(iter(places.items()))
            told = " or ".join(found[:_MOST_PLACES])
            return f"{shown(file)}: {told}: {requirement}, got {value!r}"
    return f"{shown(written.files[0])}: services: ports: {requirement}, got {value!r}"


def _unset(variable: str, places: Sequence[tuple[Path, str]], first: Path) -> str:
    """Tell where a variable is used that is not set."""
    remedy = f"set it in .env or the settings' variables, or write ${{{variable}:-}} for nothing"
    place, others = f"{shown(first)}:", ""
    if places:
        file, where = places[0]
        place = f"{shown(file)}: {where}:"
    if len(places) > 1:
        count = len(places) - 1
        others = f" here and in {count} more place{'s' if count > 1 else ''}"
    return f'{place} variable "{variable}" is not set{others}; {remedy}'


def _circle(circle: str, written: Written) -> str:
    """Tell by which keys services need each other."""
    names = circle.split(" -> ")
    ways = [_key_between(one, other, written) for one, other in itertools.pairwise(names)]
    return (
        f"{shown(written.files[0])}: services.{names[0]}.{ways[0]}: must not lead back to itself, "
        f"got {circle} through {', '.join(dict.fromkeys(ways))}; remove one of them"
    )


def _key_between(service: str, other: str, written: Written) -> str:
    """Return the key by which a service needs another one, which Compose does not tell."""
    place = re.compile(
        rf"services\.{re.escape(service)}\.(links|network_mode|ipc|pid|volumes_from)\b"
    )
    for _, where, text in written:
        found = place.match(where)
        if found and other in text.split(":")[:2]:
            return found[1]
    return "depends_on"


def _env_file(missing: Path, written: Written) -> Iterator[str]:
    """Tell which service wants an environment file that is not there."""
    found = False
    for file, where, text in written:
        if ".env_file" in where and text.endswith(missing.name):
            found = True
            yield f"{shown(file)}: {where}: must be a file, got no such file as {missing}"
    if not found:
        yield f"{shown(written.files[0])}: env_file: must be a file, got no such file as {missing}"
