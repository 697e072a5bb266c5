"""What needs no Node, done in a thread while the main one waits for Node.

`import cdktf` starts Node and then waits for it, idle, for about as long as it takes to import
the modules below and to read the settings and the Compose files. Importing this module before
cdktf, from the app's `main.py`, starts that; anywhere else it starts nothing. Whoever imports
one of the modules meanwhile waits for the thread, by Python's own lock on each module.

A synthesis keeps nearly all that it makes until its end, a second later. So the app collects no
garbage either: a third of its time went into looking for some.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import sys
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeAlias

from constructs_lib import fast_bindings
from constructs_lib.environment import Environment

if TYPE_CHECKING:
    from constructs_lib.compose.model import ComposeProject
    from constructs_lib.settings import Settings

    Loaded: TypeAlias = tuple[Settings, ComposeProject]

MODULES: Final = (
    "constructs_lib.pki",
    "constructs_lib.docker_host",
    "constructs_lib.ssh_key",
)
"""What else the app imports and is no construct; reading settings and services imports the rest."""

_APP: Final = "main.py"
_begun: dict[Environment, Future[Loaded]] = {}


def settings_and_services(environment: Environment) -> Loaded:
    """Give an environment's settings and services.

    Raises:
        ValueError: They cannot be used.
        OSError: A file cannot be read.
    """
    begun = _begun.pop(environment, None)
    return _load(environment) if begun is None else begun.result()


def begin(environment: Environment) -> None:
    """Load an environment in a thread, for who asks for it the next time."""
    future: Future[Loaded] = Future()
    _begun[environment] = future

    def work() -> None:
        try:
            future.set_result(_load(environment))
        except BaseException as error:  # noqa: BLE001  (raised again where it is asked for)
            future.set_exception(error)
            return
        # Should it fail here, it fails again, and aloud, where the app imports it.
        with contextlib.suppress(Exception):
            for module in MODULES:
                importlib.import_module(module)

    Thread(target=work, name="head start", daemon=True).start()


def _load(environment: Environment) -> Loaded:
    # Imported here: they are a good part of the work.
    from constructs_lib.services import load_services  # noqa: PLC0415
    from constructs_lib.settings import load_settings  # noqa: PLC0415

    settings = load_settings(environment.settings_file)
    return settings, load_services(environment, settings)


def _begin_for_the_app() -> None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if file is None or Path(file).name != _APP or os.environ.get(fast_bindings.OFF):
        return
    gc.disable()
    atexit.register(gc.freeze)  # Python's own end collects once more.
    # What starts Node is imported with cdktf; this is the part before it that takes time, and
    # two threads that both compute only get into each other's way.
    importlib.import_module("jsii")
    # A name that is not usable is reported by the app itself.
    with contextlib.suppress(ValueError):
        begin(Environment.from_variable(Path(file).resolve().parent, os.environ))
    importlib.import_module("constructs")


_begin_for_the_app()
