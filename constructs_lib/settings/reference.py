"""The reference of the settings, made from their model: README's table, and the example file.

`python -m constructs_lib.settings.reference` writes both; with `--check` it writes nothing, and
fails where one of them is not what the model says.
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from constructs_lib.aws.port_range import PortRange
from constructs_lib.files.private_file import write_public
from constructs_lib.settings.settings import Settings
from constructs_lib.settings.values import Otherwise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo

ROOT: Final = Path(__file__).parents[2]
README: Final = "README.md"
EXAMPLE: Final = "environments/production.example.yaml"

COMMAND: Final = "python -m constructs_lib.settings.reference"
BEGIN: Final = f"<!-- made by {COMMAND}: begin -->"
END: Final = f"<!-- made by {COMMAND}: end -->"

PRODUCTION: Final[Mapping[str, Any]] = {
    "aws": {
        "region": "eu-central-1",
        "ssh": {"cidrs": ["203.0.113.0/24"]},
        "docker_api": {"cidrs": ["203.0.113.0/24"], "service_ports": [9200]},
        "updates": {
            "reboot_strategy": "reboot",
            "window_start": "Sun 04:00",
            "window_length": "2h",
        },
    },
    "variables": {
        "ELASTIC_IMAGE": "docker.io/library/elasticsearch:8.15.3",
        "BASE_IMAGE": "docker.io/library/busybox:1.36",
    },
    "state": {
        "s3": {
            "bucket": "my-terraform-state",
            "region": "eu-central-1",
            "prefix": "moor/production",
        }
    },
}
"""What the example sets. Every other key stands in it as well, commented out."""

_HEAD: Final = f"""\
# A complete example: copy it to production.yaml, change what is yours (203.0.113.0/24 stands for
# your own networks), and run `ENVIRONMENT=production make up`. A key that is commented out shows
# its default, or an example where it has none.
#
# Credentials are never written here: they come from the standard AWS chain
# (AWS_PROFILE, AWS_ACCESS_KEY_ID, single sign-on, instance roles, ...).
#
# Every key and its comment are made from the model of the settings by
# `{COMMAND}`.
"""
_NOTHING: Final[tuple[Any, ...]] = (None, [], {})
ANY: Final = "NAME"
"""What stands in a key's name for a name of anybody's choice."""

_WIDTH: Final = 100
_COMMENTS: Final = 46
"""The column in which comments begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the settings.

    Attributes:
        path: The names from the top of the file to it.
        field: What the model says about it.
        section: The model of what stands beneath it; none where it has a plain value.
        within: The section that may be left out and holds it, if it is in one.
        entry: The name of one entry, where what stands beneath it are sections with names of
            anybody's choice.
    """

    path: tuple[str, ...]
    field: FieldInfo
    section: type[BaseModel] | None
    within: str | None
    entry: str | None = None

    @property
    def name(self) -> str:
        """The key as error messages name it, such as `aws.ssh.port`."""
        return ".".join(self.path)

    @property
    def description(self) -> str:
        """What it means, in a few words.

        Raises:
            ValueError: The model does not say it.
        """
        if not self.field.description:
            msg = f"settings: {self.name}: description: must be set in its Field, got none"
            raise ValueError(msg)
        return self.field.description

    @property
    def otherwise(self) -> str | None:
        """What holds where the key is not written, in words, where the default says nothing."""
        found = (item.meaning for item in self.field.metadata if isinstance(item, Otherwise))
        return next(found, None)

    @property
    def default(self) -> Any:  # noqa: ANN401  (whatever a settings file may hold)
        """What holds where the key is not written, as the file would have it."""
        return _written(self.field.get_default(call_default_factory=True))

    @property
    def example(self) -> Any:  # noqa: ANN401
        """The default, or an example where the default is nothing.

        Raises:
            ValueError: The model has neither.
        """
        if not self.field.is_required() and self.default not in _NOTHING:
            return self.default
        if not self.field.examples:
            msg = f"settings: {self.name}: examples: must be set in its Field, got none"
            raise ValueError(msg)
        return self.field.examples[0]


def keys(section: Key | None = None) -> Iterator[Key]:
    """Yield every key of the settings: plain ones, then sections, each before its own keys.

    What must be set comes first.

    Args:
        section: The section to begin with; the whole file where unset.
    """
    for key in _keys_of(section):
        yield key
        if key.section is not None:
            yield from keys(key)


def table() -> str:
    """Return the table of the settings, in Markdown.

    Raises:
        ValueError: A key has no description, or no default that could be shown.
    """
    rows = ["| key | meaning | default |", "| --- | --- | --- |"]
    for key in keys():
        if key.section is not None and key.otherwise is None:
            continue  # What it is for is said by its keys.
        cells = (f"`{key.name}`", key.description, _default(key))
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def example() -> str:
    """Return the example file.

    Raises:
        ValueError: A key has no description, or neither a default nor an example.
    """
    return _HEAD + "".join(f"{line}\n" for line in _lines(None, PRODUCTION))


def with_table(readme: str) -> str:
    """Put the table between its two marks.

    Args:
        readme: The text of README.md.

    Raises:
        ValueError: The marks are not there, each once and in their order.
    """
    before, begin, rest = readme.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        msg = f"{README}: settings: must have the lines {BEGIN} and {END} once, in this order"
        raise ValueError(msg)
    return f"{before}{begin}{table()}{end}{after}"


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run `python -m constructs_lib.settings.reference`.

    Args:
        arguments: The command line; that of the process where unset.
        root: The project's folder.

    Returns:
        0, or 1 where something is stale or cannot be made; it is printed.
    """
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Make README's table and the example from the settings' model."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when stale")
    check: bool = parser.parse_args(arguments).check
    try:
        readme = (root / README).read_text(encoding="utf-8")
        wanted = {README: with_table(readme), EXAMPLE: example()}
        stale = [name for name, text in wanted.items() if _read(root / name) != text]
        if not check:
            for name in stale:
                write_public(root / name, wanted[name].encode())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name in stale:
        if check:
            sys.stderr.write(f"{name}: must say what the settings' model says; run {COMMAND}\n")
        else:
            sys.stdout.write(f"{name}: written\n")
    return 1 if check and stale else 0


def _keys_of(section: Key | None) -> list[Key]:
    """Return the keys of one section, or those at the top of the file."""
    model: type[BaseModel] = Settings
    path: tuple[str, ...] = ()
    within: str | None = None
    if section is not None:
        assert section.section is not None  # noqa: S101  (a plain key has none beneath it)
        model, path = section.section, section.path
        within = section.within if section.otherwise is None else section.name
        if section.entry is not None:
            path = (*path, ANY)
            within = f"{section.name}.{ANY}"
    found = [
        Key(
            path=(*path, name),
            field=field,
            section=_section(field),
            within=within,
            entry=_entry(field),
        )
        for name, field in model.model_fields.items()
    ]
    return sorted(found, key=lambda key: (key.section is not None, not key.field.is_required()))


def _section(field: FieldInfo) -> type[BaseModel] | None:
    candidates = (field.annotation, *get_args(field.annotation))
    models = (c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return next(models, None)


def _entry(field: FieldInfo) -> str | None:
    """Return the name of one entry, where a field is sections with names of anybody's choice."""
    if get_origin(field.annotation) is not dict or _section(field) is None:
        return None
    return str((field.examples or [ANY])[0])


def _default(key: Key) -> str:
    """Return the last cell of a key's row."""
    if key.field.is_required():
        return "required" if key.within is None else f"required in `{key.within}`"
    if key.otherwise is not None:
        return key.otherwise
    return "none" if key.default in _NOTHING else f"`{_yaml(key.default)}`"


def _lines(
    section: Key | None, values: Mapping[str, Any], *, hidden: int | None = None
) -> Iterator[str]:
    """Yield the lines of a section of the example.

    Args:
        section: The section; the whole file where unset.
        values: What the example sets in it.
        hidden: The depth from which on it is commented out, if it is.
    """
    for position, key in enumerate(_keys_of(section)):
        depth, name = len(key.path) - 1, key.path[-1]
        at = depth if hidden is None and name not in values else hidden
        margin = "  " * depth if at is None else f"{'  ' * at}# {'  ' * (depth - at)}"
        if depth == 0 or (depth == 1 and key.section is not None and position > 0):
            yield ""
        if key.section is not None and key.entry is not None:
            yield from _with_comment(f"{margin}{name}:", key.description)
            yield from _with_comment(f"{margin}  {key.entry}:", "a name")
            yield from _lines(key, values.get(name, {}).get(key.entry, {}), hidden=at)
            continue
        if key.section is not None:
            yield from _with_comment(f"{margin}{name}:", key.description)
            yield from _lines(key, values.get(name, {}), hidden=at)
            continue
        value = values.get(name, key.example)
        if isinstance(value, dict):
            yield from _with_comment(f"{margin}{name}:", key.description)
            yield from (f"{margin}  {entry}: {_yaml(item)}" for entry, item in value.items())
        else:
            yield from _with_comment(f"{margin}{name}: {_yaml(value)}", key.description)


def _with_comment(line: str, comment: str) -> Iterator[str]:
    """Yield a line with its comment behind it, and what does not fit there beneath it."""
    column = max(_COMMENTS, len(line) + 2)
    first, *more = textwrap.wrap(comment, _WIDTH - column - 2, break_on_hyphens=False)
    yield f"{line.ljust(column)}# {first}"
    yield from (f"{' ' * column}# {text}" for text in more)


def _yaml(value: Any) -> str:  # noqa: ANN401
    """Return a value in one line of YAML."""
    if isinstance(value, str) and value.isdigit():
        return f'"{value}"'  # It is text to our reader, and would be a number to others.
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _written(value: Any) -> Any:  # noqa: ANN401
    """Return a value as a settings file holds it; a file of the project relative to the file."""
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    if isinstance(value, Path):
        return os.path.relpath(value, (ROOT / EXAMPLE).parent)
    return value.written if isinstance(value, PortRange) else to_jsonable_python(value)


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


if __name__ == "__main__":
    raise SystemExit(main())
