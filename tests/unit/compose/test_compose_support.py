"""The table of what is supported."""

from __future__ import annotations

import pytest

from constructs_lib.compose.support import BUILD, SERVICE, Key, unheeded, unsupported


def test_finds_what_is_refused_at_any_depth() -> None:
    found = list(
        unsupported(
            {
                "services": {
                    "web": {
                        "annotations": {"a": "b"},
                        "isolation": "default",
                        "build": {"privileged": True},
                        "ports": [{"target": 80}, {"target": 81, "no_such_key": 1}],
                        "networks": {"a": {"no_such_key": 9}, "b": None},
                    }
                },
                "x-mine": {"annotations": 1},
            }
        )
    )
    assert [(where, value) for where, _, value in found] == [
        ("services.web.annotations", {"a": "b"}),
        ("services.web.build.privileged", True),
        ("services.web.ports[1].no_such_key", 1),
        ("services.web.networks.a.no_such_key", 9),
    ]


def test_what_says_nothing_is_not_refused() -> None:
    assert (
        list(unsupported({"services": {"a": {"annotations": {}, "models": None, "uts": ""}}})) == []
    )


@pytest.mark.parametrize(("value", "expected"), [(False, ["networks.a.enable_ipv4"]), (True, [])])
def test_false_says_something(value: object, expected: list[str]) -> None:
    found = unsupported({"networks": {"a": {"enable_ipv4": value}}})
    assert [where for where, _, _ in found] == expected


def test_nought_says_something() -> None:
    found = unsupported({"services": {"a": {"oom_score_adj": 0}}})
    assert [where for where, _, _ in found] == ["services.a.oom_score_adj"]


def test_what_has_no_effect_is_not_refused() -> None:
    given = {"services": {"a": {"deploy": {"placement": {"a": 1}, "labels": {}}}}}
    assert list(unsupported(given)) == []
    assert [where for where, _, _ in unheeded(given)] == ["services.a.deploy.placement"]


@pytest.mark.parametrize("keys", [SERVICE, BUILD], ids=["service", "build"])
def test_what_is_refused_has_a_remedy(keys: dict[str, Key]) -> None:
    assert [name for name, key in keys.items() if key.how == "no" and not key.text] == []
