"""The settings of an environment: one YAML file, validated as a whole.

Every problem of a file is reported at once, each in the words of the file:
`environments/production.yaml: aws.docker_api.port: must be in 1..65535, got 99999`.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from constructs_lib.aws.firewall import EVERYWHERE, openings
from constructs_lib.identity.ssh_key import check_private_key_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

FLATCAR_OWNER: Final = "075585003325"
"""The AWS account that publishes Flatcar Container Linux.

Source: Flatcar's documentation, "Running Flatcar Container Linux on AWS EC2".
"""

SERVICES: Final = Path(__file__).parents[2] / "services" / "compose.yaml"
"""The Compose file of an environment that names none."""


class SettingsError(ValueError):
    """A settings file cannot be used.

    Attributes:
        problems: One line a problem, each `FILE: FIELD: what must be, got VALUE; remedy`.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def _matching(pattern: str, meaning: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            msg = f"must be {meaning}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def _between(low: int, high: int) -> AfterValidator:
    def check(value: int) -> int:
        if not low <= value <= high:
            msg = f"must be in {low}..{high}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def _written_as_text(value: object) -> object:
    """Refuse a bare number: the number 10 would be the address 0.0.0.10."""
    if not isinstance(value, str | IPv4Network | IPv6Network):
        msg = f"must be {_A_NETWORK}"
        raise ValueError(msg)  # noqa: TRY004  (pydantic collects ValueError only)
    return value


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        msg = "must name each one once; remove the other"
        raise ValueError(msg)
    return values


_A_NETWORK: Final = "a network such as 203.0.113.0/24 (no bits set beyond the prefix)"

Port = Annotated[int, Field(strict=True), _between(1, 65535)]
Ports = Annotated[tuple[Port, ...], AfterValidator(_each_once)]
Cidr = Annotated[IPv4Network | IPv6Network, BeforeValidator(_written_as_text)]
Cidrs = Annotated[tuple[Cidr, ...], Field(min_length=1), AfterValidator(_each_once)]
PlainIPv4Network = Annotated[IPv4Network, BeforeValidator(_written_as_text)]


class _Model(BaseModel):
    """Frozen, and strict about unknown keys: a misspelled key must not pass silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""Source: IANA, "Internet Protocol Version 6 Address Space"."""


def covers_internet(networks: Iterable[Cidr]) -> bool:
    """Tell whether networks together hold every public IPv4 or IPv6 address there is.

    Halves count too: 0.0.0.0/1 with 128.0.0.0/1 is the whole internet in two lines.
    So does 2000::/3, which holds every IPv6 address that is given out.

    Args:
        networks: Any mixture of IPv4 and IPv6 networks.
    """
    listed = list(networks)
    v4 = collapse_addresses(n for n in listed if isinstance(n, IPv4Network))
    v6 = collapse_addresses(n for n in listed if isinstance(n, IPv6Network))
    return any(n.prefixlen == 0 for n in v4) or any(_GLOBAL_UNICAST.subnet_of(n) for n in v6)


class _Guarded(_Model):
    """An access that is dangerous to open to everyone."""

    # Declared before `cidrs`, whose validator reads it.
    open_to_the_whole_internet: Annotated[bool, Field(strict=True)] = False
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

    id: (
        Annotated[str, _matching(r"ami-[0-9a-f]{8,17}", "an AMI id such as ami-0123456789abcdef0")]
        | None
    ) = None
    owner: Annotated[str, _matching(r"[0-9]{12}", "an AWS account id of 12 digits")] = FLATCAR_OWNER
    name: Annotated[str, Field(min_length=1)] = "Flatcar-stable-*-hvm"
    architecture: Literal["x86_64", "arm64"] = "x86_64"


class KeyPairSettings(_Model):
    """An EC2 key pair that exists already.

    Attributes:
        name: The name of the key pair in the region.
        private_key_file: Its private key, without a passphrase and readable by its owner
            only. Relative to the settings file; `~` is the home folder.
    """

    name: Annotated[str, Field(min_length=1, max_length=255)]
    private_key_file: Path

    @field_validator("private_key_file")
    @classmethod
    def _usable(cls, value: Path, info: ValidationInfo) -> Path:
        base: Path = (info.context or {}).get("directory", Path.cwd())
        try:
            file = base / value.expanduser()
        except RuntimeError:
            msg = "must begin with a home folder that exists; write the whole path"
            raise ValueError(msg) from None
        check_private_key_file(file)
        return file


class NetworkSettings(_Model):
    """A network of your own instead of the default VPC.

    Attributes:
        vpc_id: The VPC of the security groups.
        subnet_id: A subnet of that VPC with a route to an internet gateway.
    """

    vpc_id: Annotated[
        str, _matching(r"vpc-[0-9a-f]{8,17}", "a VPC id such as vpc-0123456789abcdef0")
    ]
    subnet_id: Annotated[
        str, _matching(r"subnet-[0-9a-f]{8,17}", "a subnet id such as subnet-0123456789abcdef0")
    ]


class RootVolumeSettings(_Model):
    """The machine's disk: encrypted gp3.

    Attributes:
        size_gib: Size in GiB, 8 to 16384.
    """

    size_gib: Annotated[int, Field(strict=True), _between(8, 16384)] = 20


class UpdateSettings(_Model):
    """When Flatcar may reboot to finish an update.

    Attributes:
        reboot_strategy: `reboot` (as soon as an update is there), `etcd-lock`, or `off`.
        window_start: Start of the window in which reboots may happen, in UTC, such as
            `Sun 04:00` or `04:00`; any time where unset.
        window_length: Its length, such as `1h30m`. Needs `window_start`.
    """

    reboot_strategy: Literal["reboot", "etcd-lock", "off"] = "reboot"
    window_start: (
        Annotated[
            str,
            _matching(
                r"((Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([01]\d|2[0-3]):[0-5]\d",
                "a time such as Sun 04:00",
            ),
        ]
        | None
    ) = None
    window_length: (
        Annotated[str, _matching(r"(\d+h)?(\d+m)?(?<=[hm])", "a duration such as 1h30m")] | None
    ) = None

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

    region: Annotated[str, _matching(r"[a-z]{2}(-[a-z]+)+-\d", "a region such as eu-central-1")]
    profile: Annotated[str, Field(min_length=1)] | None = None
    role_arn: (
        Annotated[
            str,
            _matching(
                r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+",
                "a role's ARN such as arn:aws:iam::123456789012:role/deploy",
            ),
        ]
        | None
    ) = None
    instance_type: Annotated[
        str, _matching(r"[a-z0-9-]+\.[a-z0-9-]+", "an instance type such as t3.small")
    ] = "t3.small"
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

    bucket: Annotated[str, _matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "an S3 bucket's name")]
    region: Annotated[str, _matching(r"[a-z]{2}(-[a-z]+)+-\d", "a region such as eu-central-1")]
    prefix: Annotated[
        str, _matching(r"[\w./-]*[\w.-]", "a key prefix without a slash at its end")
    ] = "moor"


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

    project: Annotated[
        str,
        _matching(
            r"[a-z][a-z0-9-]{0,30}",
            "1 to 31 lower-case letters, digits and hyphens with a letter first",
        ),
    ] = "moor"
    aws: AwsSettings
    services: Annotated[tuple[Path, ...], Field(min_length=1)] = (SERVICES,)
    variables: dict[
        Annotated[
            str, _matching(r"[A-Za-z_][A-Za-z0-9_]*", "a name of letters, digits and underscores")
        ],
        str,
    ] = Field(default_factory=dict)
    state: StateSettings = StateSettings()
    sandbox: SandboxSettings | None = None

    @field_validator("services", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("services")
    @classmethod
    def _there(cls, value: tuple[Path, ...], info: ValidationInfo) -> tuple[Path, ...]:
        base: Path = (info.context or {}).get("directory", Path.cwd())
        files = tuple(base / file.expanduser() for file in value)
        missing = [str(file) for file in files if not file.is_file()]
        if missing:
            msg = f"must be Compose files that exist; there is no {', '.join(missing)}"
            raise ValueError(msg)
        return files


def load_settings(path: Path) -> Settings:
    """Read and check a settings file.

    Args:
        path: A YAML file with one mapping.

    Raises:
        SettingsError: The file is missing, is not YAML, or holds anything that may not
            be there; with every problem.
    """
    name = _shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError([_missing(path, name)]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{name}: cannot be read: {error}"]) from None
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  (a subclass of SafeLoader)
    except yaml.YAMLError as error:
        raise SettingsError([f"{name}: is not YAML: {_one_line(error)}"]) from None
    except RecursionError:
        raise SettingsError([f"{name}: must not be nested this deeply"]) from None
    if not isinstance(document, dict):
        kind = "nothing" if document is None else type(document).__name__
        raise SettingsError([f"{name}: must hold a mapping of settings, got {kind}"])
    try:
        return Settings.model_validate(document, context={"directory": path.parent})
    except ValidationError as error:
        problems = [line for item in _telling(error.errors()) for line in _lines(item)]
        unique = dict.fromkeys(problems)
        raise SettingsError([f"{name}: {problem}" for problem in unique]) from None


class _Loader(yaml.SafeLoader):
    """YAML without its surprises.

    A key given twice is refused: the second would silently win. Of plain words and numbers,
    only `true`, `false`, `null` and decimal numbers are not text: YAML 1.1 reads `off` as
    false, `14:00` as 840 and `010` as 8, and none of that is meant in a settings file.
    """

    # Not SafeLoader's, which belong to everyone.
    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # type: ignore[misc]

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, KeyError, AttributeError, TypeError):
            # What PyYAML's constructors of tagged scalars raise on a value that does not fit.
            raise yaml.MarkedYAMLError(
                problem=f"the value does not fit its type {node.tag}", problem_mark=node.start_mark
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key_node, _ in node.value:
                key = str(key_node.value)
                if key in seen and key != "<<":
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(0|[1-9][0-9]*)\.[0-9]+", "-+0123456789"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _missing(path: Path, name: str) -> str:
    others = sorted(p.stem for p in path.parent.glob("*.yaml") if ".example" not in p.name)
    hint = f" (the environments here are: {', '.join(others)})" if others else ""
    return f"{name}: no such settings file; set ENVIRONMENT to another, or create it{hint}"


def _one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem or error.context}"
    return " ".join(str(error).split())


def _telling(items: list[ErrorDetails]) -> list[ErrorDetails]:
    """Drop `too short` where it only follows from items that were refused themselves."""
    return [
        item
        for item in items
        if item["type"] != "too_short"
        or not any(o is not item and o["loc"][: len(item["loc"])] == item["loc"] for o in items)
    ]


_UNION_BRANCH: Final = re.compile(r"ipv[46]network|function-after\[.*|lax-or-strict.*")


def _lines(item: ErrorDetails) -> list[str]:
    """Put one finding of pydantic into the words of the file."""
    kind = item["type"]
    *way, last = [str(p) for p in item["loc"]] or [""]
    # What pydantic adds to the way; but a key of the file may have such a name.
    parts = [p for p in way if not _UNION_BRANCH.fullmatch(p)]
    if kind == "extra_forbidden" or not _UNION_BRANCH.fullmatch(last):
        parts.append(last)
    field = ".".join(p if p.isprintable() else repr(p) for p in parts)
    context = item.get("ctx", {})
    value = item["input"]
    if kind == "missing":
        return [f"{field}: must be set; add it"]
    if kind == "extra_forbidden":
        known = ", ".join(sorted(_known_keys(parts[:-1])))
        return [f"{field}: unknown key; the keys here are: {known}"]
    if kind == "value_error":
        return _own_errors(field, str(context["error"]), value)
    return [f"{field}: {_requirement(kind, context, item['msg'])}, got {value!r}"]


def _own_errors(field: str, text: str, value: object) -> list[str]:
    """Errors raised by the validators above: they know the field, or else only the value."""
    if text.startswith("must "):
        requirement, semicolon, remedy = text.partition("; ")
        return [f"{field}: {requirement}, got {value!r}{semicolon}{remedy}"]
    if isinstance(value, dict):
        prefix = f"{field}." if field else ""
        return [f"{prefix}{line}" for line in text.splitlines()]
    return [f"{field}: {text}"]


def _requirement(kind: str, context: dict[str, Any], message: str) -> str:
    if kind in {"ip_v4_network", "ip_v6_network", "ip_v4_address", "ip_any_network"}:
        return f"must be {_A_NETWORK}"
    fixed = {
        "int_type": "must be a whole number",
        "int_parsing": "must be a whole number",
        "string_type": "must be text",
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
        "tuple_type": "must be a list",
        "model_type": "must be a mapping",
        "model_attributes_type": "must be a mapping",
        "too_short": f"must hold at least {context.get('min_length')} item",
        "string_too_short": "must not be empty",
        "literal_error": f"must be one of {context.get('expected', '')}",
        "path_type": "must be a path",
    }
    return fixed.get(kind, message[:1].lower() + message[1:])


def _known_keys(parts: list[str]) -> Iterable[str]:
    model: type[BaseModel] = Settings
    for part in parts:
        annotation = model.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return model.model_fields
