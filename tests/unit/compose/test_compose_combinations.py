"""Options that the engine refuses together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose.combinations import combination_problems
from constructs_lib.compose.parse import parse

if TYPE_CHECKING:
    from pathlib import Path


def problems(name: str = "web", **keys: Any) -> list[str]:  # noqa: ANN401  (JSON)
    services = {name: {"image": "x", **keys}, "other": {"image": "x"}}
    project = parse({"name": "moor", "services": services}, file="c.yaml")
    return list(combination_problems(project))


def mib(size: int) -> str:
    return str(size * 1024 * 1024)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"mem_limit": mib(8), "mem_reservation": mib(8), "memswap_limit": mib(8)},
        {"mem_limit": mib(8), "memswap_limit": "-1"},
        {"memswap_limit": "-1"},
        {"mem_reservation": mib(8)},
        {"network_mode": "host", "hostname": "a", "dns": ["192.0.2.1"]},
        {"network_mode": "service:other"},
        {
            "logging": {
                "driver": "json-file",
                "options": {"max-size": "10m", "mode": "non-blocking"},
            }
        },
        {"logging": {"driver": "local", "options": {"compress": "true"}}},
        {"logging": {"driver": "a-plugin", "options": {"nope": "1"}}},
        {"logging": {"options": {"nope": "1"}}},
    ],
)
def test_what_goes_together(keys: dict[str, Any]) -> None:
    assert problems(**keys) == []


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"mem_limit": mib(8), "mem_reservation": mib(9)},
            "mem_reservation: must be at most the limit of memory, 8m, got 9m",
        ),
        (
            {"mem_limit": mib(8), "memswap_limit": mib(7)},
            (
                "memswap_limit: must be at least mem_limit, since it is memory and swap together, "
                "got 7m, and mem_limit 8m"
            ),
        ),
        (
            {"logging": {"driver": "local", "options": {"max-files": "3"}}},
            (
                "logging.options.max-files: must be an option of local, max-size, max-file, "
                "compress, got 'max-files'"
            ),
        ),
        (
            {"memswap_limit": mib(7)},
            "memswap_limit: must stand beside mem_limit, got 7m alone",
        ),
        *(
            (
                {"network_mode": mode, **keys},
                (
                    f"{next(iter(keys))}: must not be set with the network of another container, "
                    f"got {shown}; set it where the network is"
                ),
            )
            for mode in ("service:other", "container:x")
            for keys, shown in (
                ({"hostname": "a"}, "a"),
                ({"dns": ["192.0.2.1", "::1"]}, "192.0.2.1, ::1"),
                ({"extra_hosts": ["a=192.0.2.1"]}, "a=192.0.2.1"),
            )
        ),
    ],
)
def test_what_does_not(keys: dict[str, Any], expected: str) -> None:
    assert problems(**keys) == [f"services.web.{expected}"]


def test_what_is_built_has_a_name_that_images_may_have(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    build = {"context": str(tmp_path)}
    assert problems("Web", build=build) == []
    assert problems("web", build=build, image=None) == []
    assert problems("Web", build=build, image=None) == [
        (
            "services.Web.image: must name what is built here, since moor-Web is no name for an "
            "image; set one in lower case"
        )
    ]
