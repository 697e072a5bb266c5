"""Services of Compose files in a swarm, each service and network a resource of its own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from cdktf import TerraformResource
from cdktf_cdktf_provider_docker.data_docker_network import DataDockerNetwork
from constructs import Construct

from constructs_lib.compose.images import Images
from constructs_lib.compose.order import in_order
from constructs_lib.compose.services import COMPOSE_VERSION, address_ranges, patience
from constructs_lib.docker.network import Network
from constructs_lib.host.registry_place import REGISTRY
from constructs_lib.swarm.content_name import Kind, content_name, identity_file
from constructs_lib.swarm.images import ImagesOfSwarm, NamedImage, digest_of
from constructs_lib.swarm.kernel_feature import ESP, IP_VS, Feature
from constructs_lib.swarm.registry import Registry, registry_service
from constructs_lib.swarm.service_spec import (
    File,
    pinned_volumes,
    service_arguments,
    service_name,
)
from constructs_lib.terraform.literal import Expression, address, define, override
from constructs_lib.terraform.steps import result_of, run_module, terraform_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cdktf import ITerraformDependable

    from constructs_lib.compose.delivery import Vault
    from constructs_lib.compose.model import (
        ComposeProject,
        Delivery,
        NetworkDefinition,
        Service,
    )
    from constructs_lib.host.endpoint import DockerEndpoint

_SERVICE: Final = "docker_service"

_PULL_SECONDS: Final = 600
"""How much longer than its checks need a service may take, with the pull of its image on each node
one after the other."""

_END_SECONDS: Final = 3600
"""How long a service may take that others wait for to complete."""


class SwarmServices(Construct):
    """The services of a Compose project, in a swarm.

    The construct's ids are the names in the file, as they are for one machine.
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
        identities: Path,
        registry: Registry | str | None = None,
    ) -> None:
        """Define networks, contents, images and services.

        Args:
            scope: The construct that this one belongs to, inside a stack.
            id_: The construct's id; changing it replaces everything.
            project: The services, read for a swarm and checked.
            endpoint: The Docker API of a manager.
            vault: Where secrets and configs from variables are kept for the deployment.
            value_of: Returns the value of a variable that is a secret's or config's content.
            identities: The folder for what the engine calls secrets, configs and pushed images.
            registry: Where images that are built go: the swarm's own registry, or what their names
                begin with in another one.

        Raises:
            ContextError: A file of a build cannot be read.
            OSError: A file to be delivered cannot be read.
            ValueError: A service was not read for a swarm, or is built and there is no registry.
        """
        for service in project.services.values():
            where = f"{project.file}: services.{service.name}"
            if service.deploy is None:
                raise ValueError(f"{where}: must be read for a swarm, got one for one machine")
            if service.build is not None and registry is None:
                raise ValueError(f"{where}.build: must have a registry to go to, got none")
        super().__init__(scope, id_)
        self._project = project
        self._endpoint = endpoint
        self._vault = vault
        self._value_of = value_of
        self._identities = identities
        self._made: dict[tuple[Kind, str], Expression] = {}
        self._contents = Construct(self, "Contents")
        scopes = Construct(self, "Networks")
        used = {a.network for s in project.services.values() for a in s.networks}
        encryption = self._look_at_kernels("Encryption", ESP, project.needs_encryption)
        self._networks = {
            key: _network(scopes, project.name, network, encryption)
            for key, network in project.networks.items()
            if key in used or key != "default"
        }
        self._mesh = self._look_at_kernels("Mesh", IP_VS, project.needs_mesh)
        self._pins = self._choose_nodes()
        self._running: dict[str, TerraformResource] = {}
        self._images = self._define_images(registry)
        self._completed: dict[str, TerraformResource] = {}
        self._completing = {
            d.service
            for s in project.services.values()
            for d in s.depends_on
            if d.condition == "service_completed_successfully"
        }
        services = Construct(self, "Services")
        self._scopes = {name: Construct(services, name) for name in project.services}
        for service in in_order(project.services):
            self._define(service)
        self._tidy()

    def _define(self, service: Service) -> None:
        scope = self._scopes[service.name]
        files = [self._file(service, delivery) for delivery in service.deliveries]
        arguments = service_arguments(
            self._project,
            service,
            image=self._images.of(service).image_id,
            networks=self._networks,
            files=files,
        )
        needs: list[ITerraformDependable] = [
            (self._completed if d.condition == "service_completed_successfully" else self._running)[
                d.service
            ]
            for d in service.depends_on
        ]
        needs += [self._pins[volume] for volume in pinned_volumes(self._project, service)]
        if self._mesh is not None and _needs_mesh(service):
            needs.append(self._mesh)
        resource = _service(scope, arguments, needs)
        self._running[service.name] = self._wait(scope, "Converged", service, resource, "running")
        if service.name in self._completing:
            self._completed[service.name] = self._wait(
                scope, "Completed", service, resource, "completed"
            )

    def _wait(
        self, scope: Construct, id_: str, service: Service, resource: TerraformResource, until: str
    ) -> TerraformResource:
        seconds = _END_SECONDS if until == "completed" else patience(service) + _PULL_SECONDS
        step = run_module(
            "constructs_lib.swarm.converge",
            *self._endpoint.words,
            *("--until", until, "--timeout", str(int(seconds)), "--"),
            service_name(self._project.name, service.name),
        )
        waiting = terraform_data(
            scope,
            id_,
            triggers={"service": Expression(resource.get_string_attribute("id"))},
            provisioners=[step],
        )
        # An update leaves the id as it is.
        override(waiting, "lifecycle.replace_triggered_by", [address(resource)])
        return waiting

    def _define_images(self, registry: Registry | str | None) -> Images:
        """Define the images, and the registry before them where it is the swarm's own."""
        # Also what was built before, and is deployed by its digest: nodes pull it from there.
        builds = any(
            service.build is not None or str(service.image).startswith(f"{REGISTRY}/")
            for service in self._project.services.values()
        )
        repository = registry if isinstance(registry, str) else REGISTRY
        needs: tuple[TerraformResource, ...] = ()
        also: dict[str, str] = {}
        if builds and isinstance(registry, Registry):
            needs = (self._define_registry(registry),)
            also["registry"] = registry.machine
        return Images(
            self,
            "Images",
            project=self._project,
            endpoint=self._endpoint,
            vault=self._vault,
            value_of=self._value_of,
            kinds=ImagesOfSwarm(
                endpoint=self._endpoint,
                repository=repository,
                folder=self._identities.resolve() / "images",
                needs=needs,
            ),
            also=also,
        )

    def _define_registry(self, registry: Registry) -> TerraformResource:
        """Define the swarm's own registry. Returns the step after which it answers."""
        scope = Construct(self, "Registry")
        project, service = registry_service(self._project, registry)
        image = NamedImage(
            scope, "Image", name=registry.image, digest=digest_of(scope, registry.image)
        )
        arguments = service_arguments(
            project,
            service,
            image=image.image_id,
            networks={},
            files=[self._file(service, delivery) for delivery in service.deliveries],
        )
        resource = _service(scope, arguments)
        step = self._wait(scope, "Converged", service, resource, "running")
        self._running[service.name] = step
        return step

    def _file(self, service: Service, delivery: Delivery) -> File:
        kind: Kind = "secret" if delivery.is_secret else "config"
        source, content = delivery.source, delivery.content
        if source is None:
            text = content if delivery.variable is None else self._value_of(delivery.variable)
            source = self._vault.keep(service.name, delivery.path, (text or "").encode())
        digest = self._vault.digest(source.read_bytes())
        name = content_name(self._project.name, delivery.path, digest)
        made = self._made.get((kind, name))
        if made is None:
            made = self._made[kind, name] = self._content(kind, name, source)
        return File(
            kind=kind,
            id=made,
            name=name,
            path=delivery.path,
            mode=delivery.mode,
            uid=delivery.uid,
            gid=delivery.gid,
        )

    def _content(self, kind: Kind, name: str, source: Path) -> Expression:
        scope = Construct(self._contents, f"{kind}-{name}")
        file = identity_file(self._identities.resolve(), kind, name)
        step = terraform_data(
            scope,
            "Made",
            triggers={"name": name},
            provisioners=[
                run_module(
                    "constructs_lib.swarm.contents",
                    *self._endpoint.words,
                    *("--project", self._project.name, "--kind", kind, "--name", name),
                    *("--identity", str(file), "--", str(source.resolve())),
                )
            ],
        )
        return result_of(step, scope, "Identity", file=file)

    def _look_at_kernels(
        self, id_: str, feature: Feature, keys: Sequence[str]
    ) -> TerraformResource | None:
        """Define the step that looks whether the nodes can do what the file itself asks for."""
        if not keys:
            return None
        step = run_module(
            "constructs_lib.swarm.kernel_check",
            *self._endpoint.words,
            *("--feature", feature.name, "--", *keys),
        )
        return terraform_data(self, id_, triggers={"keys": ",".join(keys)}, provisioners=[step])

    def _choose_nodes(self) -> Mapping[str, TerraformResource]:
        """Define the steps that give volumes their node; those of one service get one together."""
        groups: list[set[str]] = []
        for service in self._project.services.values():
            group = set(pinned_volumes(self._project, service))
            if not group:
                continue
            for other in [g for g in groups if g & group]:
                group |= other
                groups.remove(other)
            groups.append(group)
        scope = Construct(self, "Pins")
        found: dict[str, TerraformResource] = {}
        for volumes in sorted(sorted(group) for group in groups):
            constraints = sorted(
                {
                    constraint
                    for service in self._project.services.values()
                    if set(volumes) & set(pinned_volumes(self._project, service))
                    for constraint in (service.deploy.constraints if service.deploy else ())
                }
            )
            words = [word for c in constraints for word in ("--constraint", c)]
            step = terraform_data(
                scope,
                volumes[0],
                triggers={"volumes": ",".join(volumes)},
                provisioners=[
                    run_module(
                        "constructs_lib.swarm.pins",
                        *self._endpoint.words,
                        *("--project", self._project.name, *words, "--", *volumes),
                    )
                ],
            )
            found |= dict.fromkeys(volumes, step)
        return found

    def _tidy(self) -> None:
        """Define the step that removes what no service needs any more, after all of them."""
        kept = sorted(f"{kind} {name}" for kind, name in self._made)
        terraform_data(
            self,
            "Tidy",
            triggers={"kept": hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]},
            provisioners=[
                run_module(
                    "constructs_lib.swarm.contents",
                    *self._endpoint.words,
                    *("--project", self._project.name),
                    *("--identity", str(self._identities.resolve()), "--", *kept),
                )
            ],
            depends_on=[*self._running.values(), *self._completed.values()],
        )


def _service(
    scope: Construct,
    arguments: Mapping[str, Any],
    needs: Sequence[ITerraformDependable] = (),
) -> TerraformResource:
    """Define a service. The bindings know no `networks_advanced.id`, and by name none is stable."""
    resource = define(
        TerraformResource,
        scope,
        "Resource",
        terraform_resource_type=_SERVICE,
        depends_on=list(needs) or None,
    )
    for name, value in arguments.items():
        override(resource, name, value)
    # Docker's client puts the image's platforms there, and only when it makes the service.
    override(resource, "lifecycle.ignore_changes", ["task_spec[0].placement[0].platforms"])
    # The provider takes another mode for an update, which the swarm refuses.
    mode = terraform_data(
        scope, "Mode", triggers={"mode": next(iter(arguments["mode"]))}, provisioners=[]
    )
    override(resource, "lifecycle.replace_triggered_by", [address(mode)])
    return resource


def _needs_mesh(service: Service) -> bool:
    deploy: Any = service.deploy
    return deploy.endpoint_mode == "vip" or any(port.mode == "ingress" for port in service.ports)


def _network(
    scope: Construct,
    project: str,
    network: NetworkDefinition,
    encryption: TerraformResource | None,
) -> Expression:
    """Define a network. Returns its id: by name a service would be replaced at each apply."""
    if network.external:
        return Expression(define(DataDockerNetwork, scope, network.key, name=network.name).id)
    made = Network(
        scope,
        network.key,
        name=network.name,
        driver="overlay",
        driver_opts=network.driver_opts,
        internal=network.internal or None,
        attachable=network.attachable or None,
        ipv6=network.ipv6 or None,
        ipam_driver=network.ipam_driver,
        addresses=address_ranges(network),
        labels={
            **network.labels,
            "com.docker.compose.network": network.key,
            "com.docker.compose.project": project,
            "com.docker.compose.version": COMPOSE_VERSION,
            "com.docker.stack.namespace": project,
        },
        depends_on=[encryption] if encryption is not None and network.is_encrypted else (),
    )
    return made.id
