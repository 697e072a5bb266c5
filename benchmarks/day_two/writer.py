"""Somebody who writes all the time, and remembers what was acknowledged.

It is PostgreSQL's own client, in a container of the engine beneath, which stays whatever becomes of
the machine.
"""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Self

from docker.errors import NotFound

from benchmarks.day_two.database import IMAGE, NAME, PORT

if TYPE_CHECKING:
    from types import TracebackType

    from benchmarks.day_two.database import Database

_NAME: Final = f"moor-{NAME}-writer"
_IMAGE: Final = f"127.52.0.1:5052/{IMAGE}"
_LONGEST_SECONDS: Final = 5400
_PATIENCE_SECONDS: Final = 120.0

# A few rows a second for an hour and a half, and no longer. A row that was acknowledged is told.
_WRITE: Final = """
n=0
while [ "$(date +%s)" -lt "$END" ]; do
  n=$((n + 1))
  if timeout 3 psql -qtA -c "insert into rows values ($n)" > /dev/null 2>&1; then
    echo "$n $(date +%s.%N)"
  fi
  sleep 0.1
done
"""


class Writer:
    """A writer, from `with` to its end.

    Args:
        database: Where it writes; it must run.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._api: Any = database.beneath().api
        self._identity = ""
        self._from = 0
        """The first row that counts: those before may be gone with a restore."""

    def __enter__(self) -> Self:
        """Begin to write."""
        variables = {
            "PGHOST": self._database.address,
            "PGPORT": str(PORT),
            "PGUSER": "postgres",
            "PGCONNECT_TIMEOUT": "2",
            "END": str(int(time.time()) + _LONGEST_SECONDS),
        }
        # One may be left of a measurement that was killed.
        with suppress(NotFound):
            self._api.remove_container(_NAME, force=True, v=True)
        self._identity = self._api.create_container(
            _IMAGE,
            entrypoint=["sh", "-c", _WRITE],
            name=_NAME,
            environment=variables,
            host_config=self._api.create_host_config(network_mode="host", init=True),
        )["Id"]
        self._api.start(self._identity)
        self.ask("create table if not exists rows (id int primary key)")
        self.wait_for_another()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write no more."""
        self._api.remove_container(self._identity, force=True, v=True)

    def ask(self, question: str) -> list[str]:
        """Ask the database as soon as it answers; returns the lines of its answer.

        Raises:
            RuntimeError: It does not.
        """
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            made = self._api.exec_create(self._identity, ["psql", "-qtA", "-c", question])
            told: str = self._api.exec_start(made["Id"]).decode()
            if self._api.exec_inspect(made["Id"])["ExitCode"] == 0:
                return told.split()
            if time.monotonic() > end:
                raise RuntimeError(f"{question}: must be answered, got: {told}")
            time.sleep(0.5)

    def acknowledged(self) -> dict[int, float]:
        """Return when each row that counts was acknowledged, in seconds since 1970."""
        return {row: when for row, when in self._told().items() if row >= self._from}

    def _told(self) -> dict[int, float]:
        text: str = self._api.logs(self._identity, stdout=True, stderr=False).decode()
        return {int(row): float(when) for row, when in map(str.split, text.splitlines())}

    def wait_for_another(self) -> None:
        """Wait until one more row is acknowledged.

        Raises:
            RuntimeError: None is.
        """
        before, end = time.time(), time.monotonic() + _PATIENCE_SECONDS
        while max(self.acknowledged().values(), default=0.0) < before:
            if time.monotonic() > end:
                raise RuntimeError("a row must be acknowledged, got none in two minutes")
            time.sleep(0.5)

    def downtime(self, begin: float) -> float:
        """Return the longest time without an acknowledgement, in seconds.

        Args:
            begin: From when on, in seconds since 1970.
        """
        return max((after - before for before, after in self._gaps(begin)), default=0.0)

    def _gaps(self, begin: float) -> list[tuple[float, float]]:
        return list(pairwise(when for when in self._told().values() if when >= begin))

    def lost(self) -> list[int]:
        """Return the rows that were acknowledged and are not there."""
        acknowledged = self.acknowledged()
        there = {int(row) for row in self.ask("select id from rows")}
        return sorted(acknowledged.keys() - there)

    def forget_until_the_gap(self, begin: float) -> None:
        """Count no row that was acknowledged before the longest time without one.

        Args:
            begin: From when on that time is looked for, in seconds since 1970.
        """
        _, end = max(self._gaps(begin), key=lambda gap: gap[1] - gap[0])
        self._from = min(row for row, when in self._told().items() if when >= end)
