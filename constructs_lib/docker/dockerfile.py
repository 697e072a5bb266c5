"""The images that a Dockerfile begins with. Plain values; this imports no cdktf.

Source: Docker's "Dockerfile reference", and BuildKit's parser of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DIRECTIVE: Final = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*$")
_HEREDOC: Final = re.compile(r"<<(-?)\s*[\"']?([A-Za-z_]\w*)[\"']?")
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-+])((?:[^{}]|\$\{\w+\})*))?\})")
_FROM_OPTION: Final = re.compile(r"(?:--from=|[,=]from=)([^\s,]+)")
_WITHOUT_CONTEXTS: Final = re.compile(r"(?:docker\.io/)?docker/dockerfile:1\.[0-3](?:\D|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImages:
    """What a Dockerfile takes from registries.

    Attributes:
        references: The images, each once, in the order of the file.
        takes_contexts: Whether its syntax knows additional contexts: one that the file fixes at
            an old version does not.
    """

    references: tuple[str, ...]
    takes_contexts: bool = True


@dataclass(slots=True, kw_only=True)
class _Stage:
    name: str
    sources: list[str] = field(default_factory=list)


def base_images(
    text: str, *, arguments: Mapping[str, str], target: str | None = None
) -> BaseImages:
    """Find the images that the stages of a Dockerfile begin with, or copy from.

    Stages that the target does not need are not built, and do not count. What depends on an
    argument that is not known here, such as `TARGETARCH`, is left out.

    Args:
        text: The Dockerfile.
        arguments: The build arguments.
        target: The stage that is built; the last one by default.
    """
    known: dict[str, str] = {}
    stages: list[_Stage] = []
    for word, rest in _instructions(text):
        if word == "ARG" and not stages:
            for name, default in _arguments(rest):
                value = arguments.get(name, default)
                resolved = None if value is None else _resolved(value, known)
                if resolved is not None:
                    known[name] = resolved
        elif word == "FROM":
            words = [w for w in rest.split() if not w.startswith("--")]
            name = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""  # noqa: PLR2004
            source = _resolved(words[0], known) if words else None
            stages.append(_Stage(name=name.lower(), sources=[source] if source else []))
        elif word in ("COPY", "ADD", "RUN") and stages:
            # No argument is expanded here, but where the syntax is a later one.
            stages[-1].sources += [s for s in _FROM_OPTION.findall(rest) if "$" not in s]
    found = _needed(stages, target)
    syntax = _syntax(text)
    return BaseImages(
        references=tuple(dict.fromkeys(found)),
        takes_contexts=syntax is None or not _WITHOUT_CONTEXTS.match(syntax),
    )


def _needed(stages: list[_Stage], target: str | None) -> Iterator[str]:
    by_name = {stage.name: index for index, stage in enumerate(stages) if stage.name}
    by_name |= {str(index): index for index in range(len(stages))}
    last = by_name.get((target or "").lower(), len(stages) - 1)
    needed, waiting = set[int](), [last] if stages else []
    outside: dict[int, list[str]] = {}
    while waiting:
        index = waiting.pop()
        if index in needed:
            continue
        needed.add(index)
        for source in stages[index].sources:
            other = by_name.get(source.lower())
            # A stage may have the name of an image that it begins with.
            if other is not None and other < index:
                waiting.append(other)
            elif source != "scratch":
                outside.setdefault(index, []).append(source)
    for index in sorted(outside):
        yield from outside[index]


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    escape = "\\"
    lines = iter(text.lstrip("\ufeff").splitlines())
    begun, logical = False, ""
    for line in lines:
        stripped = line.strip()
        if not begun and (found := _DIRECTIVE.fullmatch(stripped)):
            escape = found[2] if found[1].lower() == "escape" else escape
            continue
        begun = True
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith(escape):
            logical += f"{stripped[:-1]} "
            continue
        logical += stripped
        word, _, rest = logical.partition(" ")
        logical = ""
        yield word.upper(), rest.strip()
        if word.upper() in ("RUN", "COPY", "ADD"):
            for dash, end in _HEREDOC.findall(rest):
                for inner in lines:
                    if (inner.lstrip("\t") if dash else inner) == end:
                        break


def _syntax(text: str) -> str | None:
    for line in text.lstrip("\ufeff").splitlines():
        found = _DIRECTIVE.fullmatch(line.strip())
        if found is None:
            return None
        if found[1].lower() == "syntax":
            return found[2]
    return None


def _arguments(rest: str) -> Iterator[tuple[str, str | None]]:
    for part in re.findall(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""", rest):
        name, has_default, default = part.partition("=")
        yield name, default.strip("\"'") if has_default else None


def _resolved(text: str, known: Mapping[str, str]) -> str | None:
    """Return a text with its variables put in; None where one of them is not known."""
    unknown = False

    def value(match: re.Match[str]) -> str:
        nonlocal unknown
        found = known.get(match[1] or match[2])
        operator, word = match[3] or "", match[4] or ""
        is_set = bool(found) if operator.startswith(":") else found is not None
        if operator.endswith("-") and not is_set:
            found = _resolved(word, known)
        elif operator.endswith("+"):
            found = _resolved(word, known) if is_set else ""
        if found is None:
            unknown = True
        return found or ""

    done = _VARIABLE.sub(value, text.strip("\"'"))
    return None if unknown or not done or "$" in done else done
