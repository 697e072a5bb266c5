"""What a server's certificate will be, before the server has an address or a key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

_VERSION: Final = 2
"""Version 1 named the server's key, which was made on the operator's computer then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRequest:
    """What the server certificate will be, but for the address and the key.

    Attributes:
        authority: SHA-256 of the CA's certificate (DER), in hexadecimal.
        nonce: Random, in hexadecimal: tells this request from any other.
        names: The names beside the address.
        not_before: The certificate's start (UTC, whole seconds).
        not_after: The certificate's end (UTC, whole seconds).
    """

    authority: str
    nonce: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    def to_json(self) -> str:
        """Return the one text that stands for this request."""
        return json.dumps(
            {
                "version": _VERSION,
                "authority_sha256": self.authority,
                "nonce": self.nonce,
                "names": list(self.names),
                "not_before": self.not_before.isoformat(),
                "not_after": self.not_after.isoformat(),
            },
            indent=2,
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> ServerRequest:
        """Read what `to_json` gave.

        Raises:
            ValueError: It is anything else.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            request = cls(
                authority=data["authority_sha256"],
                nonce=data["nonce"],
                names=tuple(data["names"]),
                not_before=datetime.fromisoformat(data["not_before"]),
                not_after=datetime.fromisoformat(data["not_after"]),
            )
            same = request.to_json() == text.strip()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError("content: must be a server request, got something else") from error
        if not same:
            raise ValueError(
                "content: must be a server request as it was written, got an edited one"
            )
        return request

    @staticmethod
    def is_of_the_version_before(text: str) -> bool:
        """Return whether a text is a request with the server's key, as it was once made."""
        try:
            return bool(json.loads(text)["version"] < _VERSION)
        except (ValueError, KeyError, TypeError):
            return False

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the request, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()
