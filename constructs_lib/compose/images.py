"""The images of a Compose project: each pulled or built once, however many services run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from cdktf import App, TerraformStack
from cdktf_cdktf_provider_docker.data_docker_registry_image import DataDockerRegistryImage
from cdktf_cdktf_provider_docker.image import Image as ImageResource
from constructs import Construct

from constructs_lib.compose import builds
from constructs_lib.docker.build_context import ContextError
from constructs_lib.docker.image import BuiltImage, Image, LocalImage, PulledImage
from constructs_lib.docker.reference import familiar, identifier, untagged
from constructs_lib.terraform.addresses import logical_id
from constructs_lib.terraform.literal import Expression, define, joined, override
from constructs_lib.terraform.steps import ROOT, run_module, terraform_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cdktf import TerraformResource

    from constructs_lib.compose.delivery import Vault
    from constructs_lib.compose.model import Build, ComposeProject, Service
    from constructs_lib.host.endpoint import DockerEndpoint

_IMAGE: Final = ("Image", "Resource")
_OURS: Final = ("cdktf.out", ".moor", ".terraform")
"""Folders of this project, with private keys and states in them, that no builder gets."""


class ImageKinds(Protocol):
    """What images are where the services run."""

    @property
    def always_by_digest(self) -> bool:
        """Whether a registry is always asked what a tag stands for."""

    def named(self, name: str) -> str:
        """Return what an image is built as that the Compose file calls so; both have no tag."""

    def pulled(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        digest: Expression | None,
        platform: str | None,
    ) -> Image:
        """Define an image of a registry; its arguments are those of `PulledImage`."""

    def built(
        self, scope: Construct, *, name: str, step: TerraformResource
    ) -> tuple[Image, TerraformResource]:
        """Define an image that a step builds.

        Returns:
            The image, and the step after which others may begin with it.
        """


class ImagesOfMachine:
    """The images of one machine: they lie on it.

    Attributes:
        always_by_digest: As `ImageKinds` has it.
    """

    always_by_digest = False

    def named(self, name: str) -> str:
        """Return the same: the image lies on the machine under the name that it has."""
        return name

    def pulled(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        digest: Expression | None,
        platform: str | None,
    ) -> Image:
        """Define an image that the machine pulls."""
        return PulledImage(scope, id_, name=name, digest=digest, platform=platform)

    def built(
        self, scope: Construct, *, name: str, step: TerraformResource
    ) -> tuple[Image, TerraformResource]:
        """Define an image that is built on the machine, and stays there."""
        return BuiltImage(scope, "Image", name=name, build=step), step


class Images(Construct):
    """The images of a project's services.

    Services that run the same image, or whose builds are equal, share it, and a registry is asked
    once for what a tag stands for. An image's id is its own: services come and go.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: ComposeProject,
        endpoint: DockerEndpoint,
        vault: Vault,
        value_of: Callable[[str], str],
        kinds: ImageKinds | None = None,
        also: Mapping[str, str] | None = None,
    ) -> None:
        """Define the images.

        Args:
            scope: The construct that this one belongs to, inside a stack.
            id_: The construct's id; changing it builds everything again.
            project: The services, checked.
            endpoint: The machine's Docker API.
            vault: Where what the builder reads is kept for the deployment.
            value_of: Returns the value of a variable that is a secret's content.
            kinds: What images are where the services run; those of one machine by default.
            also: Further triggers of each build, by name: what is lost with these is built again.

        Raises:
            ContextError: A file of a build cannot be read, or builds need each other.
        """
        super().__init__(scope, id_)
        self._project = project
        self._endpoint = endpoint
        self._vault = vault
        self._value_of = value_of
        self._kinds: ImageKinds = kinds or ImagesOfMachine()
        self._also = dict(also or {})
        if endpoint.machine is not None:
            self._also["machine"] = endpoint.machine
        self._private = [*(ROOT / name for name in _OURS), Path(App.of(self).outdir).resolve()]
        self._here = Construct(self, "Built")
        self._registry = Construct(self, "Registry")
        self._digests: dict[str, Expression] = {}
        self._pulled: dict[tuple[str, ...], Image] = {}
        self._built: dict[str, _Built] = {}
        self._begun: list[str] = []
        self._groups: dict[str, list[Service]] = {}
        self._names: dict[str, str] = {}
        for _, service in sorted(project.services.items()):
            if service.build is not None:
                key = builds.key_of(service.build)
                self._groups.setdefault(key, []).append(service)
                self._names.setdefault(familiar(image_name(project.name, service)), key)
        self._ids = builds.identifiers(
            [service.build for service in project.services.values() if service.build is not None]
        )
        self._images = {name: self._image(s) for name, s in sorted(project.services.items())}
        self._tell_where_they_were()

    def of(self, service: Service) -> Image:
        """Return the image of a service."""
        return self._images[service.name]

    def _image(self, service: Service) -> Image:
        if service.build is not None:
            return self._build(builds.key_of(service.build)).image
        assert service.image is not None  # noqa: S101  (Compose refuses one without both)
        key = self._names.get(familiar(service.image))
        return self._build(key).image if key is not None else self._pull(service, service.image)

    def _pull(self, service: Service, name: str) -> Image:
        platform = service.options.platform
        key = (name, platform or "", service.pull)
        if key not in self._pulled:
            id_ = identifier(*(part for part in key if part and part != "digest"))
            if service.pull == "never":
                self._pulled[key] = LocalImage(self, id_, name=name)
            else:
                asks = service.pull == "digest" or self._kinds.always_by_digest
                self._pulled[key] = self._kinds.pulled(
                    self,
                    id_,
                    name=name,
                    digest=self._digest(name) if asks else None,
                    platform=platform,
                )
        return self._pulled[key]

    def _digest(self, name: str) -> Expression | None:
        """Return what a tag stands for in its registry; None where the name says that itself."""
        if "@" in name:
            return None
        key = familiar(name)
        if key not in self._digests:
            tag = define(DataDockerRegistryImage, self._registry, identifier(key), name=name)
            self._digests[key] = Expression(tag.sha256_digest)
        return self._digests[key]

    def _build(self, key: str) -> _Built:
        if key not in self._built:
            services = self._groups[key]
            where = f"{self._project.file}: services.{services[0].name}.build"
            if key in self._begun:
                around = " -> ".join(self._groups[k][0].name for k in [*self._begun, key])
                raise ContextError(f"{where}: must not need itself, got {around}")
            self._begun.append(key)
            try:
                self._built[key] = self._define(key, services)
            except ContextError as error:
                text = str(error)
                raise ContextError(
                    text if text.startswith(self._project.file) else f"{where}.{text}"
                ) from None
            self._begun.pop()
        return self._built[key]

    def _define(self, key: str, services: Sequence[Service]) -> _Built:
        build = services[0].build
        assert build is not None  # noqa: S101  (for the type checker)
        recipe = builds.read_recipe(build, private=self._private)
        named = sorted({image_name(self._project.name, s) for s in services if s.image})
        named = named or [image_name(self._project.name, services[0])]
        name = f"{self._kinds.named(untagged(named[0]))}:{recipe.tag}"
        triggers: dict[str, str] = {**recipe.digests, **self._also}
        bases: list[str] = []
        contexts = dict(build.contexts)
        asks = any(service.pull == "digest" for service in services)
        pulls = False
        for reference in recipe.bases:
            other = self._other(reference, key)
            places = [n for n, s in build.contexts.items() if s == f"{builds.IMAGE}{reference}"]
            places = places or [familiar(reference)]
            if other is not None:
                triggers[f"base {reference}"] = other.step_id
                contexts |= dict.fromkeys(places, f"{builds.IMAGE}{other.name}")
            elif asks and (digest := self._digest(reference)) is not None:
                triggers[f"base {reference}"] = digest
                pulls = pulls or not recipe.takes_contexts
                if recipe.takes_contexts:
                    bases += [
                        joined(place, "=", untagged(reference), "@", digest) for place in places
                    ]
        for place, source in build.contexts.items():
            if source.startswith(builds.SERVICE):
                triggers[f"context {place}"], contexts[place] = self._of_service(source)
        document = builds.definition(
            build,
            project=self._project.name,
            service=services[0].name,
            image=name,
            tags=[tag for tag in named if "@" not in tag],
            contexts=contexts,
            pull=pulls,
            dockerfile=self._dockerfile(key, build, recipe),
            secret_files=self._secrets(services[0].name, build),
        )
        file = self._vault.keep_as(f"{self._file(key)}.json", json.dumps(document).encode())
        scope = Construct(self._here, self._ids[key])
        options = [word for base in bases for word in ("--base", base)]
        step = terraform_data(
            scope,
            "Build",
            triggers=triggers,
            provisioners=[
                run_module(
                    "constructs_lib.compose.build",
                    *self._endpoint.words,
                    *(*options, "--", str(file)),
                )
            ],
        )
        image, ready = self._kinds.built(scope, name=name, step=step)
        return _Built(name=name, step=ready, image=image)

    def _other(self, reference: str, key: str) -> _Built | None:
        """Return the build of this file that an image comes from, if there is one.

        An image may well begin with another one that has its name: then it comes from a registry.
        """
        other = self._names.get(familiar(reference))
        return None if other is None or other in (key, *self._begun) else self._build(other)

    def _of_service(self, source: str) -> tuple[str, str]:
        """Return what tells when a service's image changes, and what the builder calls it."""
        service = self._project.services[source.removeprefix(builds.SERVICE)]
        key = None if service.build is None else builds.key_of(service.build)
        if key is None and service.image is not None:
            key = self._names.get(familiar(service.image))
        if key is not None:
            built = self._build(key)
            return built.step_id, f"{builds.IMAGE}{built.name}"
        assert service.image is not None  # noqa: S101  (Compose refuses one without both)
        digest = self._digest(service.image) if service.pull == "digest" else None
        return digest or service.image, f"{builds.IMAGE}{service.image}"

    def _dockerfile(self, key: str, build: Build, recipe: builds.Recipe) -> Path | None:
        """Write the Dockerfile that the builder is to read, unless it is the one in the context.

        Beside it is its `.dockerignore`, since the builder looks there first: so nothing that is
        private leaves this computer, and nothing is written into the context.
        """
        if recipe.dockerfile is None:
            return None
        name = "Dockerfile" if build.dockerfile_inline else Path(build.dockerfile).name
        place = f"{self._file(key)}/{name}"
        self._vault.keep_as(f"{place}.dockerignore", recipe.ignored)
        return self._vault.keep_as(place, recipe.dockerfile)

    def _secrets(self, service: str, build: Build) -> dict[str, Path]:
        return {
            name: secret.file
            if secret.file is not None
            else self._vault.keep(
                service, f"build {name}", self._value_of(secret.variable or "").encode()
            )
            for name, secret in build.secrets.items()
        }

    def _file(self, key: str) -> str:
        return f"builds/{builds.short(self._ids[key])}"

    def _tell_where_they_were(self) -> None:
        """Tell Terraform where pulled images were before they were shared.

        Without that it would take the image of each container for another one that is not known
        yet, and replace the container.
        """
        stack = TerraformStack.of(self)
        above = [c.node.id for c in self.node.scopes[len(stack.node.scopes) : -1]]
        first: dict[str, str] = {}
        for name, service in sorted(self._project.services.items()):
            image = self._images[name]
            if service.build is None and isinstance(image, PulledImage):
                first.setdefault(image.resource.friendly_unique_id, name)
        kind = ImageResource.TF_RESOURCE_TYPE
        moved = [
            {
                # Addresses, which are no templates.
                "from": Expression(f"{kind}.{logical_id([*above, 'Services', name, *_IMAGE])}"),
                "to": Expression(f"{kind}.{resource}"),
            }
            for resource, name in first.items()
        ]
        if moved:
            override(stack, "moved", moved)


class _Built:
    """An image of this file, and the step after which it is there."""

    def __init__(self, *, name: str, step: TerraformResource, image: Image) -> None:
        self.name = name
        self.image = image
        self.step_id = Expression(step.get_string_attribute("id"))


def image_name(project: str, service: Service) -> str:
    """Return what Compose calls the image of a service that is built."""
    return service.image or f"{project}-{service.name}"
