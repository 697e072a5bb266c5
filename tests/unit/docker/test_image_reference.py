"""References of images."""

from __future__ import annotations

import pytest

from constructs_lib.docker.reference import familiar, identifier, untagged


@pytest.mark.parametrize(
    ("reference", "short", "plain"),
    [
        ("docker.io/library/nginx:latest", "nginx", "docker.io/library/nginx"),
        ("nginx:1.27", "nginx:1.27", "nginx"),
        ("docker.io/a/b", "a/b", "docker.io/a/b"),
        ("host:5000/a", "host:5000/a", "host:5000/a"),
        ("host:5000/a:1@sha256:0", "host:5000/a:1@sha256:0", "host:5000/a"),
    ],
)
def test_what_a_reference_means(reference: str, short: str, plain: str) -> None:
    assert familiar(reference) == short
    assert untagged(reference) == plain


def test_ids_are_each_their_own() -> None:
    assert identifier("a/b", "c") == "a|b,c"
    odd = {identifier(p) for p in ("a b", "a,b", "a|b", "a--b", "a/b", "${TfToken[TOKEN.0]}")}
    assert len(odd) == 6
    assert not any(" " in name or "Tf" in name for name in odd)
