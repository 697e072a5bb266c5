"""AWS's own API: with which key it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from settings_files import document

from constructs_lib.settings.settings import Settings
from moor.aws_client import ec2
from moor.failure import CommandError
from sandbox.credentials import Credentials

if TYPE_CHECKING:
    from pathlib import Path

SANDBOX = {"sandbox": {"api_port": 4699}}


def settings() -> Settings:
    return Settings.model_validate(document() | SANDBOX)


def test_a_sandbox_is_asked_with_its_own_key_whatever_the_variables_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    key = Credentials.new()
    key.write(tmp_path / "credentials")
    client = ec2(settings(), tmp_path / "credentials")
    used = client._request_signer._credentials
    assert (used.access_key, used.secret_key) == (key.access_key, key.secret_key)
    assert client.meta.endpoint_url == "http://127.0.0.1:4699"


def test_it_fails_when_the_sandbox_has_no_key(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    with pytest.raises(CommandError) as caught:
        ec2(settings(), file)
    assert str(caught.value) == (
        f"{file}: must be the key of a sandbox that runs, got none that can be read; run make up"
    )
