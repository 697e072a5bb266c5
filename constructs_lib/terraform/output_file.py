"""A file that a step writes for Terraform to read: what nobody knows before the step is taken.

A step of Terraform's has no result, and a data source that runs a program belongs to a provider of
its own. But Terraform itself reads the outputs of another state, and a state without resources is
a small file: so a step writes one, and a data source that waits for the step reads it. In the
state that reads it is nothing but that value.

Source: Terraform's "State file format, version 4", and its `terraform_remote_state` data source.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from constructs_lib.files.private_file import write_private

if TYPE_CHECKING:
    from pathlib import Path

OUTPUT: Final = "value"
"""What the one output is called."""


def write_output(file: Path, value: str) -> None:
    """Write a value, in one step.

    Args:
        file: The file; its folder is made where missing.
        value: The value. It gets into the state of whoever reads it, so it is no secret.

    Raises:
        OSError: The file cannot be written.
    """
    document = {
        "version": 4,
        "terraform_version": "1.4.0",
        "serial": 1,
        "lineage": file.stem,
        "outputs": {OUTPUT: {"value": value, "type": "string"}},
        "resources": [],
    }
    write_private(file, json.dumps(document).encode())


def read_output(file: Path) -> str | None:
    """Return the value that was written last; None where there is none that can be read.

    Args:
        file: The file.
    """
    try:
        value = json.loads(file.read_bytes())["outputs"][OUTPUT]["value"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None
