"""The settings of an environment: every key that its file may have.

A key is described here and nowhere else: the table in README.md and the comments of
environments/production.example.yaml are made from the descriptions and defaults of these fields,
by `python -m constructs_lib.settings.reference`.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from constructs_lib.aws.firewall import EVERYWHERE, SWARM, Opening, openings
from constructs_lib.aws.port_range import PortRange
from constructs_lib.aws.volume_type import problems
from constructs_lib.identity.ssh_key import check_private_key_file
from constructs_lib.settings.values import (
    AccountId,
    AmiId,
    BalancedPorts,
    BucketName,
    Cidr,
    Cidrs,
    Duration,
    ExistingFile,
    FileName,
    Flag,
    HostKeys,
    InstanceType,
    KeptCount,
    KeptDays,
    KeyPrefix,
    ManagerCount,
    NodeLabel,
    NodeLabelValue,
    Otherwise,
    PlainIPv4Network,
    PoolName,
    Port,
    Ports,
    Profile,
    ProjectName,
    Region,
    RoleArn,
    SubnetId,
    SubnetIds,
    Text,
    TimeOfDay,
    TimeOfWeek,
    VariableName,
    VolumeSize,
    VpcId,
    WorkerCount,
    covers_internet,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FLATCAR_OWNER: Final = "075585003325"
"""The AWS account that publishes Flatcar Container Linux.

Source: Flatcar's documentation, "Running Flatcar Container Linux on AWS EC2".
"""

SERVICES: Final = Path(__file__).parents[2] / "services" / "compose.yaml"
"""The Compose file of an environment that names none."""


_ONE_AT_A_TIME: Final = (
    "remove it: Moor reboots one machine at a time, after its services have moved"
)


class _Model(BaseModel):
    """Frozen, and strict about unknown keys: a misspelled key must not pass silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Guarded(_Model):
    """An access that is dangerous to open to everyone."""

    port: Port
    # Declared before `cidrs`, whose validator reads it.
    open_to_the_whole_internet: Flag = Field(
        default=False,
        description="`true` lets `cidrs` cover the whole internet, or more of it than a /8 of IPv4 "
        "or a /12 of IPv6, which is an error otherwise",
    )
    cidrs: Cidrs = Field(
        description="the networks that may connect: your own", examples=[["203.0.113.0/24"]]
    )

    @field_validator("cidrs")
    @classmethod
    def _not_open_by_accident(
        cls, value: tuple[Cidr, ...], info: ValidationInfo
    ) -> tuple[Cidr, ...]:
        if covers_internet(value) and not info.data.get("open_to_the_whole_internet", False):
            msg = (
                "must not cover the whole internet, or more of it than a /8 of IPv4 or a /12 of "
                "IPv6; name your own networks, "
                "or say open_to_the_whole_internet: true beside it"
            )
            raise ValueError(msg)
        return value


class SshSettings(_Guarded):
    """Who may reach SSH."""

    port: Port = Field(default=22, description="TCP port of SSH, 1 to 65535")
    host_key: Annotated[HostKeys, Otherwise("read from the machine's console")] = Field(
        default=(),
        description="the fingerprints of the machine's SSH host keys, where its console cannot be "
        "read: all that `ssh-keygen -l` tells on the machine",
        examples=[["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"]],
    )


class DockerApiSettings(_Guarded):
    """Who may reach Docker's remote API."""

    port: Port = Field(
        default=2376,
        description="TCP port of the Docker API, which asks for a client certificate as well",
    )
    service_ports: Ports = Field(
        default=(),
        description="ports of services that the same networks may reach, and nobody else: "
        "for what operators use and the public must not see; written as `http.ports` are",
        examples=[[9200]],
    )


class HttpSettings(_Model):
    """Who may reach the web services."""

    ports: Annotated[Ports, Field(min_length=1)] = Field(
        default=(PortRange.single(80), PortRange.single(443)),
        description="ports of the services: a number is one of TCP, and `53/udp`, `8000-8010` or "
        "`8000-8010/udp` are others; one of SCTP opens all of SCTP, whose ports EC2 does not know",
    )
    cidrs: Cidrs = Field(
        default=EVERYWHERE, description="the networks that may connect; everyone by default"
    )


class ImageSettings(_Model):
    """Which machine image to start."""

    id: Annotated[AmiId | None, Otherwise("the newest that the keys below find")] = Field(
        default=None,
        description="exactly this image; the other keys then have no effect",
        examples=["ami-0123456789abcdef0"],
    )
    owner: AccountId = Field(
        default=FLATCAR_OWNER, description="the AWS account that publishes the image: 12 digits"
    )
    name: Text = Field(
        default="Flatcar-stable-*-hvm",
        description="the pattern of the image's name; `*` stands for anything",
    )
    architecture: Literal["x86_64", "arm64"] = Field(
        default="x86_64",
        description="`x86_64`, or `arm64` with an instance type to match, such as `t4g.small`",
    )


class KeyPairSettings(_Model):
    """An EC2 key pair that exists already."""

    name: Annotated[Text, Field(max_length=255)] = Field(
        description="its name in the region", examples=["my-key"]
    )
    private_key_file: FileName = Field(
        description="its private key, with mode 0600 and no passphrase; relative to the settings, "
        "or from `~`, the home folder",
        examples=["~/.ssh/my-key"],
    )

    @field_validator("private_key_file")
    @classmethod
    def _usable(cls, value: Path) -> Path:
        check_private_key_file(value)
        return value


class NetworkSettings(_Model):
    """A network of your own instead of the default VPC."""

    vpc_id: VpcId = Field(
        description="the VPC of the security groups", examples=["vpc-0123456789abcdef0"]
    )
    subnet_id: Annotated[SubnetId | None, Otherwise("required, or `subnets`")] = Field(
        default=None,
        description="a subnet of that VPC with a route to an internet gateway",
        examples=["subnet-0123456789abcdef0"],
    )
    subnets: Annotated[SubnetIds, Otherwise("none")] = Field(
        default=(),
        description="or several such subnets, of a zone each: machines stand in them by turns",
        examples=[["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"]],
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.subnet_id is None and not self.subnets:
            msg = "subnet_id: must be set, or subnets; add one of them"
            raise ValueError(msg)
        if self.subnet_id is not None and self.subnets:
            msg = "subnet_id: must not be set beside subnets; put it among them"
            raise ValueError(msg)
        return self

    @property
    def every_subnet(self) -> tuple[str, ...]:
        """The subnets that machines stand in by turns: one or more."""
        return self.subnets or (str(self.subnet_id),)


class RootVolumeSettings(_Model):
    """The machine's disk."""

    size_gib: VolumeSize = Field(
        default=20, description="size of the encrypted gp3 volume in GiB, 8 to 16384"
    )


class ScheduleSettings(_Model):
    """When AWS itself takes snapshots."""

    every_hours: Literal[12, 24] = Field(
        default=24, description="how many hours are between two of them: 12 or 24"
    )
    at: TimeOfDay = Field(
        default="03:00", description="when the first of a day is taken, in UTC, in quotes"
    )


class SnapshotSettings(_Model):
    """Which snapshots of a data volume are kept."""

    keep: Annotated[KeptCount | None, Otherwise("as many as there are")] = Field(
        default=None, description="how many snapshots are kept, the newest: 1 to 1000", examples=[7]
    )
    keep_days: Annotated[KeptDays | None, Otherwise("for ever")] = Field(
        default=None,
        description="for how many days a snapshot is kept, 1 to 36500; with `keep` as well, one "
        "goes that either of them lets go, but never the newest",
        examples=[30],
    )
    schedule: Annotated[ScheduleSettings | None, Otherwise("`moor backup create` only")] = Field(
        default=None,
        description="has Amazon Data Lifecycle Manager take snapshots by itself, of the volume as "
        "it is at that moment: nothing is stopped, and `x-backup` does not run",
    )

    @model_validator(mode="after")
    def _some_rule(self) -> Self:
        if self.keep is None and self.keep_days is None:
            msg = "keep: must be set, or keep_days; add one of them, or remove snapshots"
            raise ValueError(msg)
        return self


class DataVolumeSettings(_Model):
    """A disk that outlives the machine, for Docker's data and the services' folders."""

    size_gib: Annotated[int, Field(strict=True)] = Field(
        description="size of the encrypted volume in GiB, for gp3 1 to 65536; a larger one grows "
        "it while it is in use, and none ever shrinks it",
        examples=[20],
    )
    type: Literal["gp3", "gp2", "io2", "io1", "st1", "sc1"] = Field(
        default="gp3", description="EBS's volume type: gp3, gp2, io2, io1, st1 or sc1"
    )
    iops: Annotated[int | None, Field(strict=True), Otherwise("AWS's own: 3000 for gp3")] = Field(
        default=None,
        description="I/O operations per second, for gp3 3000 to 80000 and at most 500 a GiB",
        examples=[3000],
    )
    throughput: Annotated[int | None, Field(strict=True), Otherwise("AWS's own: 125")] = Field(
        default=None,
        description="MiB per second of a gp3 volume, 125 to 2000 and at most a quarter of `iops`",
        examples=[125],
    )
    snapshots: Annotated[SnapshotSettings | None, Otherwise("all snapshots")] = Field(
        default=None, description="which snapshots of it are kept"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        wrong = list(problems(self.type, self.size_gib, self.iops, self.throughput))
        if wrong:
            raise ValueError("\n".join(wrong))
        return self


class PoolImageSettings(_Model):
    """Which machine image a pool of workers has, where it is another one."""

    id: Annotated[
        AmiId | None, Otherwise("that of `aws.image`, where none of the keys below is set")
    ] = Field(
        default=None,
        description="exactly this image; the other keys then have no effect",
        examples=["ami-0123456789abcdef0"],
    )
    owner: Annotated[AccountId | None, Otherwise("that of `aws.image`")] = Field(
        default=None,
        description="the AWS account that publishes the image: 12 digits",
        examples=[FLATCAR_OWNER],
    )
    name: Annotated[Text | None, Otherwise("that of `aws.image`")] = Field(
        default=None,
        description="the pattern of the image's name; `*` stands for anything",
        examples=["Flatcar-stable-*-hvm"],
    )
    architecture: Annotated[Literal["x86_64", "arm64"] | None, Otherwise("that of `aws.image`")] = (
        Field(
            default=None,
            description="`x86_64`, or `arm64` with an instance type to match, such as `t4g.small`",
            examples=["x86_64"],
        )
    )

    def over(self, image: ImageSettings) -> ImageSettings:
        """Return the image of the pool, given that of all machines.

        An id is of one architecture and one family: another one of these takes it away.
        """
        own = {key: value for key, value in self.model_dump().items() if value is not None}
        return image if not own else image.model_copy(update={"id": None, **own})


class PoolRootVolumeSettings(_Model):
    """The disk of a pool's machines, where it is another one."""

    size_gib: Annotated[VolumeSize | None, Otherwise("that of `aws.root_volume`")] = Field(
        default=None,
        description="size of the encrypted gp3 volume in GiB, 8 to 16384",
        examples=[20],
    )


class PoolSettings(_Model):
    """Workers that are alike."""

    count: WorkerCount = Field(description="how many machines the pool has, 1 to 100", examples=[2])
    instance_type: Annotated[InstanceType | None, Otherwise("`aws.instance_type`")] = Field(
        default=None,
        description="the EC2 instance type, of the image's architecture",
        examples=["t3.small"],
    )
    labels: dict[NodeLabel, NodeLabelValue] = Field(
        default_factory=dict,
        description="labels of its nodes, which a service's `deploy.placement` can ask for",
        examples=[{"tier": "web"}],
    )
    image: PoolImageSettings = Field(
        default=PoolImageSettings(), description="the machine image, where it is another one"
    )
    root_volume: PoolRootVolumeSettings = Field(
        default=PoolRootVolumeSettings(), description="the disk, where it is another one"
    )
    data_volume: Annotated[DataVolumeSettings | None, Otherwise("that of `aws.data_volume`")] = (
        Field(
            default=None, description="the disk that outlives each machine, where it is another one"
        )
    )


class MachinesSettings(_Model):
    """How many machines there are: more than one are a swarm."""

    managers: ManagerCount = Field(
        default=1,
        description="machines that keep the swarm's state and run services, too: 1, 3 to bear the "
        "loss of one, or 5 to bear that of two",
    )
    workers: dict[PoolName, PoolSettings] = Field(
        default_factory=dict,
        description="pools of machines that run services only, each under its name: 1 to 20 "
        "lower-case letters, digits and hyphens",
        examples=["web"],
    )

    @property
    def count(self) -> int:
        """How many machines that are."""
        return self.managers + sum(pool.count for pool in self.workers.values())


class LoadBalancerSettings(_Model):
    """One address for what answers on several machines."""

    ports: BalancedPorts = Field(
        description="TCP ports, each among `http.ports`: a connection goes to a machine that "
        "answers there",
        examples=[[80, 443]],
    )


class UpdateSettings(_Model):
    """When the machine may reboot to finish an update."""

    reboot_strategy: Literal["reboot", "etcd-lock", "off"] = Field(
        default="reboot",
        description="`reboot` when an update is there, `etcd-lock`, or `off`, as it always is in a "
        "swarm, where Moor reboots one machine at a time",
    )
    window_start: Annotated[TimeOfWeek | None, Otherwise("any time")] = Field(
        default=None,
        description="when the window for reboots begins, in UTC: such as `Sun 04:00`, or `04:00` "
        "for each day",
        examples=["Sun 04:00"],
    )
    window_length: Annotated[Duration | None, Otherwise("needed with `window_start`")] = Field(
        default=None, description="how long the window is, such as `1h30m`", examples=["2h"]
    )

    @model_validator(mode="after")
    def _whole_window(self) -> Self:
        if self.window_start is not None and self.window_length is None:
            msg = "window_length: must be set beside window_start; add it"
            raise ValueError(msg)
        if self.window_length is not None and self.window_start is None:
            msg = "window_start: must be set beside window_length; add it"
            raise ValueError(msg)
        return self


class AwsSettings(_Model):
    """The machine and what surrounds it."""

    region: Region = Field(description="the AWS region", examples=["eu-central-1"])
    profile: Annotated[Profile | None, Otherwise("the standard AWS chain")] = Field(
        default=None, description="a profile of `~/.aws/config`", examples=["work"]
    )
    role_arn: Annotated[RoleArn | None, Otherwise("none")] = Field(
        default=None,
        description="a role to assume for the deployment, and for its state in S3",
        examples=["arn:aws:iam::123456789012:role/deploy"],
    )
    instance_type: InstanceType = Field(
        default="t3.small", description="the EC2 instance type, of the image's architecture"
    )
    image: ImageSettings = Field(
        default=ImageSettings(),
        description="the machine image: the newest of that name at each deployment; "
        "a newer one never replaces a running machine",
    )
    key_pair: Annotated[KeyPairSettings | None, Otherwise("a key is made under `.moor/`")] = Field(
        default=None, description="an EC2 key pair that exists already"
    )
    network: Annotated[NetworkSettings | None, Otherwise("the region's default VPC")] = Field(
        default=None, description="a network of your own"
    )
    root_volume: RootVolumeSettings = Field(
        default=RootVolumeSettings(), description="the machine's disk"
    )
    data_volume: Annotated[
        DataVolumeSettings | None, Otherwise("none: the data goes with the machine")
    ] = Field(
        default=None,
        description="a disk that outlives each machine, for Docker's data and the services' "
        "folders",
    )
    machines: MachinesSettings = Field(
        default=MachinesSettings(), description="how many machines there are"
    )
    ssh: SshSettings = Field(description="who may reach SSH")
    docker_api: DockerApiSettings = Field(description="who may reach the Docker API")
    http: HttpSettings = Field(default=HttpSettings(), description="who may reach the web services")
    load_balancer: Annotated[LoadBalancerSettings | None, Otherwise("none")] = Field(
        default=None,
        description="a network load balancer over the machines of a swarm, which costs by the hour",
    )
    updates: UpdateSettings = Field(
        default=UpdateSettings(), description="when the machine may reboot to finish an update"
    )

    @model_validator(mode="after")
    def _each_port_in_one_opening(self) -> Self:
        every = [opening for opening in openings(self) if not opening.from_group]
        problems = [
            f"{opening.setting}: must share no port with {other.setting}, got {shared} in both; "
            "change one of them, or the networks of both could connect"
            for index, opening in enumerate(every)
            for ports in opening.ports
            for other in every[:index]
            for shared in _shared(ports, other)
        ]
        problems += [
            f"load_balancer.ports: must be among http.ports, got {port}; add it there, so that "
            "clients may connect"
            for port in (self.load_balancer.ports if self.load_balancer else ())
            if not any(ports.has(port, "tcp") for ports in self.http.ports)
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self


def _shared(ports: PortRange, other: Opening) -> Iterator[PortRange]:
    """Yield which of some ports another opening lets in, too."""
    for theirs in other.ports:
        if ports.protocol == theirs.protocol == "sctp":
            yield ports  # Of SCTP a rule of EC2 lets in all.
        elif (shared := ports.shared_with(theirs)) is not None:
            yield shared


class S3StateSettings(_Model):
    """Terraform state in an S3 bucket, locked natively by S3."""

    bucket: BucketName = Field(
        description="the bucket, which exists already", examples=["my-terraform-state"]
    )
    region: Region = Field(description="the bucket's region", examples=["eu-central-1"])
    prefix: KeyPrefix = Field(default="moor", description="what the objects' keys begin with")


class RegistrySettings(_Model):
    """Where a swarm's nodes get the images from that are built here."""

    repository: Annotated[Text | None, Otherwise("the swarm's own registry")] = Field(
        default=None,
        description="what the images' names begin with in a registry of your own, to which this "
        "computer's user has logged in with `docker login`",
        examples=["registry.example.com/team"],
    )
    image: Text = Field(
        default="docker.io/library/registry:3",
        description="the image of the swarm's own registry, which runs on the first manager",
    )


class StateSettings(_Model):
    """Where Terraform's state is kept."""

    s3: Annotated[S3StateSettings | None, Otherwise("a file under `.moor/`")] = Field(
        default=None, description="an S3 bucket, with S3's own locking"
    )


class SandboxSettings(_Model):
    """An emulated AWS with machines as containers, on this computer."""

    api_port: Port = Field(
        default=4599, description="TCP port of the emulated AWS API on 127.0.0.1"
    )
    addresses: PlainIPv4Network = Field(
        default=IPv4Network("127.18.0.0/24"),
        description="where the Elastic IPs are taken from: a /16 to /30 inside 127.0.0.0/8",
    )
    subnet: PlainIPv4Network = Field(
        default=IPv4Network("172.30.18.0/24"),
        description="the machines' private network, /16 to /28; its first address is the gateway",
    )
    registry_port: Port = Field(
        default=5000, description="TCP port of the image registry on the gateway"
    )

    @field_validator("addresses")
    @classmethod
    def _loopback(cls, value: IPv4Network) -> IPv4Network:
        if not value.subnet_of(IPv4Network("127.0.0.0/8")) or not 16 <= value.prefixlen <= 30:  # noqa: PLR2004
            msg = "must be a /16 to /30 inside 127.0.0.0/8"
            raise ValueError(msg)
        if value.overlaps(IPv4Network("127.0.0.0/24")):
            msg = "must not overlap 127.0.0.0/24, which the computer itself uses"
            raise ValueError(msg)
        return value

    @field_validator("subnet")
    @classmethod
    def _private(cls, value: IPv4Network) -> IPv4Network:
        if not value.is_private or value.is_loopback or not 16 <= value.prefixlen <= 28:  # noqa: PLR2004
            msg = "must be a private network of /16 to /28"
            raise ValueError(msg)
        return value

    @property
    def endpoint_url(self) -> str:
        """The emulated AWS API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def gateway(self) -> str:
        """The subnet's first address, which is this computer's on the machines' network."""
        return str(next(self.subnet.hosts()))

    @property
    def registry(self) -> str:
        """`HOST:PORT` of the local registry, as it stands in image references."""
        return f"{self.gateway}:{self.registry_port}"


class Settings(_Model):
    """All settings of an environment."""

    project: ProjectName = Field(
        default="moor",
        description="a tag of every AWS resource, and the Compose project of the services: "
        "1 to 31 lower-case letters, digits and hyphens",
    )
    aws: AwsSettings = Field(description="the machine and what surrounds it")
    services: Annotated[tuple[ExistingFile, ...], Field(min_length=1)] = Field(
        default=(SERVICES,),
        description="the Compose file of the services, or a list of them, merged in their order; "
        "relative to the settings",
    )
    variables: dict[VariableName, str] = Field(
        default_factory=dict,
        description="what the Compose files may use as `${NAME}`; "
        "`COMPOSE_PROFILES` switches profiles on",
        examples=[{"COMPOSE_PROFILES": "debug"}],
    )
    unset_variables: Literal["warn", "error"] = Field(
        default="warn",
        description="what a variable of the Compose files is that is not set: empty with a "
        "warning (`warn`), as Compose has it, or an `error`; a Compose file asks for the latter "
        "itself with `x-moor: {strict: true}`",
    )
    swarm: Annotated[
        Flag | None, Otherwise("whether `aws.machines` asks for more than one machine")
    ] = Field(
        default=None,
        description="`true` makes a Docker Swarm of one machine already, to which others may come",
        examples=[True],
    )
    registry: RegistrySettings = Field(
        default=RegistrySettings(),
        description="where a swarm's nodes get the images from that are built here",
    )
    state: StateSettings = Field(
        default=StateSettings(), description="where Terraform's state is kept"
    )
    sandbox: Annotated[SandboxSettings | None, Otherwise("AWS itself")] = Field(
        default=None, description="deploy to an AWS that is emulated on this computer"
    )

    @field_validator("services", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fit_for_a_swarm(self) -> Self:
        against = self._against_a_swarm if self.is_swarm else self._against_one_machine
        if problems := list(against()):
            raise ValueError("\n".join(problems))
        return self

    @property
    def is_swarm(self) -> bool:
        """Whether the machines are a swarm, rather than one machine by itself."""
        return self.aws.machines.count > 1 if self.swarm is None else self.swarm

    def _against_one_machine(self) -> Iterator[str]:
        aws = self.aws
        if aws.machines.count > 1:
            yield (
                f"swarm: must not be false where aws.machines asks for {aws.machines.count} "
                "machines, which only a swarm can be; remove it, or ask for one machine"
            )
        elif aws.load_balancer is not None:
            yield (
                "aws.load_balancer: must not be set where there is one machine, whose address "
                "is enough; remove it, or say swarm: true"
            )
        if self.registry != RegistrySettings():
            yield (
                "registry: must not be set without a swarm, since one machine keeps what it "
                "builds; remove it"
            )

    def _against_a_swarm(self) -> Iterator[str]:
        aws = self.aws
        updates = aws.updates
        # Also where the default is written: somebody means that machines reboot by themselves.
        if "reboot_strategy" in updates.model_fields_set and updates.reboot_strategy != "off":
            yield (
                "aws.updates.reboot_strategy: must be off in a swarm, "
                f"got {updates.reboot_strategy!r}; {_ONE_AT_A_TIME}"
            )
        if updates.window_start is not None:
            yield (
                "aws.updates.window_start: must not be set in a swarm, "
                f"got {updates.window_start!r}; {_ONE_AT_A_TIME}"
            )
        for opening in openings(aws):
            for ports in opening.ports if not opening.from_group else ():
                for taken in SWARM.openings:
                    for shared in _shared(ports, taken):
                        yield (
                            f"aws.{opening.setting}: must not have {shared} in a swarm, whose "
                            f"machines use it among themselves ({taken.description}); "
                            "take another port"
                        )
