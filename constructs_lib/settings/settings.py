"""The settings of an environment: every key that its file may have."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from constructs_lib.aws.firewall import EVERYWHERE, openings
from constructs_lib.identity.ssh_key import check_private_key_file
from constructs_lib.settings.values import (
    AccountId,
    AmiId,
    BucketName,
    Cidr,
    Cidrs,
    Duration,
    ExistingFile,
    FileName,
    Flag,
    InstanceType,
    KeyPrefix,
    PlainIPv4Network,
    Port,
    Ports,
    ProjectName,
    Region,
    RoleArn,
    SubnetId,
    Text,
    TimeOfWeek,
    VariableName,
    VolumeSize,
    VpcId,
    covers_internet,
)

FLATCAR_OWNER: Final = "075585003325"
"""The AWS account that publishes Flatcar Container Linux.

Source: Flatcar's documentation, "Running Flatcar Container Linux on AWS EC2".
"""

SERVICES: Final = Path(__file__).parents[2] / "services" / "compose.yaml"
"""The Compose file of an environment that names none."""


class _Model(BaseModel):
    """Frozen, and strict about unknown keys: a misspelled key must not pass silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Guarded(_Model):
    """An access that is dangerous to open to everyone."""

    # Declared before `cidrs`, whose validator reads it.
    open_to_the_whole_internet: Flag = False
    cidrs: Cidrs

    @field_validator("cidrs")
    @classmethod
    def _not_open_by_accident(
        cls, value: tuple[Cidr, ...], info: ValidationInfo
    ) -> tuple[Cidr, ...]:
        if covers_internet(value) and not info.data.get("open_to_the_whole_internet", False):
            msg = (
                "must not cover the whole internet; name your own networks, "
                "or say open_to_the_whole_internet: true beside it"
            )
            raise ValueError(msg)
        return value


class SshSettings(_Guarded):
    """Who may reach SSH.

    Attributes:
        port: TCP port of sshd, 1 to 65535. Other than 22 it is set by user data.
        cidrs: The networks that may connect.
        open_to_the_whole_internet: Allows `cidrs` to cover everything.
    """

    port: Port = 22


class DockerApiSettings(_Guarded):
    """Who may reach Docker's remote API.

    Attributes:
        port: TCP port of the API, 1 to 65535.
        cidrs: The networks that may connect; a client certificate is needed as well.
        open_to_the_whole_internet: Allows `cidrs` to cover everything.
        service_ports: Published ports of services that the same networks may reach and
            nobody else: for what operators use and the public must not see.
    """

    port: Port = 2376
    service_ports: Ports = ()


class HttpSettings(_Model):
    """Who may reach the web services.

    Attributes:
        ports: TCP ports open to `cidrs`.
        cidrs: The networks that may connect; everyone by default.
    """

    ports: Annotated[Ports, Field(min_length=1)] = (80, 443)
    cidrs: Cidrs = EVERYWHERE


class ImageSettings(_Model):
    """Which machine image to start.

    Attributes:
        id: An explicit AMI id. Replaces the look-up by the other fields.
        owner: The AWS account that publishes the image: 12 digits.
        name: The pattern that the image's name matches; `*` stands for anything.
        architecture: `x86_64` or `arm64`; it must suit the instance type.
    """

    id: AmiId | None = None
    owner: AccountId = FLATCAR_OWNER
    name: Text = "Flatcar-stable-*-hvm"
    architecture: Literal["x86_64", "arm64"] = "x86_64"


class KeyPairSettings(_Model):
    """An EC2 key pair that exists already.

    Attributes:
        name: The name of the key pair in the region.
        private_key_file: Its private key, without a passphrase and readable by its owner
            only. Relative to the settings file; `~` is the home folder.
    """

    name: Annotated[str, Field(min_length=1, max_length=255)]
    private_key_file: FileName

    @field_validator("private_key_file")
    @classmethod
    def _usable(cls, value: Path) -> Path:
        check_private_key_file(value)
        return value


class NetworkSettings(_Model):
    """A network of your own instead of the default VPC.

    Attributes:
        vpc_id: The VPC of the security groups.
        subnet_id: A subnet of that VPC with a route to an internet gateway.
    """

    vpc_id: VpcId
    subnet_id: SubnetId


class RootVolumeSettings(_Model):
    """The machine's disk: encrypted gp3.

    Attributes:
        size_gib: Size in GiB, 8 to 16384.
    """

    size_gib: VolumeSize = 20


class UpdateSettings(_Model):
    """When Flatcar may reboot to finish an update.

    Attributes:
        reboot_strategy: `reboot` (as soon as an update is there), `etcd-lock`, or `off`.
        window_start: Start of the window in which reboots may happen, in UTC, such as
            `Sun 04:00` or `04:00`; any time where unset.
        window_length: Its length, such as `1h30m`. Needs `window_start`.
    """

    reboot_strategy: Literal["reboot", "etcd-lock", "off"] = "reboot"
    window_start: TimeOfWeek | None = None
    window_length: Duration | None = None

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
    """The machine and what surrounds it.

    Attributes:
        region: The AWS region.
        profile: A profile of the AWS configuration files, where not the default.
        role_arn: A role to assume for the deployment.
        instance_type: The EC2 instance type.
        image: Which machine image to start.
        key_pair: An existing key pair; where unset a key is made for the environment.
        network: A VPC and subnet; where unset the default VPC.
        root_volume: The machine's disk.
        ssh: Who may reach SSH.
        docker_api: Who may reach Docker's remote API.
        http: Who may reach the web services.
        updates: When the machine may reboot to finish an update.
    """

    region: Region
    profile: Text | None = None
    role_arn: RoleArn | None = None
    instance_type: InstanceType = "t3.small"
    image: ImageSettings = ImageSettings()
    key_pair: KeyPairSettings | None = None
    network: NetworkSettings | None = None
    root_volume: RootVolumeSettings = RootVolumeSettings()
    ssh: SshSettings
    docker_api: DockerApiSettings
    http: HttpSettings = HttpSettings()
    updates: UpdateSettings = UpdateSettings()

    @property
    def service_tcp_ports(self) -> frozenset[int]:
        """The TCP ports that the security groups open for services."""
        return frozenset(
            port for opening in openings(self) if opening.for_services for port in opening.ports
        )

    @model_validator(mode="after")
    def _each_port_in_one_opening(self) -> Self:
        owners: dict[int, str] = {}
        problems = [
            f"{opening.setting}: must share no port with {owner}, got {port} in both; "
            "change one of them, or the networks of both could connect"
            for opening in openings(self)
            for port in opening.ports
            if (owner := owners.setdefault(port, opening.setting)) != opening.setting
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self


class S3StateSettings(_Model):
    """Terraform state in an S3 bucket, locked natively by S3.

    Attributes:
        bucket: The bucket, which exists already.
        region: The bucket's region.
        prefix: What the objects' keys begin with.
    """

    bucket: BucketName
    region: Region
    prefix: KeyPrefix = "moor"


class StateSettings(_Model):
    """Where Terraform's state is kept.

    Attributes:
        s3: An S3 bucket; where unset the state is a file under `.moor/`.
    """

    s3: S3StateSettings | None = None


class SandboxSettings(_Model):
    """An emulated AWS with machines as containers, on this computer.

    Attributes:
        api_port: TCP port of the emulated AWS API on 127.0.0.1.
        addresses: Loopback network that the Elastic IPs are taken from.
        subnet: Private network of the machines; its first address is the gateway.
        registry_port: TCP port of the local image registry on the gateway.
    """

    api_port: Port = 4599
    addresses: PlainIPv4Network = IPv4Network("127.18.0.0/24")
    subnet: PlainIPv4Network = IPv4Network("172.30.18.0/24")
    registry_port: Port = 5000

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
    """All settings of an environment.

    Attributes:
        project: The project's name: 1 to 31 lower-case letters, digits and hyphens. A tag
            of every AWS resource and a variable of the services.
        aws: The machine.
        services: The Compose files of the services, relative to the settings file; later ones
            are merged into the first.
        variables: What the Compose files may use as `${NAME}`.
        state: Where Terraform's state is kept.
        sandbox: Deploy to an emulated AWS on this computer instead of to AWS.
    """

    project: ProjectName = "moor"
    aws: AwsSettings
    services: Annotated[tuple[ExistingFile, ...], Field(min_length=1)] = (SERVICES,)
    variables: dict[VariableName, str] = Field(default_factory=dict)
    state: StateSettings = StateSettings()
    sandbox: SandboxSettings | None = None

    @field_validator("services", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value
