"""Digests are the same wherever the project lies, and stay what they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose.parse import parse

if TYPE_CHECKING:
    from collections.abc import Mapping


def digest(folder: str, **keys: Any) -> str:  # noqa: ANN401  (JSON)
    document = {
        "name": "shop",
        "services": {
            "web": {
                "image": "docker.io/library/nginx:1.27",
                "command": None,
                "entrypoint": None,
                "networks": {"default": None},
                **keys,
            }
        },
        "networks": {"default": {"name": "shop_default", "ipam": {}}},
        "volumes": {"cache": {"name": "shop_cache"}},
    }
    return parse(document, file="c.yaml", folder=Path(folder)).services["web"].config_hash


def ordinary(folder: str) -> Mapping[str, Any]:
    """Return what people write, as Compose resolves it in that folder."""
    bound = {"type": "bind", "bind": {"create_host_path": True}}
    return {
        "environment": {"LANGUAGE": "de", "EMPTY": "", "UNSET": None},
        "labels": {"traefik.http.routers.web.rule": "Host(`shop.example`)"},
        "deploy": {"replicas": 2, "resources": {"limits": {"memory": "67108864"}}},
        "ports": [{"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp"}],
        "volumes": [
            {
                **bound,
                "source": f"{folder}/site",
                "target": "/usr/share/nginx/html",
                "read_only": True,
            },
            {**bound, "source": folder, "target": "/src"},
            {"type": "bind", "source": "/srv/data", "target": "/data", "bind": {}},
            {"type": "volume", "source": "cache", "target": "/cache", "volume": {}},
        ],
        "develop": {"watch": [{"path": f"{folder}/site", "action": "sync", "target": "/x"}]},
    }


def test_an_ordinary_service_keeps_the_digest_that_it_had_in_the_version_before() -> None:
    # Recorded there: another one would replace every container of every deployment.
    assert digest("/home/ann/shop", **ordinary("/home/ann/shop")) == (
        "75f4af601b7541549b32e6ba09ddebdb433438b42252769dc5fca54c71f66e6b"
    )


@pytest.mark.parametrize("folder", ["/home/ännchen/shop", "/srv/a b", "/s/日本", '/x/"y"'])
def test_the_folder_does_not_matter(folder: str) -> None:
    one = digest("/home/ann/shop", **ordinary("/home/ann/shop"))
    assert digest(folder, **ordinary(folder)) == one


def test_the_folder_may_be_the_root() -> None:
    bound = {"type": "bind", "target": "/a"}
    one = digest("/home", volumes=[{**bound, "source": "/home/a"}])
    assert digest("/", volumes=[{**bound, "source": "/a"}]) == one


@pytest.mark.parametrize(
    "keys",
    [
        {"command": ["/app/run"]},
        {"working_dir": "/app"},
        {"environment": {"A": "/app"}},
        {"volumes": [{"type": "bind", "source": "/srv", "target": "/app"}]},
        {"volumes": [{"type": "bind", "source": "/apples", "target": "/x"}]},
    ],
)
def test_text_that_looks_like_the_folder_stays(keys: Mapping[str, Any]) -> None:
    assert digest("/app", **keys) == digest("/elsewhere", **keys)
