"""Images that somebody has removed from the machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from moor import missing_images
from moor.toolchain.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = {
    "web": {"name": "moor-web:1", "triggers": {"build": "${terraform_data.web.id}"}},
    "nginx": {"name": "nginx:1"},
}


def test_a_step_is_retaken_where_its_image_alone_would_be_made(tmp_path: Path) -> None:
    text = json.dumps({"resource": {"docker_image": IMAGES}})
    (tmp_path / "cdk.tf.json").write_text(text, encoding="utf-8")
    stack = Stack(name="docker", folder=tmp_path)
    both = {"docker_image.web": "create", "docker_image.nginx": "create"}
    assert missing_images.steps(stack, both) == {"terraform_data.web": "moor-web:1"}
    assert missing_images.steps(stack, {**both, "terraform_data.web": "replace"}) == {}
    assert missing_images.steps(stack, {"docker_image.web": "replace"}) == {}
    assert missing_images.steps(stack, {}) == {}
