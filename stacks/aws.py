"""The AWS stack: machines whose Docker APIs answer to our certificate only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cdktf import TerraformOutput, TerraformStack
from cdktf_cdktf_provider_aws.key_pair import KeyPair
from cdktf_cdktf_provider_aws.provider import (
    AwsProvider,
    AwsProviderAssumeRole,
    AwsProviderDefaultTags,
    AwsProviderEndpoints,
)
from constructs import Construct

from constructs_lib.aws.elastic_ip import ElasticIp
from constructs_lib.aws.firewall import WEB, groups
from constructs_lib.aws.machine import Machine
from constructs_lib.aws.machine_image import MachineImage
from constructs_lib.aws.network_interface import NetworkInterface
from constructs_lib.aws.security_group import SecurityGroup
from constructs_lib.aws.subnets import DefaultSubnets, NamedSubnets
from constructs_lib.host.client_change import ClientChange
from constructs_lib.host.docker_api import AwsAccess, DockerApi
from constructs_lib.host.services_end import ServicesEnd
from constructs_lib.host.volume_growth import VolumeGrowth
from constructs_lib.settings.nodes import FIRST
from constructs_lib.swarm.members import MemberNode, Members
from constructs_lib.swarm.node import SwarmNode
from constructs_lib.terraform.literal import Expression, define, joined, override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from constructs_lib.aws.data_volume import DataVolume
    from constructs_lib.aws.kept_place import KeptPlaces
    from constructs_lib.aws.snapshot_policy import SnapshotSchedule
    from constructs_lib.host.docker_api import CertificateStore
    from constructs_lib.host.ssh_access import SshAccess
    from constructs_lib.settings.nodes import Node
    from constructs_lib.settings.settings import (
        AwsSettings,
        DataVolumeSettings,
        ImageSettings,
        SnapshotSettings,
    )
    from constructs_lib.terraform.state_backend import LocalState, S3State

PROVIDER_VERSIONS = ">= 5.100.0, < 7.0.0"
"""The bindings pin one version; everything used here exists unchanged in this range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """An emulated AWS.

    Attributes:
        url: Its API, for all services.
        profile: The name of its access key in `credentials`.
        credentials: The file that holds the access key.
    """

    url: str
    profile: str
    credentials: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine of a swarm, with what outlives it.

    Attributes:
        machine: The machine.
        address: Its Elastic IP.
        interface: The network interface that has the address, and its private one.
        api: Its Docker API.
    """

    machine: Machine
    address: ElasticIp
    interface: NetworkInterface
    api: DockerApi


class AwsStack(TerraformStack):
    """The machine, its groups, its address, and its Docker API; or the machines of a swarm.

    Attributes:
        public_ip: The address of the machine, or of the first manager (a token; other stacks may
            use it).
        machine_id: The machine's id, another one for each machine (likewise).
        data_id: The id of what Docker's data lies on: the data volume, or the machine itself
            (likewise).
        managers: The addresses of a swarm's managers by their names (likewise); empty where there
            is no swarm.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        tags: dict[str, str],
        settings: AwsSettings,
        state: LocalState | S3State,
        user_data: str,
        store: CertificateStore,
        ssh: SshAccess,
        public_key: str | None,
        nodes: Sequence[Node] = (),
        emulator: Emulator | None = None,
    ) -> None:
        """Wire the stack.

        Args:
            scope: The app.
            id_: The stack's name.
            name: What the names of AWS resources begin with.
            tags: The tags of every AWS resource.
            settings: The machine's settings.
            state: Where Terraform's state is kept.
            user_data: Each machine's cloud-config.
            store: Where certificates are issued.
            ssh: How to reach a machine.
            public_key: The key to make a key pair from, unless the settings name one.
            nodes: The machines of a swarm, a manager first; none where there is one machine that
                is no swarm.
            emulator: An emulated AWS to use instead of AWS.
        """
        super().__init__(scope, id_)
        state.attach(self, id_)
        _provider(self, settings, tags, emulator)
        self._name, self._settings, self._user_data = name, settings, user_data
        self._ssh, self._store, self._emulator = ssh, store, emulator
        network = settings.network
        made = {
            group.id: SecurityGroup(
                self,
                group.id,
                name=f"{name}-{group.name}",
                display_name=group.name,
                description=group.description,
                vpc_id=network.vpc_id if network else None,
                ingress=group.ingress,
            )
            for group in groups(settings, swarm=bool(nodes))
        }
        self._groups, self._web = list(made.values()), made[WEB]
        self.managers: Mapping[str, Expression] = {}
        self._tags = tags
        self._volumes: dict[str, DataVolume] = {}
        machine, address = self._swarm(nodes, public_key) if nodes else self._single(public_key)
        self.public_ip = address.public_ip
        self.machine_id = machine.id
        volume = self._volumes.get(FIRST)
        self.data_id = machine.id if volume is None else Expression(volume.resource.id)
        port = settings.docker_api.port
        if self._volumes:
            ids = {node: Expression(volume.resource.id) for node, volume in self._volumes.items()}
            _output(self, "data_volumes", ids, "the data volumes, by the machines' names")
        _output(self, "public_ip", self.public_ip, "the machine's address")
        _output(
            self, "docker_host", joined("tcp://", self.public_ip, f":{port}"), "for DOCKER_HOST"
        )
        _output(
            self,
            "ssh",
            ssh.command(self.machine_id, self.public_ip),
            "the command that opens a shell on the machine, and on no other",
        )

    def _single(self, public_key: str | None) -> tuple[Machine, ElasticIp]:
        """Add the one machine, which is no swarm."""
        settings = self._settings
        key_pair, network, wanted = settings.key_pair, settings.network, settings.data_volume
        subnet = network.every_subnet[0] if network else None
        if subnet is None and wanted is not None:
            from constructs_lib.aws.kept_place import KeptPlace  # noqa: PLC0415  (its bindings take time to load)

            place = KeptPlace(self, "Place", tags=self._tags, name=self._name, node=FIRST)
            subnet = place.subnet_id
        machine = Machine(
            self,
            "Machine",
            name=self._name,
            image=_image(settings.image),
            instance_type=settings.instance_type,
            user_data=self._user_data,
            security_groups=self._groups,
            root_volume_gib=settings.root_volume.size_gib,
            public_key=public_key,
            key_name=key_pair.name if key_pair else None,
            subnet_id=subnet,
        )
        address = ElasticIp(self, "Address", name=self._name, machine=machine)
        volume = None
        if wanted is not None and subnet is not None:
            volume = self._data_volume(
                self, wanted, node=FIRST, name=self._name, machine=machine, subnet_id=subnet
            )
        self._docker_api(self, machine, address, volume=volume)
        return machine, address

    def _swarm(self, nodes: Sequence[Node], public_key: str | None) -> tuple[Machine, ElasticIp]:
        """Add the machines of a swarm, and make them one; returns the first machine."""
        settings = self._settings
        network, key_name = settings.network, None
        subnets: NamedSubnets | DefaultSubnets
        kept: KeptPlaces | None = None
        if network:
            subnets = NamedSubnets(network.every_subnet)
        else:
            subnets = DefaultSubnets(self, "Subnets")
            if any(node.data_volume is not None for node in nodes):
                from constructs_lib.aws.kept_place import KeptPlaces  # noqa: PLC0415  (its bindings take time to load)

                kept = KeptPlaces(self, "Places", tags=self._tags, subnets=subnets)
        key_pair = None
        if settings.key_pair is not None:
            key_name = settings.key_pair.name
        elif public_key is not None:
            key_pair = define(KeyPair, self, "KeyPair", key_name=self._name, public_key=public_key)
        of_images, images = Construct(self, "Images"), dict[MachineImage, MachineImage]()
        place, hosts = Construct(self, "Nodes"), dict[str, Host]()
        for node in nodes:
            image, name = _image(node.image), f"{self._name}-{node.name}"
            if image not in images:
                images[image] = image.resolved(of_images, node.pool)
            scope = Construct(place, node.name)
            subnet = subnets.at(node.place)
            if kept is not None and node.data_volume is not None:
                subnet = kept.at(node.place, node=node.name)
            interface = NetworkInterface(
                scope,
                "Interface",
                name=name,
                subnet_id=subnet,
                security_groups=self._groups,
            )
            machine = Machine(
                scope,
                "Machine",
                name=name,
                image=images[image],
                instance_type=node.instance_type,
                user_data=self._user_data,
                root_volume_gib=node.root_volume_gib,
                key_pair=key_pair,
                key_name=key_name,
                interface=interface,
            )
            address = ElasticIp(scope, "Address", name=name, machine=machine, interface=interface)
            # The first machine has the registry.
            of_registry = next(iter(hosts.values())).interface if hosts else interface
            known = of_registry.private_ip
            volume = None
            if node.data_volume is not None:
                # Not the interface's own: the volume would be destroyed with that.
                volume = self._data_volume(
                    scope,
                    node.data_volume,
                    node=node.name,
                    name=name,
                    machine=machine,
                    subnet_id=subnet,
                )
            api = self._docker_api(
                scope, machine, address, node=node.name, registry_address=known, volume=volume
            )
            hosts[node.name] = Host(machine=machine, address=address, interface=interface, api=api)
        certificates = ClientChange(
            self,
            "Certificates",
            apis=[host.api for host in hosts.values()],
            addresses=[host.address for host in hosts.values()],
            port=settings.docker_api.port,
            store=self._store,
        )
        Members(
            self,
            "Swarm",
            nodes=[
                MemberNode(
                    node=SwarmNode(name=node.name, is_manager=node.is_manager, labels=node.labels),
                    public_ip=hosts[node.name].address.public_ip,
                    private_ip=hosts[node.name].interface.private_ip,
                    machine=hosts[node.name].machine.id,
                )
                for node in nodes
            ],
            port=settings.docker_api.port,
            store=self._store,
            depends_on=[certificates.resource],
        )
        self.managers = {
            node.name: hosts[node.name].address.public_ip for node in nodes if node.is_manager
        }
        self._output_nodes(hosts)
        if settings.load_balancer is not None:
            from constructs_lib.aws.load_balancer import LoadBalancer  # noqa: PLC0415  (its bindings take time to load)

            balancer = LoadBalancer(
                self,
                "LoadBalancer",
                name=self._name,
                ports=settings.load_balancer.ports,
                machines={node: host.machine for node, host in hosts.items()},
                subnets=subnets,
                security_group=self._web,
                vpc_id=network.vpc_id if network else None,
            )
            _output(self, "load_balancer", balancer.dns_name, "where clients reach the services")
        first = hosts[nodes[0].name]
        return first.machine, first.address

    def _data_volume(
        self,
        scope: Construct,
        wanted: DataVolumeSettings,
        *,
        node: str,
        name: str,
        machine: Machine,
        subnet_id: str,
    ) -> DataVolume:
        from constructs_lib.aws.data_volume import DataVolume  # noqa: PLC0415  (its bindings take time to load)

        volume = DataVolume(
            scope,
            "Data",
            name=f"{name}-data",
            node=node,
            machine=machine,
            subnet_id=subnet_id,
            size_gib=wanted.size_gib,
            kind=wanted.type,
            iops=wanted.iops,
            throughput=wanted.throughput,
            # The emulated AWS has no Data Lifecycle Manager; a warning says so.
            schedule=None if self._emulator else _schedule(wanted.snapshots),
        )
        self._volumes[node] = volume
        return volume

    def _docker_api(
        self,
        scope: Construct,
        machine: Machine,
        address: ElasticIp,
        *,
        volume: DataVolume | None,
        node: str | None = None,
        registry_address: Expression | None = None,
    ) -> DockerApi:
        settings, emulator = self._settings, self._emulator
        aws = AwsAccess(
            region=settings.region,
            profile=emulator.profile if emulator else settings.profile,
            role_arn=settings.role_arn,
            endpoint_url=emulator.url if emulator else None,
            credentials=emulator.credentials if emulator else None,
        )
        api = DockerApi(
            scope,
            "DockerApi",
            machine=machine,
            address=address,
            port=settings.docker_api.port,
            ssh=self._ssh,
            store=self._store,
            aws=aws,
            node=node,
            registry_address=registry_address,
            volume=volume,
        )
        ServicesEnd(
            scope, "ServicesEnd", machine=machine, address=address, api=api, ssh=self._ssh, aws=aws
        )
        if volume is not None:
            VolumeGrowth(
                scope, "DataGrowth", volume=volume, machine=machine, address=address, api=api,
                ssh=self._ssh,
            )  # fmt: skip
        return api

    def _output_nodes(self, hosts: Mapping[str, Host]) -> None:
        addresses = {name: host.address.public_ip for name, host in hosts.items()}
        _output(self, "public_ips", addresses, "the machines' addresses, by their names")
        nodes = {
            name: {
                "public_ip": host.address.public_ip,
                "private_ip": host.interface.private_ip,
                "instance_id": host.machine.id,
                "ssh": self._ssh.command(host.machine.id, host.address.public_ip),
            }
            for name, host in hosts.items()
        }
        _output(self, "nodes", nodes, "how each machine is reached, by its name")


def _schedule(snapshots: SnapshotSettings | None) -> SnapshotSchedule | None:
    if snapshots is None or snapshots.schedule is None:
        return None
    from constructs_lib.aws.snapshot_policy import (  # noqa: PLC0415  (likewise)
        SnapshotSchedule,
    )

    return SnapshotSchedule(
        every_hours=snapshots.schedule.every_hours,
        at=snapshots.schedule.at,
        keep=snapshots.keep,
        keep_days=snapshots.keep_days,
    )


def _image(settings: ImageSettings) -> MachineImage:
    return MachineImage(
        id=settings.id,
        owner=settings.owner,
        name=settings.name,
        architecture=settings.architecture,
    )


def _provider(
    stack: TerraformStack, settings: AwsSettings, tags: dict[str, str], emulator: Emulator | None
) -> None:
    define(
        AwsProvider,
        stack,
        "Provider",
        region=settings.region,
        # A profile that is named here wins over all AWS variables, and with its own file over
        # the user's: their key is never told to the emulator, whoever runs Terraform. The key
        # itself is in no configuration, plan or state.
        profile=emulator.profile if emulator else settings.profile,
        shared_credentials_files=[str(emulator.credentials)] if emulator else None,
        assume_role=(
            [define(AwsProviderAssumeRole, role_arn=settings.role_arn)]
            if settings.role_arn
            else None
        ),
        default_tags=[define(AwsProviderDefaultTags, tags=tags)],
        endpoints=(
            [
                define(
                    AwsProviderEndpoints,
                    ec2=emulator.url,
                    sts=emulator.url,
                    iam=emulator.url,
                    s3=emulator.url,
                    elbv2=emulator.url if settings.load_balancer else None,
                )
            ]
            if emulator
            else None
        ),
        # An emulator has no instance metadata, and says soon enough whom it does not know.
        skip_metadata_api_check="true" if emulator else None,
        skip_credentials_validation=True if emulator else None,
        skip_region_validation=True if emulator else None,
    )
    override(stack, "terraform.required_providers.aws.version", PROVIDER_VERSIONS)


def _output(
    stack: TerraformStack,
    name: str,
    value: Any,  # noqa: ANN401  (any value)
    description: str,
) -> None:
    define(TerraformOutput, stack, name, value=value, description=description)
