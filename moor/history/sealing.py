"""A document of Compose's without what is secret in it, such that it can be had back.

What comes from outside the project's files, or has a name that says that it is secret, is in no
record: in its place stands the variable that it comes from, or one of our own, as `${NAME}`. So
what is recorded is a Compose file like any other, and who has the values may read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moor.plan import looks_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from constructs_lib.compose.origins import Origins

VARIABLE: Final = "MOOR_SEALED_"
"""What the variables of our own begin with."""

_OPTION: Final = re.compile(r"-{1,2}([\w.-]+)(?:[ =]+\S.*)?")
_LONG_ENOUGH_TO_TELL: Final = 6
"""Characters of a value that nobody has twice by chance."""

_LONG_ENOUGH_TO_HIDE: Final = 3
"""Characters of a value that is looked for inside of others: a number of two, or the slash that is
somebody's home folder, is a part of everything."""

_NEVER_KEPT: Final = ("build", "profiles")
"""What of a service says how its image is made, which is recorded itself, and whether it is there,
which it was."""

Path = tuple[str, ...]


class UnsealableError(ValueError):
    """Something secret stands where nothing can stand for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A document, and what was taken out of it.

    Attributes:
        document: What is left, as Compose reads it: a dollar sign that is one is doubled.
        variables: The variables from outside that it needs, each with its value.
        places: Our own variables, each with the place in the document that it stands for.
        values: What these are worth.
    """

    document: Mapping[str, Any]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    places: Mapping[str, Path] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict, repr=False)


def seal(document: Mapping[str, Any], origins: Origins) -> Sealed:
    """Take what is secret out of a document.

    Args:
        document: What Compose has read, with its dollar signs as they were meant.
        origins: Where its values come from.

    Raises:
        UnsealableError: A name, and not a value, has something secret in it.
    """
    work = _Work(origins)
    given = document.get("services") or {}
    services = {name: _kept(body, given) for name, body in given.items()}
    whole = {**document, "services": services}
    # Twice: what is secret in one place may stand in another, where nothing says that it is.
    work.walk(whole, ())
    left = work.again().walk(whole, ())
    return Sealed(document=left, variables=work.variables, places=work.places, values=work.values)


def _kept(body: Mapping[str, Any], services: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is recorded of a service."""
    found = {key: value for key, value in body.items() if key not in _NEVER_KEPT}
    if isinstance(found.get("depends_on"), dict):
        # What is not required may be of a profile that is not active; nobody knows it here.
        needs = {name: how for name, how in found["depends_on"].items() if name in services}
        found = {**found, "depends_on": needs}
    return found


def at(document: Mapping[str, Any], path: Sequence[str]) -> str | None:
    """Return the text at a place of a document; None where there is none.

    Args:
        document: The document.
        path: The place: keys, and numbers of entries as text.
    """
    found: Any = document
    for part in path:
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found if isinstance(found, str) else None


def escaped(value: Any) -> Any:  # noqa: ANN401  (JSON)
    """Return a value with each dollar sign doubled, as Compose reads one that is meant."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return value


class _Work:
    """One document on its way."""

    def __init__(self, origins: Origins) -> None:
        self.variables: dict[str, str] = {}
        self.places: dict[str, Path] = {}
        self.values: dict[str, str] = {}
        self._names: dict[Path, str] = {}
        self._origins = origins
        # A value that two variables have may be told by either.
        self._by_value = {value: name for name, value in origins.outside.items() if value}
        self._outside = frozenset(self._by_value)
        self._pattern = _any_of(self._by_value)

    def again(self) -> _Work:
        """Look for what was found to be secret everywhere else, too."""
        for name, value in self.values.items():
            if len(value) >= _LONG_ENOUGH_TO_TELL:
                self._by_value.setdefault(value, name)
        self._pattern = _any_of(self._by_value)
        return self

    def walk(self, value: Any, path: Path) -> Any:  # noqa: ANN401  (JSON)
        if isinstance(value, Mapping):
            for key in value:
                self._check_key(str(key), path)
            return {key: self.walk(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return list(self._items(value, path))
        return self._text(value, path) if isinstance(value, str) else value

    def _items(self, items: Sequence[Any], path: Path) -> Iterator[Any]:
        before = ""
        for number, item in enumerate(items):
            here = (*path, str(number))
            option = _OPTION.fullmatch(before)
            # What follows `--password` is one, where the two are words of a command.
            if isinstance(item, str) and item and option and looks_secret(option[1], ""):
                yield self._own(item, here)
            else:
                yield self.walk(item, here)
            before = item if isinstance(item, str) else ""

    def _text(self, value: str, path: Path) -> str:
        if not value:
            return value
        if value in self._outside:
            return self._named(value)
        if self._is_secret(value, path):
            return self._own(value, path)
        return self._with_references(value)

    def _is_secret(self, value: str, path: Path) -> bool:
        match path:
            case ("services", service, "environment", name):
                written = self._origins.written.get(service) or {}
                if written.get(name) != value:
                    return True
            case ("configs", _, "content"):
                return True
            case _:
                pass
        if any(looks_secret(found[1], "") for found in _OPTION.finditer(value) if " " in found[0]):
            return True
        name = next((part for part in reversed(path) if not part.isdigit()), "")
        return looks_secret(name, value)

    def _with_references(self, text: str) -> str:
        if self._pattern is None:
            return escaped(text)  # type: ignore[no-any-return]  # text stays text
        found, end = "", 0
        for match in self._pattern.finditer(text):
            found += text[end : match.start()].replace("$", "$$") + self._named(match[0])
            end = match.end()
        return found + text[end:].replace("$", "$$")

    def _named(self, value: str) -> str:
        name = self._by_value[value]
        if value in self._outside:
            self.variables[name] = value
        return f"${{{name}}}"

    def _own(self, value: str, path: Path) -> str:
        name = self._names.setdefault(path, f"{VARIABLE}{len(self._names) + 1}")
        self.places[name], self.values[name] = path, value
        return f"${{{name}}}"

    def _check_key(self, key: str, path: Path) -> None:
        for value in self._outside:
            name = self._by_value[value]
            is_told = looks_secret(name, "") or len(value) >= _LONG_ENOUGH_TO_TELL
            if value in key and is_told:
                where = ".".join(path)
                raise UnsealableError(
                    f"{where}: must have no name with the value of the variable {name} in it, "
                    "since Compose puts none there; write it as a value"
                )


def _any_of(values: Iterable[str]) -> re.Pattern[str] | None:
    # The longest first: one may be a part of another.
    parts = sorted((v for v in values if len(v) >= _LONG_ENOUGH_TO_HIDE), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, parts))) if parts else None


def digests(values: Mapping[str, str], digest: Callable[[bytes], str]) -> dict[str, str]:
    """Return what stands for values in a record.

    Args:
        values: The values, by name.
        digest: Returns a digest that needs a key.
    """
    return {name: digest(value.encode()) for name, value in sorted(values.items())}
