"""Images of a swarm: by digest always, and what is built here goes through a registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdktf_cdktf_provider_docker.data_docker_registry_image import DataDockerRegistryImage

from constructs_lib.compose.builds import short
from constructs_lib.docker.image import Image
from constructs_lib.docker.reference import untagged
from constructs_lib.terraform.literal import Expression, define, joined
from constructs_lib.terraform.steps import result_of, run_module, terraform_data

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cdktf import TerraformResource
    from constructs import Construct

    from constructs_lib.host.endpoint import DockerEndpoint


class NamedImage(Image):
    """An image that each node pulls by itself.

    Attributes:
        image_id: Its reference by digest, `NAME@sha256:…`.
    """

    def __init__(self, scope: Construct, id_: str, *, name: str, digest: Expression | None) -> None:
        """Name the image.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
            name: The image's reference.
            digest: What its tag stands for in its registry; None where it says that itself.
        """
        super().__init__(scope, id_)
        self.image_id = Expression(
            joined(name) if digest is None else joined(untagged(name), "@", digest)
        )


def digest_of(scope: Construct, name: str) -> Expression | None:
    """Define the question what a tag stands for in its registry; None where the name says that.

    Args:
        scope: The construct that it belongs to.
        name: The image's reference.
    """
    if "@" in name:
        return None
    return Expression(define(DataDockerRegistryImage, scope, "Digest", name=name).sha256_digest)


class PushedImage(Image):
    """An image that a manager has built, and a registry has.

    Attributes:
        image_id: Its reference by digest, as the registry has told it at the push.
        resource: The push, which is taken again after each build.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        build: TerraformResource,
        endpoint: DockerEndpoint,
        file: Path,
        needs: Sequence[TerraformResource] = (),
    ) -> None:
        """Define the push.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
            name: What the build calls the image: where it is pushed to.
            build: The step that builds it.
            endpoint: The Docker API of the manager that has built it.
            file: Where the push writes the reference for Terraform.
            needs: What has to be there first, such as the registry.
        """
        super().__init__(scope, id_)
        self.resource = terraform_data(
            self,
            "Push",
            triggers={"build": Expression(build.get_string_attribute("id"))},
            provisioners=[
                run_module(
                    "constructs_lib.swarm.push",
                    *endpoint.words,
                    *("--file", str(file), "--", name),
                )
            ],
            depends_on=list(needs) or None,
        )
        self.image_id = result_of(self.resource, self, "Reference", file=file)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesOfSwarm:
    """What images are in a swarm; see `constructs_lib.compose.images.ImageKinds`.

    Attributes:
        endpoint: The Docker API of a manager, which builds and pushes.
        repository: What the names of built images begin with: a registry, and a path in it.
        folder: Where pushes write the references for Terraform.
        needs: What has to be there before the first push, such as the registry.
        always_by_digest: True: each node runs the same, and an update asks for no tag.
    """

    endpoint: DockerEndpoint
    repository: str
    folder: Path
    needs: tuple[TerraformResource, ...] = ()
    always_by_digest: bool = True

    def named(self, name: str) -> str:
        """Return where an image is pushed to that the Compose file calls so."""
        return f"{self.repository}/{name.replace(':', '-')}"

    def pulled(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        digest: Expression | None,
        platform: str | None,  # noqa: ARG002  (each node pulls what fits it, or what it is told)
    ) -> Image:
        """Name an image that each node pulls by itself."""
        return NamedImage(scope, id_, name=name, digest=digest)

    def built(
        self, scope: Construct, *, name: str, step: TerraformResource
    ) -> tuple[Image, TerraformResource]:
        """Define the push of an image; others begin with what the registry has."""
        image = PushedImage(
            scope,
            "Image",
            name=name,
            build=step,
            endpoint=self.endpoint,
            file=self.folder / f"image-{short(scope.node.id)}.tfstate",
            needs=self.needs,
        )
        return image, image.resource
