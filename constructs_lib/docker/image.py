"""Docker images: pulled by name, built on the machine, or there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_docker.data_docker_image import DataDockerImage
from cdktf_cdktf_provider_docker.image import Image as ImageResource
from constructs import Construct

from constructs_lib.docker.reference import untagged
from constructs_lib.terraform.literal import Expression, define, joined

if TYPE_CHECKING:
    from cdktf import TerraformResource


class Image(Construct):
    """An image on the machine; what containers run.

    Attributes:
        image_id: The image's id, `sha256:…` (a token, known after apply).
    """

    def __init__(self, scope: Construct, id_: str) -> None:
        """Begin an image; use `PulledImage`, `BuiltImage` or `LocalImage`.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it pulls or builds again.
        """
        super().__init__(scope, id_)
        self.image_id: Expression


class PulledImage(Image):
    """An image that the machine pulls from a registry.

    Attributes:
        resource: The image's resource.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        digest: Expression | None = None,
        platform: str | None = None,
    ) -> None:
        """Define the pull.

        The image stays on the machine when it is not needed any more: where another container may
        use it, removing it would fail.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it pulls again.
            name: The image's reference, with a tag or digest.
            digest: What the tag stands for in the registry; then a plan shows when it stands for
                another image than before.
            platform: Such as `linux/arm64`; the machine's own by default.
        """
        super().__init__(scope, id_)
        if digest is not None:
            # By its digest: a tag that the machine has already would not be pulled again.
            name = joined(untagged(name), "@", digest)
        self.resource = define(
            ImageResource,
            self,
            "Resource",
            name=name,
            keep_locally=True,
            lifecycle=_BEFORE,
            platform=platform,
        )
        self.image_id = Expression(self.resource.image_id)


class BuiltImage(Image):
    """An image that a step has built on the machine.

    The provider takes an image that the machine has before it pulls one of that name. It could
    build, too, but in ways that fit no machine but its own computer, or no Dockerfile of today
    (kreuzwerker/terraform-provider-docker#972).
    """

    def __init__(self, scope: Construct, id_: str, *, name: str, build: TerraformResource) -> None:
        """Define the image.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
            name: What the step calls it, with a tag that no other image has.
            build: The step. When it is taken again, the image may be another one.
        """
        super().__init__(scope, id_)
        resource = define(
            ImageResource,
            self,
            "Resource",
            name=name,
            triggers={"build": Expression(build.get_string_attribute("id"))},
            keep_locally=True,
            lifecycle=_BEFORE,
        )
        self.image_id = Expression(resource.image_id)


class LocalImage(Image):
    """An image that somebody has put on the machine."""

    def __init__(self, scope: Construct, id_: str, *, name: str) -> None:
        """Define the look at the machine, which a plan takes.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
            name: The image's reference.
        """
        super().__init__(scope, id_)
        self.image_id = Expression(define(DataDockerImage, self, "Resource", name=name).id)


_BEFORE: Final = TerraformResourceLifecycle(create_before_destroy=True)
