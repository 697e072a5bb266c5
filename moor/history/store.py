"""Where the records of deployments are: beside the state, so that a team shares them."""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from constructs_lib.files.private_file import write_private
from moor.failure import CommandError, WrongUseError
from moor.history.record import Record, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from constructs_lib.settings.environment import Environment
    from moor.session import Session

KEPT: Final = 50
"""Records that are kept: each has some kilobytes, and of an older deployment the images are rarely
still to be had."""

_NAME: Final = re.compile(r"(?:.*/)?(\d{6,})\.json")
_TRIES: Final = 20


class Place(Protocol):
    """Where records are."""

    def numbers(self) -> list[int]:
        """Return the numbers of the records that are there, in their order."""

    def get(self, number: int) -> tuple[bytes, str]:
        """Return a record's text, and what a person calls the place."""

    def put(self, number: int, text: bytes) -> bool:
        """Write a record, unless there is one of that number; return whether it was written."""

    def drop(self, number: int) -> None:
        """Forget a record."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this computer, beside the state's files.

    Attributes:
        path: The folder.
    """

    path: Path

    def numbers(self) -> list[int]:
        """Return the numbers of the records that are there, in their order."""
        return _numbers(file.name for file in self.path.glob("*.json"))

    def get(self, number: int) -> tuple[bytes, str]:
        """Return a record's text, and its file."""
        file = self._file(number)
        return file.read_bytes(), str(file)

    def put(self, number: int, text: bytes) -> bool:
        """Write a record. The environment's lock keeps others from doing so at the same time."""
        if self._file(number).exists():
            return False
        write_private(self._file(number), text)
        return True

    def drop(self, number: int) -> None:
        """Remove a record's file."""
        self._file(number).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self.path / _name(number)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Objects of a bucket, beside the state's.

    Attributes:
        client: A client of S3.
        name: The bucket.
        prefix: What the objects' keys begin with.
    """

    client: Any
    name: str
    prefix: str

    def numbers(self) -> list[int]:
        """Return the numbers of the records that are there, in their order."""
        with self._asked("list the records"):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=f"{self.prefix}/"
            )
            return _numbers(item["Key"] for page in pages for item in page.get("Contents", ()))

    def get(self, number: int) -> tuple[bytes, str]:
        """Return a record's text, and its address."""
        with self._asked(f"read record {number}"):
            body = self.client.get_object(Bucket=self.name, Key=self._key(number))["Body"].read()
        return body, f"s3://{self.name}/{self._key(number)}"

    def put(self, number: int, text: bytes) -> bool:
        """Write a record, unless somebody elsewhere has just written one of that number."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  # heavy

        with self._asked(f"write record {number}"):
            try:
                self.client.put_object(
                    Bucket=self.name,
                    Key=self._key(number),
                    Body=text,
                    ContentType="application/json",
                    ServerSideEncryption="AES256",
                    IfNoneMatch="*",
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _TAKEN:
                    return False
                raise
        return True

    def drop(self, number: int) -> None:
        """Remove a record."""
        with self._asked(f"remove record {number}"):
            self.client.delete_object(Bucket=self.name, Key=self._key(number))

    def _key(self, number: int) -> str:
        return f"{self.prefix}/{_name(number)}"

    @contextlib.contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise CommandError(
                f"state.s3.bucket {self.name}: must let Moor {what} under {self.prefix}/, "
                f"got: {error}; `moor permissions` lists what the key has to be allowed"
            ) from None


_TAKEN: Final = ("PreconditionFailed", "ConditionalRequestConflict")


@dataclass(frozen=True, slots=True)
class Store:
    """The records of an environment.

    Attributes:
        place: Where they are.
        name: The environment's name.
    """

    place: Place
    name: str

    @classmethod
    def of(cls, session: Session) -> Store:
        """Return the records of a session's environment."""
        environment, s3 = session.environment, session.settings.state.s3
        if s3 is None:
            return cls(Folder(folder_of(environment)), environment.name)
        from moor.aws_client import s3 as client  # noqa: PLC0415  # heavy

        found = client(session.settings, environment.sandbox_credentials)
        return cls(Bucket(found, s3.bucket, f"{s3.prefix}/history"), environment.name)

    def add(self, record: Record) -> Record:
        """Write a record under the next number, and forget those that are too many.

        Args:
            record: The record; its number does not count.

        Raises:
            CommandError: It cannot be written.
        """
        for _ in range(_TRIES):
            numbers = self.place.numbers()
            numbered = record.model_copy(update={"number": (numbers[-1] if numbers else 0) + 1})
            text = numbered.model_dump_json(indent=1).encode() + b"\n"
            if self.place.put(numbered.number, text):
                for old in [*numbers, numbered.number][:-KEPT]:
                    self.place.drop(old)
                return numbered
        raise CommandError(
            f"environment {self.name}: the record of this deployment: must get a number, got "
            "others that were faster each time; run it again"
        )

    def all(self) -> list[Record]:
        """Return the records, the oldest first.

        Raises:
            CommandError: One cannot be read.
        """
        return [self.get(number) for number in self.place.numbers()]

    def last(self) -> Record | None:
        """Return the newest record; None where there is none.

        Raises:
            CommandError: It cannot be read.
        """
        numbers = self.place.numbers()
        return self.get(numbers[-1]) if numbers else None

    def get(self, number: int) -> Record:
        """Return a record.

        Raises:
            CommandError: It cannot be read.
        """
        return read(*self.place.get(number))

    def chosen(self, number: int | None) -> Record:
        """Return the record of a number, or the one before the newest.

        Raises:
            WrongUseError: There is none of that number; with those that there are.
        """
        numbers = self.place.numbers()
        if number is None:
            if len(numbers) > 1:
                return self.get(numbers[-2])
            there = "one deployment alone" if numbers else "none at all"
            raise WrongUseError(
                f"rollback: environment {self.name}: must have a deployment before the last one, "
                f"got {there} on record; there is nothing to go back to yet"
            )
        if number not in numbers:
            raise WrongUseError(
                f"rollback: must be the number of a deployment of {self.name}, got {number}; "
                f"{told(numbers)}"
            )
        return self.get(number)


def forget(session: Session) -> None:
    """Remove all records of an environment that was destroyed.

    Args:
        session: The command.
    """
    folder = folder_of(session.environment)
    if folder.is_dir():
        shutil.rmtree(folder)
    mark_of(session.environment).unlink(missing_ok=True)
    # A sandbox's bucket has gone with it.
    if session.settings.state.s3 is not None and session.settings.sandbox is None:
        place = Store.of(session).place
        for number in place.numbers():
            place.drop(number)


def mark_of(environment: Environment) -> Path:
    """Return the file that says that something was deployed and is not on record yet."""
    return environment.directory / "not-recorded"


def folder_of(environment: Environment) -> Path:
    """Return where the records are of an environment whose state is kept in files."""
    return environment.directory / "history"


def told(numbers: list[int]) -> str:
    """Say which records there are."""
    if not numbers:
        return "there are none yet: each `moor up` that succeeds makes one"
    if len(numbers) == numbers[-1] - numbers[0] + 1 and len(numbers) > 1:
        return f"there are {numbers[0]} to {numbers[-1]}"
    return f"there {'are' if len(numbers) > 1 else 'is'} {', '.join(map(str, numbers))}"


def _name(number: int) -> str:
    return f"{number:06}.json"


def _numbers(names: Iterator[str]) -> list[int]:
    return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))
