"""Which binary an environment's state was written by, and whether this one will do."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from moor.failure import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.settings.environment import Environment
    from moor.toolchain.toolchain import Toolchain

_NAMES: Final = {"terraform": "Terraform", "tofu": "OpenTofu"}
_REGISTRIES: Final = {"terraform": "registry.terraform.io", "tofu": "registry.opentofu.org"}
_S3_LOCKING: Final = (1, 10)
"""The first version of both whose S3 backend locks without DynamoDB."""


def check(environment: Environment, toolchain: Toolchain, *, s3: bool) -> None:
    """See that the binary will do for an environment.

    Args:
        environment: The environment.
        toolchain: The binary, and what it says of itself.
        s3: Whether the state is kept in S3.

    Raises:
        CommandError: It is too old for the settings, or another kind has written the state,
            with the way out.
    """
    version = toolchain.version or ""
    found = re.search(r"v(\d+)\.(\d+)", version)
    if s3 and found and (int(found[1]), int(found[2])) < _S3_LOCKING:
        raise CommandError(
            f"{environment.settings_file}: state.s3: must have Terraform or OpenTofu 1.10 or "
            f"later, which lock a state in S3, got {version} ({toolchain.terraform}); install a "
            "newer one and run `python3 -m setup --refresh`"
        )
    before = _remembered(environment)
    now = toolchain.kind
    if before is None or now is None or before == now:
        return
    raise CommandError(_mismatch(environment, toolchain, before, now))


def remember(environment: Environment, toolchain: Toolchain) -> None:
    """Remember which binary writes the environment's state from now on."""
    if toolchain.kind is not None and _remembered(environment) != toolchain.kind:
        file = _file(environment)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(json.dumps({"kind": toolchain.kind}) + "\n", encoding="utf-8")


def forget(environment: Environment) -> None:
    """Forget it: nothing is deployed any more."""
    _file(environment).unlink(missing_ok=True)


def _mismatch(environment: Environment, toolchain: Toolchain, before: str, now: str) -> str:
    program = toolchain.terraform
    text = (
        f"environment {environment.name}: must be worked on by {_NAMES[before]}, which wrote its "
        f"state, got {_NAMES[now]} ({program}); name the other one, as in: "
        f"TERRAFORM_BINARY_NAME={before} make setup; or stay with {_NAMES[now]} from now on: "
    )
    if before == "tofu":
        old, new = _REGISTRIES["tofu"], _REGISTRIES["terraform"]
        text += (
            f"in each folder of {environment.output / 'stacks'} run `tofu state replace-provider "
            f"{old}/NAMESPACE/NAME {new}/NAMESPACE/NAME` for each provider, then "
        )
    return f"{text}remove {_file(environment)}"


def _file(environment: Environment) -> Path:
    return environment.directory / "binary.json"


def _remembered(environment: Environment) -> str | None:
    try:
        kind = json.loads(_file(environment).read_text(encoding="utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kind if isinstance(kind, str) and kind in _NAMES else None
