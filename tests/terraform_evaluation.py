"""What Terraform itself makes of configuration: without a provider, and with none to wait for."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

from synthesis import ROOT

from constructs_lib.settings.environment import Environment
from moor.toolchain.toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ATTRIBUTE: Final = r"(data\.)?(aws|docker|terraform)_[\w.-]+"
_REFERENCE: Final = re.compile(rf"\$\{{{_ATTRIBUTE}( == {_ATTRIBUTE})?\}}")
"""A reference, or the comparison of two."""


def evaluate(folder: Path, value: Any) -> Any:  # noqa: ANN401  (whatever JSON holds)
    """Return what Terraform makes of a value whose texts are templates.

    Args:
        folder: An empty folder, or one of an evaluation before.
        value: What JSON holds. References to resources become the word REFERENCE, and comments go.
    """
    apply(folder, {"output": {"value": {"value": _standing_alone(value)}}})
    return json.loads(_terraform(folder, "output", "-json"))["value"]["value"]


def apply(folder: Path, configuration: Any) -> None:  # noqa: ANN401  (whatever JSON holds)
    """Apply a configuration that needs no provider but Terraform's own."""
    (folder / "main.tf.json").write_text(json.dumps(configuration), encoding="utf-8")
    if "resource" in configuration:
        _terraform(folder, "init", "-input=false")
    _terraform(folder, "apply", "-auto-approve", "-no-color", "-input=false", "-lock=false")


def texts(value: Any) -> Iterator[str]:  # noqa: ANN401  (whatever JSON holds)
    """Yield every text in a value, those of keys too."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def _standing_alone(value: Any) -> Any:  # noqa: ANN401  (whatever JSON holds)
    if isinstance(value, dict):
        return {key: _standing_alone(item) for key, item in value.items() if key != "//"}
    if isinstance(value, list):
        return [_standing_alone(item) for item in value]
    if isinstance(value, str):
        return _REFERENCE.sub("REFERENCE", value)
    return value


def _terraform(folder: Path, *words: str) -> str:
    toolchain = Toolchain.load()
    done = subprocess.run(
        [toolchain.terraform, *words],
        cwd=folder,
        env=toolchain.variables(Environment.from_variable(ROOT, {})),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
