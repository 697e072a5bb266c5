"""What containers write, read from the engines that they run on, at once or as it comes."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from docker.errors import NotFound

from moor.failure import CommandError
from moor.operation import containers, engines
from moor.operation.log_lines import Line, lines, merged
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from docker import DockerClient

    from constructs_lib.settings.environment import Environment
    from moor.operation.containers import Placed
    from moor.session import Session

_AT_ONCE: Final = 16
_MICROSECONDS: Final = len("2026-11-28T22:40:00.000000")
_SETTLE_SECONDS: Final = 0.2
"""How long a line waits for older ones of other containers, whose way here may take longer."""

_LOOK_SECONDS: Final = 2.0
"""How often it is looked for containers that are new, or run again."""

_PATIENCE_SECONDS: Final = 60.0
"""How long machines that do not answer are asked again."""


def history(
    environment: Environment,
    found: Sequence[Placed],
    *,
    tail: int | None = None,
    since: datetime | None = None,
) -> Iterator[Line]:
    """Return what containers have written, in the order of time.

    Args:
        environment: The environment.
        found: The containers.
        tail: How many lines of each are wanted at most; all where unset.
        since: From when on.

    Raises:
        CommandError: An engine does not answer.
    """

    def read(one: Placed) -> list[Line]:
        with engines.engine(environment, one.host) as client:
            engines.without_limit(client)
            return list(lines(_output(client, one, tail=tail, since=since), one.label))

    if not found:
        return iter(())
    with ThreadPoolExecutor(min(len(found), _AT_ONCE)) as pool:
        return merged(list(pool.map(read, found)))


def follow(
    session: Session,
    services: Sequence[str],
    *,
    tail: int | None = None,
    since: datetime | None = None,
    say: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Iterator[Line]:
    """Return what containers write as it comes, those that are started later among them.

    Args:
        session: The command.
        services: The services; all where empty.
        tail: How many earlier lines of each are wanted at most; all where unset.
        since: From when on.
        say: Takes a line for a person.
        stop: Set by somebody else to end it; it has no other end.

    Raises:
        CommandError: Engines do not answer, for longer than a reboot of their machine takes to
            be noticed.
    """
    reader = _Follower(session, services, tail=tail, since=since)
    over = stop or threading.Event()
    silent_since: float | None = None
    looked = -_LOOK_SECONDS
    try:
        while not over.is_set():
            if time.monotonic() - looked >= _LOOK_SECONDS:
                try:
                    reader.look()
                    silent_since = None
                except CommandError as error:
                    if silent_since is None:
                        silent_since = time.monotonic()
                        say(f"{error}; looking again")
                    if time.monotonic() - silent_since > _PATIENCE_SECONDS or not reader.had:
                        raise
                looked = time.monotonic()
            yield from reader.settled()
    finally:
        reader.close()


class _Follower:
    """Threads that each read one container's output, and the queue that they write to."""

    def __init__(
        self,
        session: Session,
        services: Sequence[str],
        *,
        tail: int | None,
        since: datetime | None,
    ) -> None:
        self._session, self._services = session, services
        self._tail, self._since = tail, since
        self._queue: queue.Queue[tuple[float, Line]] = queue.Queue()
        self._threads: dict[str, threading.Thread] = {}
        self._last: dict[str, str] = {}
        self._held: list[tuple[float, Line]] = []
        self._over = threading.Event()
        self.had = False

    def look(self) -> None:
        """Begin to read what runs and is not read yet; at first what has ended, too."""
        for one in containers.find(self._session, self._services):
            thread = self._threads.get(one.id)
            fresh = thread is None
            if fresh or (thread is not None and not thread.is_alive() and one.is_running):
                thread = threading.Thread(target=self._read, args=(one,), daemon=True)
                self._threads[one.id] = thread
                thread.start()
        self.had = True

    def settled(self) -> list[Line]:
        """Wait for lines, and return those that have waited long enough for older ones."""
        with contextlib.suppress(queue.Empty):
            self._held.append(self._queue.get(timeout=_SETTLE_SECONDS))
            while True:
                self._held.append(self._queue.get_nowait())
        ready = time.monotonic() - _SETTLE_SECONDS
        old = sorted(line for at, line in self._held if at <= ready)
        self._held = [item for item in self._held if item[0] > ready]
        return old

    def close(self) -> None:
        """Have the threads end with the next that they read."""
        self._over.set()

    def _read(self, one: Placed) -> None:
        again = self._last.get(one.id)
        with (
            contextlib.suppress(CommandError, NotFound, *ENGINE_ERRORS),
            engines.engine(self._session.environment, one.host) as client,
        ):
            engines.without_limit(client)
            output = _output(
                client,
                one,
                tail=None if again else self._tail,
                since=_time(again) if again else self._since,
                follow=True,
            )
            for line in lines(output, one.label):
                if self._over.is_set():
                    return
                # What was written in the moment that it is read from on is read again.
                if again is None or line.time > again:
                    self._last[one.id] = line.time
                    self._queue.put((time.monotonic(), line))


def _output(
    client: DockerClient,
    one: Placed,
    *,
    tail: int | None,
    since: datetime | None,
    follow: bool = False,
) -> Iterable[bytes]:
    api: Any = client.api
    found: Iterable[bytes] = api.logs(
        one.id,
        stream=True,
        timestamps=True,
        follow=follow,
        tail="all" if tail is None else tail,
        since=None if since is None else since.timestamp(),
    )
    return found


def _time(text: str) -> datetime:
    """Read a line's time, without what is finer than microseconds."""
    return datetime.fromisoformat(text[:_MICROSECONDS] + "+00:00")
