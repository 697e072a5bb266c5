"""What waits for others, begun first.

A synthesis needs Node, which takes a while to start, and `docker compose`, which takes a while to
read the services. The app calls `begin` before it imports cdktf, and so starts both. Python then
imports the rest beside them, on another processor: the thread that waits for Compose does no more
than that until it has an answer. Two threads may want the same module at that time; Python locks
each module while it is imported, and the second thread waits for the first.

A synthesis keeps nearly all that it makes until its end, a second later. So nobody looks for
garbage meanwhile, nor at the end, where it took a seventh of the time.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, TypeAlias

from constructs_lib.settings.environment import Environment
from constructs_lib.synthesis import fast_bindings

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.compose.model import ComposeProject
    from constructs_lib.settings.settings import Settings

    Loaded: TypeAlias = tuple[Settings, ComposeProject]

_begun: dict[Environment, Future[Loaded]] = {}


def settings_and_services(environment: Environment) -> Loaded:
    """Return an environment's settings and services.

    Raises:
        ValueError: They cannot be used.
        OSError: A file cannot be read.
    """
    begun = _begun.pop(environment, None)
    if begun is not None:
        return begun.result()
    settings = _settings(environment)
    return settings, _services(environment, settings)


def begin(root: Path) -> None:
    """Begin early with what the app is going to wait for, before it imports cdktf.

    Without effect where the variable `MOOR_PLAIN_BINDINGS` turns the fast synthesis off.

    Args:
        root: The project's folder.
    """
    if os.environ.get(fast_bindings.OFF):
        return
    gc.disable()
    # Python's own end looks for garbage once more, in all that the app has made.
    atexit.register(gc.freeze)
    # Another jsii may not have what it is made of, and starts Node when cdktf is imported.
    with contextlib.suppress(ImportError, AttributeError):
        from constructs_lib.synthesis import fast_messages  # noqa: PLC0415  (imports jsii)

        if fast_messages.install():
            # Private, and the only way to start Node now.
            _ = importlib.import_module("jsii").kernel.provider._process._process  # noqa: SLF001
    # A name that is not usable is reported by the app itself.
    with contextlib.suppress(ValueError):
        load_early(Environment.from_variable(root, os.environ))


def load_early(environment: Environment) -> None:
    """Load an environment, its services in a thread, for who asks for it the next time.

    The settings come first, and here: they name the Compose files, and `docker compose`, which
    reads those, works beside Python and Node when it is started soon.
    """
    future: Future[Loaded] = Future()
    _begun[environment] = future

    def work(settings: Settings) -> None:
        try:
            future.set_result((settings, _services(environment, settings)))
        except BaseException as error:  # noqa: BLE001  (raised again where it is asked for)
            future.set_exception(error)

    try:
        settings = _settings(environment)
    except Exception as error:  # noqa: BLE001  (the same)
        future.set_exception(error)
    else:
        Thread(target=work, args=[settings], name="head start", daemon=True).start()


def _settings(environment: Environment) -> Settings:
    # Imported here and below: it is a good part of the work.
    from constructs_lib.settings.load import load_settings  # noqa: PLC0415

    return load_settings(environment.settings_file)


def _services(environment: Environment, settings: Settings) -> ComposeProject:
    from constructs_lib.settings.services import load_services  # noqa: PLC0415

    return load_services(environment, settings)
