"""When `terraform init` has nothing to do.

What `init` does depends on which providers, modules and backend the configuration names, on
what is installed, and on the program. After an `init` that succeeded, all of that is remembered
as one hash inside `.terraform`; as long as the hash is the same, another `init` would change
nothing. Wrong answers would do no harm: before it plans or applies, Terraform itself compares
the backend with the one it initialized, and the installed providers with the lock file, and
fails with "please run terraform init".

Run by the script `terraform` beside it, in the stack's folder, with Python's standard library
only and in isolated mode, which starts in a fraction of the time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONFIGURATION: Final = "cdk.tf.json"
REMEMBERED: Final = Path(".terraform", "moor-initialized")

_HARMLESS: Final = frozenset({"-no-color", "-input=false", "-input=true"})
"""Options of `init` that change nothing but its output. `-upgrade`, for one, looks for more."""

_INFLUENCES: Final = (
    *("TF_CLI_ARGS", "TF_CLI_ARGS_init", "TF_CLI_CONFIG_FILE", "TF_DATA_DIR", "TF_WORKSPACE"),
    *("TF_PLUGIN_CACHE_DIR", "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE"),
)
"""Terraform's own variables that `init` heeds."""


def main(arguments: Sequence[str]) -> int:
    """Answer `is-current`, or `remember`.

    Args:
        arguments: One of these words, and then the arguments of Terraform.

    Returns:
        The exit status: 0 for yes and for done, 1 otherwise.
    """
    action, *words = arguments
    act = remember if action == "remember" else is_current
    return 0 if act(Path.cwd(), words, os.environ) else 1


def is_current(folder: Path, words: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Return whether `terraform init` would change nothing.

    Args:
        folder: The stack's folder.
        words: The arguments of Terraform, the first one `init`.
        variables: The environment variables; `MOOR_TERRAFORM` names the binary.
    """
    try:
        value = fingerprint(folder, words, variables)
        return value is not None and (folder / REMEMBERED).read_text(encoding="ascii") == value
    except (OSError, ValueError):
        return False


def remember(folder: Path, words: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Remember an `init` that has succeeded, with the arguments of `is_current`.

    Returns:
        Whether it could be remembered; if not, the next `init` runs, which costs time only.
    """
    try:
        value = fingerprint(folder, words, variables)
        if value is None:
            return False
        new = (folder / REMEMBERED).with_suffix(".new")
        new.write_text(value, encoding="ascii")
        new.replace(folder / REMEMBERED)
    except (OSError, ValueError):
        return False
    return True


def fingerprint(folder: Path, words: Sequence[str], variables: Mapping[str, str]) -> str | None:
    """Hash all that `terraform init` depends on, and what it has made.

    Args:
        folder: The stack's folder.
        words: The arguments of Terraform, the first one `init`.
        variables: The environment variables.

    Returns:
        The hash; None where `init` has to run whatever was before.

    Raises:
        OSError: A file of an initialized folder cannot be read, usually as it is not there.
        ValueError: The configuration is no JSON object.
    """
    if words[:1] != ["init"] or not _HARMLESS.issuperset(words[1:]):
        return None
    if variables.get("TF_DATA_DIR") or [p.name for p in _configurations(folder)] != [CONFIGURATION]:
        return None
    document = json.loads((folder / CONFIGURATION).read_bytes())
    if not isinstance(document, dict) or "module" in document:
        return None
    data = folder / ".terraform"
    command_line_configuration = variables.get("TF_CLI_CONFIG_FILE")
    facts = {
        "terraform": document.get("terraform"),
        # A provider that is used is required, even where the block above does not name it.
        "used": {kind: _names(document.get(kind)) for kind in ("provider", "resource", "data")},
        "program": _state_of(Path(variables["MOOR_TERRAFORM"])),
        "variables": {name: variables.get(name) for name in _INFLUENCES},
        "command line configuration": (
            _digest(Path(command_line_configuration)) if command_line_configuration else None
        ),
        "lock": _digest(folder / ".terraform.lock.hcl"),
        "backend": _digest(data / "terraform.tfstate"),
        "workspace": _digest(data / "environment") if (data / "environment").exists() else None,
        "providers": _installed(data / "providers"),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _configurations(folder: Path) -> list[Path]:
    return [
        p for p in folder.iterdir() if p.name.endswith((".tf", ".tf.json", ".tofu", ".tofu.json"))
    ]


def _names(block: Any) -> list[str]:  # noqa: ANN401  (whatever JSON holds)
    return sorted(block) if isinstance(block, dict) else []


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _state_of(file: Path) -> list[object]:
    state = file.stat()
    return [str(file.resolve()), state.st_size, state.st_mtime_ns]


def _installed(folder: Path) -> list[list[object]]:
    """List the files of the installed providers, through the links that a cache makes.

    Raises:
        OSError: There are none, or a link leads to nothing.
    """
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    return sorted(
        (
            _state_of(Path(parent, name))
            for parent, _, names in os.walk(folder, followlinks=True)
            for name in names
        ),
        key=str,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
