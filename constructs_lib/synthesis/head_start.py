"""What waits for others, begun first.

A synthesis needs Node, which takes a while to start, and `docker compose`, which takes a while to
read the services. The app calls `begin` before it imports cdktf, and so starts both. Python then
imports the rest beside them, on another processor: the thread that waits for Compose does no more
than that until it has an answer. Two threads may want the same module at that time; Python locks
each module while it is imported, and the second thread waits for the first.

A synthesis keeps nearly all that it makes until its end, a second later. So the app collects no
garbage either: a third of its time went into looking for some.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeAlias

from constructs_lib.settings.environment import Environment
from constructs_lib.synthesis import fast_bindings

if TYPE_CHECKING:
    from constructs_lib.compose.model import ComposeProject
    from constructs_lib.settings.settings import Settings

    Loaded: TypeAlias = tuple[Settings, ComposeProject]

_PROCESSOR: Final = 36
"""Which field it is of those after the name (Source: proc_pid_stat(5), field 39)."""

_begun: dict[Environment, Future[Loaded]] = {}
_early = False
"""Whether this is the app, and it has begun early."""


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
    global _early  # noqa: PLW0603  (of the process, like the collector)
    _early = True
    gc.disable()
    atexit.register(gc.freeze)  # Python's own end collects once more.
    # Another jsii may not have what it is made of, and starts Node when cdktf is imported.
    with contextlib.suppress(ImportError, AttributeError):
        from constructs_lib.synthesis import fast_messages  # noqa: PLC0415  (imports jsii)

        if fast_messages.install():
            _node()
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


def take_turns() -> bool:
    """Let this thread and Node's share a processor from now on, where the app has begun early.

    A construct is a question to Node: one of the two works while the other one waits. On two
    processors each question wakes an idle one, twice, and on a virtual machine that takes as
    long as the answer; on one it is a switch. The other threads of both are left alone, and so
    is the system's choice of the processor; a program that is started later stays on it, too.

    Returns:
        Whether they share one. Where the system has no such thing, or refuses, they do not.
    """
    if not _early or not hasattr(os, "sched_setaffinity"):
        return False
    try:
        node = _node()
        # The name in the second field may have blanks and brackets.
        fields = Path("/proc/thread-self/stat").read_text(encoding="ascii").rpartition(")")[2]
        processor = int(fields.split()[_PROCESSOR])
        for thread in (node, 0):
            os.sched_setaffinity(thread, {processor})
    except (AttributeError, OSError, ValueError, IndexError):
        return False
    return True


def _node() -> int:
    """Return the number of Node's process, which this starts if need be."""
    # Private, and the only way to it.
    node: int = importlib.import_module("jsii").kernel.provider._process._process.pid  # noqa: SLF001
    return node


def _settings(environment: Environment) -> Settings:
    # Imported here and below: it is a good part of the work.
    from constructs_lib.settings.load import load_settings  # noqa: PLC0415

    return load_settings(environment.settings_file)


def _services(environment: Environment, settings: Settings) -> ComposeProject:
    from constructs_lib.settings.services import load_services  # noqa: PLC0415

    return load_services(environment, settings)
