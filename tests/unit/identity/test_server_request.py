"""A server's request: one text stands for it, and no other text is taken for one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from constructs_lib.identity.server_request import ServerRequest

REQUEST = ServerRequest(
    authority="a" * 64,
    nonce="b" * 32,
    names=("localhost", "127.0.0.1"),
    not_before=datetime(2026, 1, 31, 12, tzinfo=UTC),
    not_after=datetime(2027, 3, 4, 12, tzinfo=UTC),
)


def test_its_text_is_read_back() -> None:
    assert json.loads(REQUEST.to_json()) == {
        "version": 2,
        "authority_sha256": "a" * 64,
        "nonce": "b" * 32,
        "names": ["localhost", "127.0.0.1"],
        "not_before": "2026-01-31T12:00:00+00:00",
        "not_after": "2027-03-04T12:00:00+00:00",
    }
    assert ServerRequest.from_json(f"{REQUEST.to_json()}\n") == REQUEST


def test_the_fingerprint_is_that_of_the_text() -> None:
    assert REQUEST.fingerprint == hashlib.sha256(REQUEST.to_json().encode()).hexdigest()
    assert replace(REQUEST, names=("localhost",)).fingerprint != REQUEST.fingerprint


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", "null", '{"authority_sha256": 1}'],
)
def test_a_request_of_another_form_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match="must be a server request, got something else"):
        ServerRequest.from_json(content)


def test_an_edited_request_is_refused() -> None:
    data = {**json.loads(REQUEST.to_json()), "extra": True}
    with pytest.raises(ValueError, match="as it was written, got an edited one"):
        ServerRequest.from_json(json.dumps(data))


def test_one_of_the_version_before_is_told_from_a_damaged_one() -> None:
    former = {**json.loads(REQUEST.to_json()), "version": 1, "public_key_sha256": "b" * 64}
    assert ServerRequest.is_of_the_version_before(json.dumps(former))
    for text in (REQUEST.to_json(), "{}", "[]", "damaged", '{"version": "x"}'):
        assert not ServerRequest.is_of_the_version_before(text)
