"""Names of outputs: valid, one each, and as they always were where they were."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.compose.output_names import output_names


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        (["web", "db-1", "a_b"], {"web": "web_url", "db-1": "db-1_url", "a_b": "a_b_url"}),
        (["a.b"], {"a.b": "ab_url"}),
        (["a.b", "ab"], {"a.b": "a_b_url", "ab": "ab_url"}),
        (["a.b", "ab", "a_b"], {"a.b": "_a_b_url", "ab": "ab_url", "a_b": "a_b_url"}),
        (["1st", "_1st"], {"1st": "__1st_url", "_1st": "_1st_url"}),
        (["1st"], {"1st": "_1st_url"}),
        (["-a", "."], {"-a": "_-a_url", ".": "__url"}),
    ],
)
def test_names(services: list[str], expected: dict[str, str]) -> None:
    assert output_names(services) == expected


@given(st.sets(st.from_regex(r"[a-b1._-]{1,4}", fullmatch=True), max_size=12))
def test_each_service_has_a_valid_name_of_its_own(services: set[str]) -> None:
    names = output_names(services)
    assert names.keys() == services
    assert len(set(names.values())) == len(services)
    assert all(re.fullmatch("[A-Za-z_][A-Za-z0-9_-]*", name) for name in names.values())
    for service, name in names.items():
        if re.fullmatch("[A-Za-z_][A-Za-z0-9_-]*", service):
            assert name == f"{service}_url"
