"""What a plan reads of a swarm: had back where this computer lacks it, or made again."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import APIError, NotFound

from constructs_lib.swarm import contents
from constructs_lib.terraform.output_file import read_output, write_output
from moor.swarm.results import restore
from moor.toolchain.stack import CONFIGURATION, Stack

if TYPE_CHECKING:
    from pathlib import Path

    from docker import DockerClient

SECRET = "shop_token_0123456789ab"  # noqa: S105  (a name)
IMAGE = "moor-registry:5000/shop-web:0123456789ab"
DIGEST = f"sha256:{'d' * 64}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "swarm"


@pytest.fixture
def stack(tmp_path: Path, folder: Path) -> Stack:
    """Return a stack with a secret and an image that was built, as they are synthesized."""
    document = {
        "resource": {
            "terraform_data": {
                "Made": {"triggers_replace": {"name": SECRET}},
                "Build": {"triggers_replace": {"context": "1"}},
                "Push": {
                    "triggers_replace": {"build": "${terraform_data.Build.id}"},
                    "provisioner": [{"local-exec": {"command": IMAGE}}],
                },
            }
        },
        "data": {
            "terraform_remote_state": {
                "Secret": reading(folder / "contents" / f"secret-{SECRET}.tfstate", "Made"),
                "Image": reading(folder / "contents" / "images" / "image-0.tfstate", "Push"),
                # The other stack's outputs are no result of a step.
                "Aws": {"config": {"path": str(tmp_path / "aws.tfstate")}},
            }
        },
    }
    (tmp_path / CONFIGURATION).write_text(json.dumps(document), encoding="utf-8")
    return Stack(name="docker", folder=tmp_path)


def reading(file: Path, step: str) -> dict[str, Any]:
    return {"config": {"path": str(file)}, "depends_on": [f"terraform_data.{step}"]}


def engine(
    *, secrets: dict[str, str], images: dict[str, str], refuses: bool = False
) -> DockerClient:
    """Return a manager's engine that knows these; a stand-in for what only a swarm has."""

    def found(filters: dict[str, str]) -> list[SimpleNamespace]:
        assert filters == {}
        return [SimpleNamespace(name=name, id=identity) for name, identity in secrets.items()]

    def distribution(image: str) -> dict[str, Any]:
        if refuses:
            raise APIError("no such host")
        if image not in images:
            raise NotFound("no such manifest")
        return {"Descriptor": {"digest": images[image]}}

    api = SimpleNamespace(inspect_distribution=distribution)
    return cast("DockerClient", SimpleNamespace(secrets=SimpleNamespace(list=found), api=api))


def test_what_the_swarm_has_is_had_back(stack: Stack, folder: Path) -> None:
    found = engine(secrets={SECRET: "abc"}, images={IMAGE: DIGEST})
    assert restore(found, stack, folder) == []
    assert read_output(folder / "contents" / f"secret-{SECRET}.tfstate") == "abc"
    image = folder / "contents" / "images" / "image-0.tfstate"
    assert read_output(image) == f"moor-registry:5000/shop-web@{DIGEST}"


def test_what_is_there_and_right_stays_as_it_is(stack: Stack, folder: Path) -> None:
    secret = folder / "contents" / f"secret-{SECRET}.tfstate"
    image = folder / "contents" / "images" / "image-0.tfstate"
    contents.write_identity(secret, "abc")
    write_output(image, f"moor-registry:5000/shop-web@{DIGEST}")
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in (secret, image)]
    found = engine(secrets={SECRET: "abc"}, images={IMAGE: DIGEST})
    assert restore(found, stack, folder) == []
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in (secret, image)] == before


@pytest.mark.parametrize("refuses", [False, True], ids=["not in the registry", "no registry"])
def test_what_is_gone_is_made_again_from_its_first_step(
    stack: Stack, folder: Path, *, refuses: bool
) -> None:
    secret = folder / "contents" / f"secret-{SECRET}.tfstate"
    image = folder / "contents" / "images" / "image-0.tfstate"
    contents.write_identity(secret, "old")
    write_output(image, "old")
    found = engine(secrets={}, images={}, refuses=refuses)
    assert restore(found, stack, folder) == ["terraform_data.Made", "terraform_data.Build"]
    assert not secret.exists()
    assert not image.exists()
