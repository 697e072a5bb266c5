"""Docker images: pulled by name, or built on the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdktf import AssetType, TerraformAsset, TerraformResourceLifecycle
from cdktf_cdktf_provider_docker.data_docker_registry_image import DataDockerRegistryImage
from cdktf_cdktf_provider_docker.image import Image as ImageResource
from cdktf_cdktf_provider_docker.image import ImageBuild
from constructs import Construct

from constructs_lib.docker.build_context import INLINE, copy_of
from constructs_lib.docker.build_options import BuildOptions
from constructs_lib.terraform.literal import Expression, define, joined, override

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
        self.image_id: Expression


class PulledImage(Image):
    """An image that the machine pulls from a registry."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        follow_tag: bool = False,
        keep: bool = False,
        platform: str | None = None,
    ) -> None:
        """Define the pull.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it pulls again.
            name: The image's reference, with a tag or digest.
            follow_tag: Whether a plan asks the registry what the tag stands for, and shows
                when it stands for another image than before.
            keep: Whether the image stays on the machine when it is not needed any more. Where
                another container may use it, removing it would fail. Such an image is also
                pulled before the containers of the former one are removed.
            platform: Such as `linux/arm64`; the machine's own by default.
        """
        super().__init__(scope, id_)
        if follow_tag and "@" not in name:
            # By its digest: a tag that the machine has already would not be pulled again.
            tag = define(DataDockerRegistryImage, self, "Tag", name=name)
            name = joined(_without_tag(name), "@", Expression(tag.sha256_digest))
        resource = define(
            ImageResource,
            self,
            "Resource",
            name=name,
            keep_locally=True if keep else None,
            lifecycle=_BEFORE if keep else None,
            platform=platform,
        )
        self.image_id = Expression(resource.image_id)


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
        dockerfile: str = "Dockerfile",
        dockerfile_inline: str | None = None,
        options: BuildOptions | None = None,
        keep: bool = False,
        platform: str | None = None,
    ) -> None:
        """Define the build.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it builds again.
            name: The image's name, without a tag: the tag is the context's hash.
            context: The folder that holds the `Dockerfile`; a changed file builds again, unless
                the folder's `.dockerignore` names it.
            build_args: The build arguments.
            dockerfile: The path of the `Dockerfile` in that folder.
            dockerfile_inline: The text of the `Dockerfile`, instead of a file in that folder.
            options: Further options of the build.
            keep: Whether former images stay on the machine, as in `PulledImage`.
            platform: Such as `linux/arm64`; the machine's own by default.

        Raises:
            ValueError: The folder has no `Dockerfile`, or `name` has a tag.
        """
        if dockerfile_inline is not None:
            dockerfile = INLINE
        elif not (context / dockerfile).is_file():
            kind = "a Dockerfile" if dockerfile == "Dockerfile" else dockerfile
            msg = f"image {name}: context: must hold {kind}, got {context}"
            raise ValueError(msg)
        if ":" in name.rpartition("/")[2]:
            msg = f"image {name}: name: must have no tag, which is the context's hash"
            raise ValueError(msg)
        super().__init__(scope, id_)
        # The folder is removed together with the object that stands for it, which must not be
        # before the app has ended: only then does cdktf copy the assets.
        self._copy = copy = copy_of(context, dockerfile, inline=dockerfile_inline)
        # An asset is copied beside the configuration: its path in the state is then the
        # same from every checkout, and its hash tells when to build again.
        path = str(context) if copy is None else copy.name
        asset = TerraformAsset(self, "Context", path=path, type=AssetType.DIRECTORY)
        given = options or BuildOptions()
        resource = define(
            ImageResource,
            self,
            "Resource",
            name=f"{name}:{asset.asset_hash[:12].lower()}",
            build_attribute=define(
                ImageBuild,
                context=asset.path,
                build_args=build_args,
                dockerfile=None if dockerfile == "Dockerfile" else dockerfile,
                target=given.target,
                labels=given.labels or None,
                cache_from=list(given.cache_from) or None,
                extra_hosts=list(given.extra_hosts) or None,
                network_mode=given.network,
                no_cache=given.no_cache or None,
                pull_parent=given.pull or None,
                shm_size=given.shm_size,
            ),
            triggers={"context": asset.asset_hash},
            keep_locally=True if keep else None,
            lifecycle=_BEFORE if keep else None,
            platform=platform,
        )
        override(resource, "build.use_legacy_builder", True)
        self.image_id = Expression(resource.image_id)


_BEFORE: Final = TerraformResourceLifecycle(create_before_destroy=True)


def _without_tag(name: str) -> str:
    repository, _, rest = name.rpartition(":")
    return repository if repository and "/" not in rest else name
