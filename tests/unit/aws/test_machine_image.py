"""The machine image: looked up, or one id."""

from __future__ import annotations

from cdktf import TerraformOutput, TerraformStack
from synthesis import Json, synth_of

from constructs_lib.aws.machine_image import MachineImage


def resolved(image_id: str | None) -> Json:
    def define(stack: TerraformStack) -> None:
        image = MachineImage(
            id=image_id, owner="075585003325", name="Flatcar-stable-*-hvm", architecture="arm64"
        )
        TerraformOutput(stack, "image", value=image.resolve(stack, "Image"))

    return synth_of(define)


def test_the_newest_of_a_family_is_looked_up() -> None:
    document = resolved(None)
    assert document["data"] == {
        "aws_ami": {
            "Image": {
                "most_recent": True,
                "owners": ["075585003325"],
                "filter": [
                    {"name": "name", "values": ["Flatcar-stable-*-hvm"]},
                    {"name": "architecture", "values": ["arm64"]},
                    {"name": "state", "values": ["available"]},
                ],
            }
        }
    }
    assert document["output"]["image"]["value"] == "${data.aws_ami.Image.id}"


def test_an_explicit_id_is_taken_as_it_is() -> None:
    document = resolved("ami-0123456789abcdef0")
    assert "data" not in document
    assert document["output"]["image"]["value"] == "ami-0123456789abcdef0"
