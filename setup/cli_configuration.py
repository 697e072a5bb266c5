"""Terraform's CLI configuration: what the user's files say, and the one that set-up writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FOLDER: Final = re.compile(r'^[^#\n]*\b(?:path|plugin_cache_dir)\s*=\s*"([^"]+)"', re.MULTILINE)
"""A folder of providers in a CLI configuration file."""


def user_configurations(variables: Mapping[str, str]) -> list[Path]:
    """Return the user's CLI configuration files that exist."""
    home = Path(variables.get("HOME") or Path.home())
    explicit = variables.get("TF_CLI_CONFIG_FILE")
    files = [Path(explicit)] if explicit else [home / ".tofurc", home / ".terraformrc"]
    return [file for file in files if file.is_file()]


def folders_in(configuration: Path) -> list[Path]:
    """Return the folders of providers that a CLI configuration file names."""
    try:
        text = configuration.read_text(errors="replace")
    except OSError:
        return []
    return [Path(match[1]) for match in _FOLDER.finditer(text)]


def cli_configuration(mirrors: Sequence[tuple[Path, Sequence[str]]]) -> str:
    """Write a CLI configuration that takes providers from folders, and all others as usual.

    Args:
        mirrors: Folders, each with the full names of the providers that it gives.
    """
    lines = ["disable_checkpoint = true", "", "provider_installation {"]
    for folder, names in mirrors:
        lines += [
            "  filesystem_mirror {",
            f"    path    = {_quoted(str(folder))}",
            f"    include = [{', '.join(_quoted(name) for name in names)}]",
            "  }",
        ]
    everything = ", ".join(_quoted(name) for _, names in mirrors for name in names)
    lines += ["  direct {", f"    exclude = [{everything}]", "  }", "}", ""]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Return a string of the configuration language."""
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("${", "$${"), ("%{", "%%{")):
        text = text.replace(character, escape)
    return f'"{text}"'
