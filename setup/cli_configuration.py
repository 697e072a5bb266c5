"""Terraform's CLI configuration: what the user's files say, and the one that set-up writes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from setup.errors import SetupError
from setup.variables import home_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FOLDER: Final = re.compile(r'^[^#\n]*\b(?:path|plugin_cache_dir)\s*=\s*"([^"]+)"', re.MULTILINE)
"""A folder of providers in a CLI configuration file."""


def read_user_configurations(variables: Mapping[str, str]) -> dict[Path, str]:
    """Read the user's CLI configuration files.

    Args:
        variables: The environment of the caller.

    Returns:
        The text of each of them that there is.

    Raises:
        SetupError: One may not be read. Terraform would fail for it too, and later.
    """
    home = home_of(variables)
    explicit = variables.get("TF_CLI_CONFIG_FILE")
    # In a folder that may not be searched, Terraform finds none either: a home that is not
    # this user's is no reason to fail.
    usual = (home / ".tofurc", home / ".terraformrc")
    files = [Path(explicit)] if explicit else [f for f in usual if os.access(f, os.F_OK)]
    texts: dict[Path, str] = {}
    for file in files:
        try:
            texts[file] = file.read_text(errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            subject = f"TF_CLI_CONFIG_FILE: {file}" if explicit else str(file)
            remedy = ", or unset TF_CLI_CONFIG_FILE" if explicit else ", or move it away"
            msg = (
                f"{subject}: must be a file that this user may read, got "
                f"{(error.strerror or 'an error').lower()}; let this user read it{remedy}"
            )
            raise SetupError(msg) from error
    return texts


def folders_in(configuration: str) -> list[Path]:
    """Return the folders of providers that the text of a CLI configuration names."""
    return [Path(match[1]) for match in _FOLDER.finditer(configuration)]


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
