"""Who holds what keeps two deployments apart: the environment's lock here, and the state's in S3.

The lock here is the kernel's, and goes with the processes that hold it. The state's is an object
beside it, which stays where a Terraform was killed.

Source: Terraform, `statemgr.LockInfo`, which the backend "s3" writes with `use_lockfile`.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import signal
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.terraform.stacks import AWS, DOCKER
from moor import deployment_lock, typed
from moor.aws_refusal import told
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moor.session import Session

_PATIENCE_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.2
_ABSENT: Final = ("NoSuchKey", "404", "NoSuchBucket")
_SHOWN: Final = 120
_LOCK_TOLD: Final = "S3 must tell of the state's lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lock that somebody holds.

    Attributes:
        what: What is locked.
        who: A user and a computer.
        doing: What that one does, as far as it is known.
        since: Since when; None where that is unknown.
        here: The processes of this computer that hold it; of a state's lock those that may.
        stack: The stack whose state it is; empty for the environment's own lock.
        id: The id of the state's lock.
        key: Its object in S3.
    """

    what: str
    who: str
    doing: str
    since: datetime | None
    here: tuple[int, ...] = ()
    stack: str = ""
    id: str = ""
    key: str = ""

    @property
    def is_of_another_computer(self) -> bool:
        """Whether nobody here can know if its holder lives."""
        return self.who.rpartition("@")[2] != socket.gethostname()


def held(session: Session) -> list[Held]:
    """Return the locks of an environment that are held.

    Args:
        session: The command.

    Raises:
        CommandError: S3 does not tell.
    """
    return [*_environments(session), *states(session)]


def states(session: Session) -> list[Held]:
    """Return the locks of an environment's states in S3; none where the states are files here.

    Args:
        session: The command.

    Raises:
        CommandError: S3 does not tell.
    """
    s3 = session.settings.state.s3
    if s3 is None:
        return []
    client = _s3(session)
    holders = tuple(h.pid for h in deployment_lock.holders(session.environment))
    found = []
    for stack in (AWS, DOCKER):
        key = f"{s3.prefix}/{stack}.tfstate.tflock"
        with told(f"s3://{s3.bucket}/{key}: {_LOCK_TOLD}"):
            info = _info(client, s3.bucket, key)
        if info is not None:
            found.append(_state_lock(info, stack, f"s3://{s3.bucket}/{key}", key, holders))
    return found


def _state_lock(
    info: dict[str, Any], stack: str, what: str, key: str, holders: tuple[int, ...]
) -> Held:
    who = str(info.get("Who", "unknown"))
    lock = Held(
        what=what,
        who=who,
        doing=str(info.get("Operation", "")),
        since=_time(str(info.get("Created", ""))),
        stack=stack,
        id=str(info.get("ID", "")),
        key=key,
    )
    if lock.is_of_another_computer:
        return lock
    return Held(**{**_fields(lock), "here": holders})


def release(session: Session, lock: Held, *, despite: bool) -> str:
    """Take a lock away that nobody needs any more.

    Args:
        session: The command.
        lock: The lock.
        despite: Whether its holder may live: one of this computer is ended then, as Ctrl-C
            would, and one of another computer is not asked.

    Returns:
        What was done.

    Raises:
        CommandError: Its holder lives, or may live, and nobody said that it may go all the same.
    """
    name = session.environment.name
    again = typed.program(session.environment, f"lock release --despite {name}")
    if lock.here and not despite:
        processes = ", ".join(map(str, lock.here))
        raise CommandError(
            f"{lock.what}: must be held by nobody who is at work, got {lock.who}, {lock.doing} "
            f"(process {processes}); wait until it has ended, or end it with `{again}`"
        )
    if not lock.stack:
        _end(session, lock)
        return f"{lock.what}: its holder has ended"
    if lock.is_of_another_computer and not despite:
        raise CommandError(
            f"{lock.what}: must be held by nobody who is at work, got {lock.who}, of whom this "
            f"computer cannot know; ask there, and where nothing runs: `{again}`"
        )
    _remove(session, lock)
    return f"{lock.what}: released"


def _environments(session: Session) -> Iterator[Held]:
    environment = session.environment
    found = deployment_lock.holders(environment)
    if not found:
        return
    recorded = deployment_lock.recorded(environment)
    first = next((h for h in found if str(h.pid) == recorded), found[0])
    yield Held(
        what=f"environment {environment.name}",
        who=f"{_user(first.pid)}@{socket.gethostname()}",
        doing=_command(first.pid) or first.name,
        since=datetime.fromtimestamp(environment.lock.stat().st_mtime, UTC),
        here=tuple(h.pid for h in found),
    )


def _end(session: Session, lock: Held) -> None:
    """Ask the holders to end, as a person would, and wait: a deployment comes to a good state."""
    for pid in lock.here:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM if _ignores_interrupts(pid) else signal.SIGINT)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while left := deployment_lock.holders(session.environment):
        if time.monotonic() > deadline:
            listed = ", ".join(f"{h.name} ({h.pid})" for h in left)
            raise CommandError(
                f"{lock.what}: its holders must end within {_PATIENCE_SECONDS:.0f} s, got "
                f"{listed} still at work; a second Ctrl-C at their terminal kills what they do"
            )
        time.sleep(_PAUSE_SECONDS)


def _ignores_interrupts(pid: int) -> bool:
    """Return whether Ctrl-C does nothing to it, as to what a shell has started by `&`."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    ignored = next((line for line in text.splitlines() if line.startswith("SigIgn:")), "SigIgn: 0")
    return bool(int(ignored.split()[1], 16) >> (signal.SIGINT - 1) & 1)


def _remove(session: Session, lock: Held) -> None:
    s3 = session.settings.state.s3
    if s3 is None:
        return
    client = _s3(session)
    with told(f"{lock.what}: {_LOCK_TOLD}"):
        info = _info(client, s3.bucket, lock.key)
        if info is not None and str(info.get("ID", "")) != lock.id:
            raise CommandError(
                f"{lock.what}: must be the lock that was looked at ({lock.id}), got another one "
                f"({info.get('ID')}): somebody is at work"
            )
        client.delete_object(Bucket=s3.bucket, Key=lock.key)


def _info(client: Any, bucket: str, key: str) -> dict[str, Any] | None:  # noqa: ANN401  (boto3 has no types)
    from botocore.exceptions import ClientError  # noqa: PLC0415  # heavy

    try:
        body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if str(error.response.get("Error", {}).get("Code")) in _ABSENT:
            return None
        raise
    try:
        found = json.loads(body)
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def _s3(session: Session) -> Any:  # noqa: ANN401  (boto3 has no types)
    from moor import aws_client  # noqa: PLC0415  # heavy

    return aws_client.s3(session.settings, session.environment.sandbox_credentials)


def _fields(lock: Held) -> dict[str, Any]:
    return {name: getattr(lock, name) for name in lock.__slots__}


def _time(text: str) -> datetime | None:
    """Read a time of Terraform's, which has nanoseconds."""
    head, dot, _ = text.removesuffix("Z").partition(".")
    del dot
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(f"{head}+00:00")
    return None


def _command(pid: int) -> str:
    """Return what a process was called with, without what an interpreter needs."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        shown = " ".join(Path(words[0]).name if i == 0 else w for i, w in enumerate(words)).strip()
        return "".join(c if c.isprintable() else " " for c in shown)[:_SHOWN]
    return ""


def _user(pid: int) -> str:
    import pwd  # noqa: PLC0415  # for this alone

    try:
        return pwd.getpwuid(Path(f"/proc/{pid}").stat().st_uid).pw_name
    except (OSError, KeyError):
        return getpass.getuser()
