"""The environment that is looked at, and what several checks ask of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from moor import typed
from moor.failure import CommandError
from moor.operation.hosts import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from moor.operation.hosts import Host
    from moor.session import Session


@dataclass(kw_only=True)
class Patient:
    """An environment under examination.

    Attributes:
        session: The command.
    """

    session: Session
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """The machines that the last deployment told of; none where nothing is deployed."""
        try:
            return hosts(self.session.environment)
        except CommandError:
            return ()

    @property
    def up(self) -> str:
        """The command that deploys."""
        return typed.command(self.session.environment, "up")

    def moor(self, words: str) -> str:
        """Return another command of the program.

        Args:
            words: Its words.
        """
        return typed.program(self.session.environment, words)

    def ec2(self) -> Any:  # noqa: ANN401  (boto3 has no types)
        """Return a client of EC2.

        Raises:
            CommandError: The sandbox's key cannot be read.
        """
        from moor import aws_client  # noqa: PLC0415  # heavy

        # boto3 makes its clients in one thread at a time.
        with self._lock:
            return aws_client.ec2(self.session.settings, self._credentials)

    def sts(self) -> Any:  # noqa: ANN401  (boto3 has no types)
        """Return a client of STS.

        Raises:
            CommandError: The sandbox's key cannot be read.
        """
        from moor import aws_client  # noqa: PLC0415  # heavy

        with self._lock:
            return aws_client.sts(self.session.settings, self._credentials)

    @property
    def _credentials(self) -> Path:
        return self.session.environment.sandbox_credentials
