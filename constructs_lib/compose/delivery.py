"""Files for containers whose content must not get into Terraform's state."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

from constructs_lib.files.lock import exclusive_lock
from constructs_lib.files.private_file import check_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

_KEY_BYTES: Final = 32


class Vault:
    """A private folder: what secrets and configs from variables pass through.

    Args:
        folder: The folder; made where missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, service: str, path: str, content: bytes) -> Path:
        """Write content to a file that only its owner can read.

        Args:
            service: The service that gets it.
            path: Its path in the container, which makes the name.
            content: The content.

        Returns:
            The file.

        Raises:
            OSError: The file cannot be written.
        """
        name = hashlib.sha256(f"{service}\0{path}".encode()).hexdigest()[:16]
        return self.keep_as(f"{service}-{name}", content)

    def keep_as(self, name: str, content: bytes) -> Path:
        """Write content to a file of a certain name that only its owner can read.

        Args:
            name: The file's path in the folder.
            content: The content.

        Returns:
            The file.

        Raises:
            OSError: The file cannot be written.
        """
        file = self._folder / name
        if not file.is_file() or file.read_bytes() != content:
            write_private(file, content)
        return file

    def digest(self, content: bytes) -> str:
        """Return what stands for content in Terraform's state.

        A plain hash of a short secret could be found by trying; this one needs the key, which
        is in the folder.

        Raises:
            ValueError: The key can be read by others.
            OSError: The key cannot be read or written.
        """
        return hmac.new(self._key(), content, hashlib.sha256).hexdigest()

    def _key(self) -> bytes:
        file = self._folder / "digest-key"
        if not file.is_file():
            with exclusive_lock(self._folder / "lock"):
                if not file.is_file():
                    write_private(file, secrets.token_bytes(_KEY_BYTES))
        check_private(file)
        return file.read_bytes()
