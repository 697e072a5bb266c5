"""All that Compose's official schema has against a file, of which Compose itself tells the first.

The package check-jsonschema carries the schema. It is read after Compose has refused a file, and
never before: it is large, and what Compose takes is right.

Source: the Compose specification, `schema/compose-spec.json`.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.places import mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from jsonschema.exceptions import ValidationError

MOST: Final = 20
"""Problems of a file that are told. Nobody reads more, and hostile files have thousands."""

_VALUE_LENGTH: Final = 60
_NAMES: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_KINDS: Final[Mapping[type, str]] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}
_PRIVATE: Final = frozenset({"args", "environment", "labels", "content"})
"""Keys whose values may be nobody's business."""


def schema_problems(file: Path) -> list[str]:
    """Find what the schema has against a file, each with its place.

    A value with a variable in it is passed over: what it becomes is known to Compose alone.

    Args:
        file: The Compose file.

    Returns:
        `PLACE: what must be, got VALUE`, in the order of their places; nothing where the file
        cannot be read, or is no mapping.
    """
    # Imported here: it is heavy, and good files do not need it.
    from jsonschema.exceptions import best_match  # noqa: PLC0415
    from jsonschema.validators import Draft202012Validator  # noqa: PLC0415

    schema = _schema()
    found: dict[tuple[str, ...], list[str]] = {}
    try:
        for error in Draft202012Validator(schema).iter_errors(mapping_of(file)):
            best = best_match([error]) or error
            place = tuple(str(part) for part in best.absolute_path)
            found.setdefault(place, []).extend(_told(best, schema))
            if sum(map(len, found.values())) >= MOST:
                break
    except (RecursionError, TypeError):
        # Keys that are no text, and what holds itself, are Compose's to tell.
        return []
    return [line for _, lines in sorted(found.items()) for line in dict.fromkeys(lines)]


def _schema() -> Any:  # noqa: ANN401  (JSON)
    file = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    return json.loads(file.read_text(encoding="utf-8"))


def _told(error: ValidationError, schema: Mapping[str, Any]) -> Iterator[str]:
    where = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
    ).removeprefix(".")
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        known = set(_properties(error.schema, schema))
        for key in error.instance:
            if key not in known and not str(key).startswith("x-"):
                yield f"{where}.{key}".removeprefix(".") + ": unknown key; see docs/compose.md"
        return
    value = error.instance if isinstance(error.instance, str) else json.dumps(error.instance)
    if "$" in value:
        return
    shown = repr(value) if isinstance(error.instance, str) else value
    if _PRIVATE & set(map(str, error.absolute_path)):
        shown = _NAMES[_KINDS[type(error.instance)]]
    if len(shown) > _VALUE_LENGTH:
        shown = f"{shown[:_VALUE_LENGTH]}..."
    yield f"{where}: {_requirement(error, schema)}, got {shown}"


def _requirement(error: ValidationError, schema: Mapping[str, Any]) -> str:
    if error.validator == "enum":
        return f"must be one of {', '.join(map(str, error.validator_value))}"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"must have {' and '.join(missing)}"
    kinds = dict.fromkeys(_types([error.schema], schema))
    if error.validator in ("type", "oneOf", "anyOf") and kinds:
        return f"must be {' or '.join(_NAMES.get(kind, kind) for kind in kinds)}"
    return f"must be otherwise ({error.validator}: {json.dumps(error.validator_value)[:40]})"


def _types(options: Sequence[Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Return the types that a value may have."""
    for option in (_resolved(option, schema) for option in options):
        kind = option.get("type", ())
        yield from [kind] if isinstance(kind, str) else kind
        yield from _types([*option.get("oneOf", ()), *option.get("anyOf", ())], schema)


def _properties(part: Any, schema: Mapping[str, Any]) -> Iterator[str]:  # noqa: ANN401  (JSON)
    """Return the keys that a mapping may have."""
    part = _resolved(part, schema)
    yield from part.get("properties", {})
    for piece in part.get("allOf", ()):
        yield from _properties(piece, schema)


def _resolved(part: Any, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401  (JSON)
    while "$ref" in part and "properties" not in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return part
