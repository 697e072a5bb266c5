"""The access key of one sandbox: random, made with it, and in one file that only we can read.

The emulated AWS starts containers as root for whoever may ask it. What keeps the other users of
this computer out is this key, with which each request has to be signed.
"""

from __future__ import annotations

import configparser
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from constructs_lib.files.private_file import check_private, write_private
from constructs_lib.settings.environment import SANDBOX_PROFILE

if TYPE_CHECKING:
    from pathlib import Path

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PREFIX: Final = "MOOR"
"""AWS's own begin with `AKIA` or `ASIA`: this one could never be taken for one of them."""

_ID_LENGTH: Final = 20
_SECRET_BYTES: Final = 30
_ID: Final = "aws_access_key_id"
_SECRET: Final = "aws_secret_access_key"  # noqa: S105  # the name of a key in a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An access key.

    Attributes:
        access_key: Its id, which each request tells in clear: 20 characters.
        secret_key: What requests are signed with, and what never goes over a wire.
    """

    access_key: str
    secret_key: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Make a key that nobody can guess: 240 random bits."""
        letters = (secrets.choice(_LETTERS) for _ in range(_ID_LENGTH - len(_PREFIX)))
        return cls(
            access_key=_PREFIX + "".join(letters), secret_key=secrets.token_urlsafe(_SECRET_BYTES)
        )

    def write(self, file: Path) -> None:
        """Write the file as AWS's programs read it, with mode 0600 from the start.

        Raises:
            OSError: The file system refused.
        """
        text = f"[{SANDBOX_PROFILE}]\n{_ID} = {self.access_key}\n{_SECRET} = {self.secret_key}\n"
        write_private(file, text.encode())

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Read what `write` wrote; None where there is nothing that only we can have written."""
        parser = configparser.RawConfigParser()
        try:
            check_private(file)
            parser.read_string(file.read_text(encoding="ascii"))
            section = parser[SANDBOX_PROFILE]
            return cls(access_key=section[_ID], secret_key=section[_SECRET])
        except (OSError, ValueError, KeyError, configparser.Error):
            return None
