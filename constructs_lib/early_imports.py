"""Imports that need no Node, made in a thread while another one waits for Node.

Importing this module, before cdktf, is what starts them. `import cdktf` starts Node and then
waits for it, idle, for longer than these modules take. Whoever imports one of them meanwhile
waits for the thread, by Python's own lock on each module; and where the thread fails, that
import fails in its place.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from typing import Final

from constructs_lib import fast_bindings

MODULES: Final = (
    "constructs_lib.settings",
    "constructs_lib.pki",
    "constructs_lib.docker_host",
)


def _import_all() -> None:
    with contextlib.suppress(Exception):
        for module in MODULES:
            importlib.import_module(module)


if not os.environ.get(fast_bindings.OFF):
    threading.Thread(target=_import_all, name="early imports", daemon=True).start()
