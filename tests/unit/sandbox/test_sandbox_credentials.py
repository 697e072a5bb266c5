"""The sandbox's key: nobody can guess it, and nobody else can read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest

from sandbox.credentials import Credentials

if TYPE_CHECKING:
    from pathlib import Path


def test_each_is_another_one_and_cannot_be_taken_for_one_of_aws() -> None:
    one, other = Credentials.new(), Credentials.new()
    assert one != other
    assert one.access_key.startswith("MOOR")
    assert len(one.access_key) == 20
    assert len(one.secret_key) == 40


def test_it_is_not_shown() -> None:
    key = Credentials.new()
    assert key.secret_key not in repr(key)


def test_the_file_is_ours_alone_and_read_by_the_aws_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sandbox" / "credentials"
    key = Credentials.new()
    key.write(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert Credentials.read(file) == key
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    found = boto3.Session(profile_name="moor-sandbox").get_credentials()
    assert (found.access_key, found.secret_key) == (key.access_key, key.secret_key)


@pytest.mark.parametrize("text", ["", "[other]\n", "no section", "[moor-sandbox]\nx = 1\n"])
def test_an_unusable_file_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "credentials"
    file.touch(mode=0o600)
    file.write_text(text)
    assert Credentials.read(file) is None


def test_one_that_others_can_read_is_none(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    Credentials.new().write(file)
    file.chmod(0o640)
    assert Credentials.read(file) is None
    assert Credentials.read(tmp_path / "missing") is None
