"""Options of a build, each in the provider's own spelling."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from synthesis import Json, synth_of

from constructs_lib.docker.build_options import BuildOptions
from constructs_lib.docker.image import BuiltImage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cdktf import TerraformStack

EVERY: Final[Mapping[str, tuple[Any, Json]]] = {
    "target": ("final", {"target": "final"}),
    "labels": ({"a": "b"}, {"labels": {"a": "b"}}),
    "cache_from": (("registry.example/cache",), {"cache_from": ["registry.example/cache"]}),
    "extra_hosts": (("db:192.0.2.2",), {"extra_hosts": ["db:192.0.2.2"]}),
    "network": ("host", {"network_mode": "host"}),
    "no_cache": (True, {"no_cache": True}),
    "pull": (True, {"pull_parent": True}),
    "shm_size": (5242880, {"shm_size": 5242880}),
}
"""Each option: a value, and what the provider is told."""


def test_every_option_is_told_to_the_provider(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")

    def define(stack: TerraformStack) -> None:
        for name, (value, _) in EVERY.items():
            options = BuildOptions(**{name: value})
            BuiltImage(stack, name, name="web", context=tmp_path, options=options)

    found = synth_of(define)["resource"]["docker_image"]
    assert {name: image["build"] for name, image in found.items()} == {
        name: {"context": found[name]["build"]["context"], "use_legacy_builder": True, **told}
        for name, (_, told) in EVERY.items()
    }


def test_no_option_is_left_out_above() -> None:
    assert {f.name for f in fields(BuildOptions)} == EVERY.keys()
