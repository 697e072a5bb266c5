"""Images: pulled by name, built on the machine, or there already."""

from __future__ import annotations

from cdktf import TerraformOutput, TerraformStack
from synthesis import counts, only, synth_of

from constructs_lib.docker.image import BuiltImage, LocalImage, PulledImage
from constructs_lib.terraform.literal import Expression
from constructs_lib.terraform.steps import terraform_data

KEPT = {"keep_locally": True, "lifecycle": {"create_before_destroy": True}}


def test_a_pulled_image_is_its_name() -> None:
    def define(stack: TerraformStack) -> None:
        image = PulledImage(stack, "Image", name="docker.io/library/nginx:1.27")
        TerraformOutput(stack, "id", value=image.image_id)

    document = synth_of(define)
    assert counts(document) == {"docker_image": 1}
    assert only(document, "docker_image") == {"name": "docker.io/library/nginx:1.27", **KEPT}
    assert document["output"]["id"]["value"] == "${docker_image.Image.image_id}"


def test_a_tag_is_followed_by_its_digest() -> None:
    digest = Expression("${data.x.y.z}")
    document = synth_of(
        lambda stack: PulledImage(stack, "Image", name="host:5000/nginx:1.27", digest=digest)
    )
    assert only(document, "docker_image")["name"] == "host:5000/nginx@${data.x.y.z}"


def test_a_built_image_is_another_one_when_its_step_is_taken_again() -> None:
    def define(stack: TerraformStack) -> None:
        step = terraform_data(stack, "Build", triggers={}, provisioners=[])
        BuiltImage(stack, "Image", name="moor/web:1", build=step)

    document = synth_of(define)
    assert counts(document) == {"docker_image": 1, "terraform_data": 1}
    assert only(document, "docker_image") == {
        "name": "moor/web:1",
        "triggers": {"build": "${terraform_data.Build.id}"},
        **KEPT,
    }


def test_an_image_that_is_there_is_looked_up_on_the_machine() -> None:
    def define(stack: TerraformStack) -> None:
        image = LocalImage(stack, "Image", name="mine:1")
        TerraformOutput(stack, "id", value=image.image_id)

    document = synth_of(define)
    assert document["data"]["docker_image"]["Image"]["name"] == "mine:1"
    assert document["output"]["id"]["value"] == "${data.docker_image.Image.id}"
