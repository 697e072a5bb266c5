"""Reading a settings file, and telling everything that is wrong with it.

Every problem of a file is reported at once, each in the words of the file:
`environments/production.yaml: aws.docker_api.port: must be in 1..65535, got 99999`.
"""

from __future__ import annotations

import re
import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from constructs_lib.settings.settings import Settings
from constructs_lib.settings.values import A_NETWORK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails


class SettingsError(ValueError):
    """A settings file cannot be used.

    Attributes:
        problems: One line a problem, each `FILE: FIELD: what must be, got VALUE; remedy`.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def load_settings(path: Path) -> Settings:
    """Read and check a settings file.

    Args:
        path: A YAML file with one mapping.

    Raises:
        SettingsError: The file is missing, is not YAML, or holds anything that may not
            be there; with every problem.
    """
    name = _shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError([_missing(path, name)]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{name}: cannot be read: {error}"]) from None
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  (a subclass of SafeLoader)
    except yaml.YAMLError as error:
        raise SettingsError([f"{name}: is not YAML: {_one_line(error)}"]) from None
    except RecursionError:
        raise SettingsError([f"{name}: must not be nested this deeply"]) from None
    if _is_too_much(document):
        raise SettingsError(
            [f"{name}: must hold at most {_MOST} values, got more through aliases; write it out"]
        )
    if not isinstance(document, dict):
        kind = "nothing" if document is None else type(document).__name__
        raise SettingsError([f"{name}: must hold a mapping of settings, got {kind}"])
    try:
        return Settings.model_validate(document, context={"directory": path.parent})
    except ValidationError as error:
        problems = [
            line for item in _without_consequences(error.errors()) for line in _in_words(item)
        ]
        unique = dict.fromkeys(problems)
        raise SettingsError([f"{name}: {problem}" for problem in unique]) from None


_MOST: Final = 10_000
"""Values of a settings file, each counted as often as an alias stands for it."""


def _is_too_much(document: object) -> bool:
    """Tell whether aliases of aliases make a document that nobody can have written."""
    count, stack = 0, [document]
    while stack:
        value = stack.pop()
        count += 1
        if count > _MOST:
            return True
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list | set | tuple):
            stack += value
    return False


class _Loader(yaml.SafeLoader):
    """YAML without its surprises.

    A key given twice is refused: the second would silently win. Of plain words and numbers,
    only `true`, `false`, `null` and decimal numbers are not text: YAML 1.1 reads `off` as
    false, `14:00` as 840 and `010` as 8, and none of that is meant in a settings file.
    """

    # Not SafeLoader's, which belong to everyone.
    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # type: ignore[misc]

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, KeyError, AttributeError, TypeError):
            # What PyYAML's constructors of tagged scalars raise on a value that does not fit.
            raise yaml.MarkedYAMLError(
                problem=f"the value does not fit its type {node.tag}", problem_mark=node.start_mark
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key_node, _ in node.value:
                key = str(key_node.value)
                if key in seen and key != "<<":
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(0|[1-9][0-9]*)\.[0-9]+", "-+0123456789"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _missing(path: Path, name: str) -> str:
    others = sorted(p.stem for p in path.parent.glob("*.yaml") if ".example" not in p.name)
    hint = f" (the environments here are: {', '.join(others)})" if others else ""
    return f"{name}: no such settings file; set ENVIRONMENT to another, or create it{hint}"


def _one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem or error.context}"
    return " ".join(str(error).split())


def _without_consequences(items: list[ErrorDetails]) -> list[ErrorDetails]:
    """Drop `too short` where it only follows from entries that were refused themselves."""

    def has_refused_entries(item: ErrorDetails) -> bool:
        path = item["loc"]
        return any(o is not item and o["loc"][: len(path)] == path for o in items)

    return [item for item in items if item["type"] != "too_short" or not has_refused_entries(item)]


_LONGEST: Final = 200
"""Characters of a value that a message shows."""

_SHORT: Final = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxtuple = 3, 10, 10, 10
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _LONGEST

_UNION_BRANCH: Final = re.compile(r"ipv[46]network|function-after\[.*|lax-or-strict.*")


_KEY: Final = "[key]"
"""What pydantic puts behind the name of an entry that is refused itself."""


def _in_words(item: ErrorDetails) -> list[str]:
    """Put one finding of pydantic into the words of the file."""
    kind = item["type"]
    *path, last = [str(part) for part in item["loc"]] or [""]
    # Pydantic puts names of its own between those of the file; an unknown key may look the same.
    parts = [part for part in path if not _UNION_BRANCH.fullmatch(part)]
    if last == _KEY and parts:
        last = parts.pop()  # The name of an entry is what is wrong, not what stands under it.
    if kind == "extra_forbidden" or not _UNION_BRANCH.fullmatch(last):
        parts.append(last)
    field = ".".join(p if p.isprintable() else repr(p) for p in parts)
    context = item.get("ctx", {})
    value = item["input"]
    if kind == "missing":
        return [f"{field}: must be set; add it"]
    if kind == "extra_forbidden":
        known = ", ".join(sorted(_known_keys(parts[:-1])))
        return [f"{field}: unknown key; the keys here are: {known}"]
    if kind == "value_error":
        return _own_errors(field, str(context["error"]), value)
    return [f"{field}: {_requirement(kind, context, item['msg'])}, got {_abbreviated(value)}"]


def _own_errors(field: str, text: str, value: object) -> list[str]:
    """Put an error of the model's own checks into the words of the file.

    A check of one value says only what the value must be; a check of several keys names the key.
    """
    if text.startswith("must "):
        requirement, semicolon, remedy = text.partition("; ")
        return [f"{field}: {requirement}, got {_abbreviated(value)}{semicolon}{remedy}"]
    if isinstance(value, dict):
        prefix = f"{field}." if field else ""
        return [f"{prefix}{line}" for line in text.splitlines()]
    return [f"{field}: {text}"]


def _abbreviated(value: object) -> str:
    """Return a value as a message shows it; one of aliases of aliases would be megabytes."""
    text = _SHORT.repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _requirement(kind: str, context: dict[str, Any], message: str) -> str:
    if kind in {"ip_v4_network", "ip_v6_network", "ip_v4_address", "ip_any_network"}:
        return f"must be {A_NETWORK}"
    fixed = {
        "int_type": "must be a whole number",
        "int_parsing": "must be a whole number",
        "string_type": "must be text",
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
        "tuple_type": "must be a list",
        "model_type": "must be a mapping",
        "model_attributes_type": "must be a mapping",
        "too_short": f"must hold at least {context.get('min_length')} item",
        "string_too_short": "must not be empty",
        "literal_error": f"must be one of {context.get('expected', '')}",
        "path_type": "must be a path",
    }
    return fixed.get(kind, message[:1].lower() + message[1:])


def _known_keys(parts: list[str]) -> Iterable[str]:
    model: type[BaseModel] = Settings
    names = iter(parts)
    for part in names:
        annotation = model.model_fields[part].annotation
        if get_origin(annotation) is dict:
            next(names)  # The name of an entry is anybody's choice.
        candidates = [annotation, *get_args(annotation)]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return model.model_fields
