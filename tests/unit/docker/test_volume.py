"""Volumes, in the provider's own spelling."""

from __future__ import annotations

from cdktf import TerraformOutput
from synthesis import only, synth_of

from constructs_lib.docker.volume import Volume


def test_a_volume() -> None:
    document = synth_of(lambda s: TerraformOutput(s, "v", value=Volume(s, "V", name="data").name))
    assert document["resource"] == {"docker_volume": {"V": {"name": "data"}}}
    assert document["output"]["v"]["value"] == "${docker_volume.V.name}"


def test_every_field_of_a_volume() -> None:
    document = synth_of(
        lambda stack: TerraformOutput(
            stack,
            "id",
            value=Volume(
                stack,
                "V",
                name="data",
                driver="local",
                driver_opts={"type": "none"},
                labels={"b": "2", "a": "1"},
            ).id,
        )
    )
    assert only(document, "docker_volume") == {
        "name": "data",
        "driver": "local",
        "driver_opts": {"type": "none"},
        "labels": [{"label": "a", "value": "1"}, {"label": "b", "value": "2"}],
    }
    assert document["output"]["id"]["value"] == "${docker_volume.V.id}"
