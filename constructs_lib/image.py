"""Docker images: pulled by name, or built on the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf import AssetType, TerraformAsset
from cdktf_cdktf_provider_docker.image import Image as ImageResource
from cdktf_cdktf_provider_docker.image import ImageBuild
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Image(Construct):
    """An image on the machine; what containers run.

    Attributes:
        image_id: The image's id, `sha256:…` (a token, known after apply).
    """

    def __init__(self, scope: Construct, id_: str) -> None:
        """Begin an image; use `PulledImage` or `BuiltImage`.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it pulls or builds again.
        """
        super().__init__(scope, id_)
        self.image_id: str


class PulledImage(Image):
    """An image that the machine pulls from a registry."""

    def __init__(self, scope: Construct, id_: str, *, name: str) -> None:
        """Define the pull.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it pulls again.
            name: The image's reference, with a tag or digest.
        """
        super().__init__(scope, id_)
        self.image_id = ImageResource(self, "Resource", name=name).image_id


class BuiltImage(Image):
    """An image that the machine builds from a folder of this computer.

    The build runs on the provider's host, with Docker's classic builder: BuildKit's
    client would build on this computer's engine instead, and the image would land on
    the wrong machine (kreuzwerker/terraform-provider-docker#972).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        context: Path,
        build_args: Mapping[str, str] | None = None,
    ) -> None:
        """Define the build.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it builds again.
            name: The image's name, without a tag: the tag is the context's hash.
            context: The folder that holds the `Dockerfile`; a changed file builds again.
            build_args: The build arguments.

        Raises:
            ValueError: The folder has no `Dockerfile`, or `name` has a tag.
        """
        if not (context / "Dockerfile").is_file():
            msg = f"image {name}: context: must hold a Dockerfile, got {context}"
            raise ValueError(msg)
        if ":" in name.rpartition("/")[2]:
            msg = f"image {name}: name: must have no tag, which is the context's hash"
            raise ValueError(msg)
        super().__init__(scope, id_)
        # An asset is copied beside the configuration: its path in the state is then the
        # same from every checkout, and its hash tells when to build again.
        asset = TerraformAsset(self, "Context", path=str(context), type=AssetType.DIRECTORY)
        resource = ImageResource(
            self,
            "Resource",
            name=f"{name}:{asset.asset_hash[:12].lower()}",
            build_attribute=ImageBuild(context=asset.path, build_args=build_args),
            triggers={"context": asset.asset_hash},
        )
        resource.add_override("build.use_legacy_builder", True)
        self.image_id = resource.image_id
