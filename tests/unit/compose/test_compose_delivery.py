"""Secrets on their way: private files, and hashes that tell nothing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from constructs_lib.compose.delivery import Vault

if TYPE_CHECKING:
    from pathlib import Path


def test_a_secret_is_private_and_each_has_its_own_file(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secrets")
    one = vault.keep("web", "/run/secrets/a", b"1")
    two = vault.keep("web", "/run/secrets/b", b"2")
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
    assert {file.stat().st_mode & 0o777 for file in (one, two)} == {0o600}
    assert one.parent.stat().st_mode & 0o777 == 0o700
    assert vault.keep("web", "/run/secrets/a", b"3") == one
    assert one.read_bytes() == b"3"


def test_the_digest_is_keyed_and_stays(tmp_path: Path) -> None:
    first = Vault(tmp_path / "one").digest(b"1234")
    assert Vault(tmp_path / "one").digest(b"1234") == first
    assert Vault(tmp_path / "one").digest(b"1235") != first
    assert Vault(tmp_path / "two").digest(b"1234") != first
    assert first != hashlib.sha256(b"1234").hexdigest()


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.digest(b"")
    (tmp_path / "digest-key").chmod(0o644)
    with pytest.raises(ValueError, match="must give no rights to group and others"):
        vault.digest(b"")
