"""Images: pulled by name, or built on the machine and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cdktf import TerraformOutput, TerraformStack
from synthesis import Json, counts, new_stack, only, synth_of

from constructs_lib.docker.build_context import INLINE
from constructs_lib.docker.image import BuiltImage, PulledImage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    return folder


def built(context: Path, build_args: dict[str, str] | None = None) -> Json:
    def define(stack: TerraformStack) -> None:
        image = BuiltImage(stack, "Image", name="moor/web", context=context, build_args=build_args)
        TerraformOutput(stack, "id", value=image.image_id)

    return synth_of(define)


def test_a_pulled_image_is_its_name() -> None:
    def define(stack: TerraformStack) -> None:
        image = PulledImage(stack, "Image", name="docker.io/library/nginx:1.27")
        TerraformOutput(stack, "id", value=image.image_id)

    document = synth_of(define)
    assert counts(document) == {"docker_image": 1}
    assert document["resource"]["docker_image"] == {
        "Image": {"name": "docker.io/library/nginx:1.27"}
    }
    assert document["output"]["id"]["value"] == "${docker_image.Image.image_id}"


def test_a_built_image_uses_the_machines_own_builder(context: Path) -> None:
    document = built(context, {"BASE_IMAGE": "busybox:1.36"})
    assert counts(document) == {"docker_image": 1}
    image = only(document, "docker_image")
    digest = image["triggers"]["context"]
    assert image == {
        "name": f"moor/web:{digest[:12].lower()}",
        "build": {
            "context": f"assets/Image_Context/{digest}",
            "build_args": {"BASE_IMAGE": "busybox:1.36"},
            "use_legacy_builder": True,
        },
        "triggers": {"context": digest},
    }
    assert document["output"]["id"]["value"] == "${docker_image.Image.image_id}"


def test_build_arguments_may_be_left_out(context: Path) -> None:
    assert set(only(built(context), "docker_image")["build"]) == {"context", "use_legacy_builder"}


def test_it_is_built_again_when_a_file_changes_and_at_no_other_time(context: Path) -> None:
    first, again = built(context), built(context)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY x /x\n", encoding="utf-8")
    changed = built(context)
    assert first == again
    assert only(first, "docker_image")["triggers"] != only(changed, "docker_image")["triggers"]
    assert only(first, "docker_image")["name"] != only(changed, "docker_image")["name"]


def test_what_docker_ignores_is_neither_built_nor_copied(context: Path) -> None:
    (context / ".dockerignore").write_text(
        "# local things\n.git\n**/*.log\nDockerfile\n!keep.log\n", encoding="utf-8"
    )
    for name in (".git/HEAD", "src/app.py", "src/debug.log", "keep.log", "deep/empty/.keep"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(name, encoding="utf-8")
    (context / "src" / "run").write_text("#!/bin/sh\n", encoding="utf-8")
    (context / "src" / "run").chmod(0o755)
    (context / "link").symlink_to("src/app.py")

    def digest() -> str:
        document = built(context)
        return str(only(document, "docker_image")["triggers"]["context"])

    before = digest()
    assert digest() == before
    (context / ".git" / "HEAD").write_text("another", encoding="utf-8")
    (context / "src" / "debug.log").write_text("more", encoding="utf-8")
    assert digest() == before
    (context / "keep.log").write_text("another", encoding="utf-8")
    assert digest() != before


@pytest.mark.parametrize("ignored", [None, "*\n!app.py\n"])
def test_a_dockerfile_may_be_a_text(tmp_path: Path, ignored: str | None) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "app.py").write_text("app", encoding="utf-8")
    (tmp_path / "src" / "more.py").write_text("more", encoding="utf-8")
    if ignored is not None:
        (tmp_path / ".dockerignore").write_text(ignored, encoding="utf-8")

    def image(text: str) -> Json:
        def define(stack: TerraformStack) -> None:
            BuiltImage(stack, "Image", name="web", context=tmp_path, dockerfile_inline=text)

        return only(synth_of(define), "docker_image")

    first = image("FROM a\n")
    assert first["build"]["dockerfile"] == INLINE
    assert image("FROM a\n")["name"] == first["name"]
    assert image("FROM b\n")["name"] != first["name"]


def test_it_fails_when_the_folder_has_no_dockerfile(tmp_path: Path) -> None:
    stack = new_stack()
    with pytest.raises(ValueError, match="Dockerfile") as caught:
        BuiltImage(stack, "Image", name="moor/web", context=tmp_path)
    assert str(caught.value) == (f"image moor/web: context: must hold a Dockerfile, got {tmp_path}")
    assert stack.node.try_find_child("Image") is None, "nothing half-built stays in the tree"


def test_it_fails_when_the_name_has_a_tag(context: Path) -> None:
    with pytest.raises(ValueError, match="tag") as caught:
        BuiltImage(new_stack(), "Image", name="moor/web:1", context=context)
    assert str(caught.value) == (
        "image moor/web:1: name: must have no tag, which is the context's hash"
    )


def test_a_registrys_port_is_no_tag(context: Path) -> None:
    def define(stack: TerraformStack) -> None:
        BuiltImage(stack, "Image", name="localhost:5000/web", context=context)

    name = only(synth_of(define), "docker_image")["name"]
    assert name.startswith("localhost:5000/web:")
