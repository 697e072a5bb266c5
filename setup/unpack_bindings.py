"""Make jsii unpack and index the bindings' JavaScript. Run by the step `warm`.

Each package is registered without running its `__init__`, which for the AWS provider would
import more than two thousand modules only to come to the one that is needed here.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time
from pathlib import Path

_INDEX = ".jsii.runtime-index.v1"
_UNPACKED = "package.json"
_INDEX_TIMEOUT = 120.0
"""Seconds to wait for the indexes. Without them all works, but slower."""


def main() -> int:
    """Load the bindings, and wait for what jsii writes behind their back.

    A worker of jsii writes each index, and the end of this process would end it.
    """
    for name in sys.argv[1:]:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return 1
        sys.modules[name] = importlib.util.module_from_spec(spec)
        importlib.import_module(f"{name}._jsii")
    cache = Path(os.environ["JSII_RUNTIME_PACKAGE_CACHE_ROOT"])
    deadline = time.monotonic() + _INDEX_TIMEOUT
    while _unindexed(cache) and time.monotonic() < deadline:
        time.sleep(0.2)
    return 0


def _unindexed(cache: Path) -> list[Path]:
    """Return the packages without an index: `NAME/VERSION/HASH` or `@SCOPE/NAME/VERSION/HASH`."""
    packages = [*cache.glob(f"[!@]*/*/*/{_UNPACKED}"), *cache.glob(f"@*/*/*/*/{_UNPACKED}")]
    return [package.parent for package in packages if not (package.parent / _INDEX).exists()]


if __name__ == "__main__":
    sys.exit(main())
