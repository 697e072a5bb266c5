"""The table of what is supported."""

from __future__ import annotations

import pytest

from constructs_lib.compose.support import BUILD, SERVICE, Key, unsupported


def test_finds_what_is_refused_at_any_depth() -> None:
    found = list(
        unsupported(
            {
                "services": {
                    "web": {
                        "annotations": {"a": "b"},
                        "build": {"ssh": ["default"]},
                        "ports": [{"target": 80}, {"target": 81, "no_such_key": 1}],
                        "networks": {"a": {"interface_name": "eth9"}, "b": None},
                    }
                },
                "x-mine": {"annotations": 1},
            }
        )
    )
    assert [(where, value) for where, _, value in found] == [
        ("services.web.annotations", {"a": "b"}),
        ("services.web.build.ssh", ["default"]),
        ("services.web.ports[1].no_such_key", 1),
        ("services.web.networks.a.interface_name", "eth9"),
    ]


def test_what_says_nothing_is_not_refused() -> None:
    assert (
        list(unsupported({"services": {"a": {"annotations": {}, "models": None, "uts": ""}}})) == []
    )


@pytest.mark.parametrize("keys", [SERVICE, BUILD], ids=["service", "build"])
def test_what_is_refused_has_a_remedy(keys: dict[str, Key]) -> None:
    assert [name for name, key in keys.items() if key.how == "no" and not key.text] == []
