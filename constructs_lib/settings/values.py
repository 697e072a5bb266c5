"""The values of settings: what a port, a network or a name of AWS may be.

Each check says only what the value must be; `load` adds the file, the key and the value.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from constructs_lib.aws.port_range import PortRange, overlaps
from constructs_lib.host.machine_config import WINDOW_LENGTH, WINDOW_START

if TYPE_CHECKING:
    from collections.abc import Iterable

A_NETWORK: Final = "a network such as 203.0.113.0/24 (no bits set beyond the prefix)"

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""Source: IANA, "Internet Protocol Version 6 Address Space"."""

_PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))

OUR_LABELS: Final = "moor."
"""What the labels of a node begin with that Moor gives it."""

_LABEL: Final = re.compile(r"[A-Za-z]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
"""Source: moby/swarmkit, manager/constraint: how a constraint's key is read."""

_WITH_A_MAJORITY: Final = (1, 3, 5)
_MOST_WORKERS: Final = 100

_MOST_OF_IPV4: Final = IPv4Network("0.0.0.0/8").num_addresses
_MOST_OF_IPV6: Final = IPv6Network("2000::/12").num_addresses


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What holds where an optional key is not written: the reference shows it as the default.

    Attributes:
        meaning: It, in a few words.
    """

    meaning: str


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
        msg = f"must be {A_NETWORK}"
        raise ValueError(msg)  # noqa: TRY004  (pydantic collects ValueError only)
    return value


def _in_quotes(value: object) -> object:
    """Refuse what YAML makes of a bare time: it takes 13:00 for the number 780."""
    if not isinstance(value, str):
        msg = 'must be a time of day in quotes, such as "13:00"'
        raise ValueError(msg)  # noqa: TRY004  (pydantic collects ValueError only)
    return value


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        msg = "must name each one once; remove the other"
        raise ValueError(msg)
    return values


def _apart(values: tuple[PortRange, ...]) -> tuple[PortRange, ...]:
    for one, other in overlaps(values):
        msg = f"must name each port once; {one} and {other} overlap: change one of them"
        raise ValueError(msg)
    return values


def _label(value: str) -> str:
    """Check the key of a node's label: a placement has to be able to name it."""
    if not _LABEL.fullmatch(value):
        msg = (
            "must be a label that a placement can name: 1 to 63 letters, digits and any of _ . -, "
            "a letter first and a letter or digit last"
        )
        raise ValueError(msg)
    if value.lower().startswith(OUR_LABELS):
        msg = f"must not begin with {OUR_LABELS}, which Moor gives to nodes itself; rename it"
        raise ValueError(msg)
    return value


def _majority(value: int) -> int:
    """Check the number of managers: they decide by a majority of all that there are."""
    if value in _WITH_A_MAJORITY:
        return value
    msg = "must be 1, 3 or 5"
    if value in (2, 4):
        most = value // 2 + 1
        msg += (
            f"; {most} of {value} managers must live for the swarm to be changed, so that {value} "
            f"bear the loss of {value - most}, no more than {value - 1} do"
        )
    elif value > max(_WITH_A_MAJORITY):
        msg += "; every change waits for a majority of them, and more only make it slower"
    raise ValueError(msg)


def _workers(value: int) -> int:
    if not 1 <= value <= _MOST_WORKERS:
        msg = f"must be in 1..{_MOST_WORKERS}"
        if value == 0:
            msg += "; take the pool out, where it shall have no machine"
        raise ValueError(msg)
    return value


Text = Annotated[str, Field(min_length=1)]
Flag = Annotated[bool, Field(strict=True)]

Port = Annotated[int, Field(strict=True), _between(1, 65535)]
Ports = Annotated[
    tuple[
        Annotated[
            PortRange,
            PlainValidator(PortRange.read),
            PlainSerializer(lambda ports: ports.written, return_type=int | str),
            WithJsonSchema(
                {
                    "anyOf": [
                        {"type": "integer", "minimum": 1, "maximum": 65535},
                        {"type": "string", "pattern": "^[0-9]+(-[0-9]+)?(/(tcp|udp|sctp))?$"},
                    ]
                }
            ),
        ],
        ...,
    ],
    AfterValidator(_each_once),
    AfterValidator(_apart),
]
"""Ports of services: numbers of TCP, `"53/udp"`, and ranges such as `"8000-8010"`."""
Cidr = Annotated[IPv4Network | IPv6Network, BeforeValidator(_written_as_text)]
Cidrs = Annotated[tuple[Cidr, ...], Field(min_length=1), AfterValidator(_each_once)]
PlainIPv4Network = Annotated[IPv4Network, BeforeValidator(_written_as_text)]

Region = Annotated[str, _matching(r"[a-z]{2}(-[a-z]+)+-\d", "a region such as eu-central-1")]
AccountId = Annotated[str, _matching(r"[0-9]{12}", "an AWS account id of 12 digits")]
RoleArn = Annotated[
    str,
    _matching(
        r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+",
        "a role's ARN such as arn:aws:iam::123456789012:role/deploy",
    ),
]
InstanceType = Annotated[
    str, _matching(r"[a-z0-9-]+\.[a-z0-9-]+", "an instance type such as t3.small")
]
AmiId = Annotated[str, _matching(r"ami-[0-9a-f]{8,17}", "an AMI id such as ami-0123456789abcdef0")]
VpcId = Annotated[str, _matching(r"vpc-[0-9a-f]{8,17}", "a VPC id such as vpc-0123456789abcdef0")]
SubnetId = Annotated[
    str, _matching(r"subnet-[0-9a-f]{8,17}", "a subnet id such as subnet-0123456789abcdef0")
]
SubnetIds = Annotated[tuple[SubnetId, ...], AfterValidator(_each_once)]
VolumeSize = Annotated[int, Field(strict=True), _between(8, 16384)]
KeptCount = Annotated[int, Field(strict=True), _between(1, 1000)]
KeptDays = Annotated[int, Field(strict=True), _between(1, 36500)]
BalancedPorts = Annotated[tuple[Port, ...], Field(min_length=1), AfterValidator(_each_once)]
BucketName = Annotated[str, _matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "an S3 bucket's name")]
KeyPrefix = Annotated[str, _matching(r"[\w./-]*[\w.-]", "a key prefix without a slash at its end")]

# A backend takes it as it is, but the other stack, which reads the state, evaluates it.
Profile = Annotated[Text, _matching(r"((?!\$\{|%\{)[^\x00-\x1f\x7f])+", "a profile's name")]

TimeOfDay = Annotated[
    str,
    BeforeValidator(_in_quotes),
    _matching(r"([01][0-9]|2[0-3]):[0-5][0-9]", "a time of day from 00:00 to 23:59"),
]
TimeOfWeek = Annotated[str, _matching(WINDOW_START.pattern, "a time such as Sun 04:00")]
Duration = Annotated[str, _matching(WINDOW_LENGTH.pattern, "a duration such as 1h30m")]


def _fingerprint(value: str) -> str:
    """Return the fingerprint of a host key that is given as that, or as the key itself."""
    words = value.split()
    if len(words) in (2, 3):
        with contextlib.suppress(ValueError):
            digest = hashlib.sha256(base64.b64decode(words[1], validate=True)).digest()
            value = f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
    if not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", value):
        msg = (
            "must be a host key's fingerprint such as SHA256: and 43 characters, as ssh-keygen -l "
            "prints it, or the public key"
        )
        raise ValueError(msg)
    return value


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, str) else value


HostKeys = Annotated[
    tuple[Annotated[str, AfterValidator(_fingerprint)], ...],
    BeforeValidator(_one_or_several),
    AfterValidator(_each_once),
]

ProjectName = Annotated[
    str,
    _matching(
        r"[a-z][a-z0-9-]{0,30}",
        "1 to 31 lower-case letters, digits and hyphens with a letter first",
    ),
]
PoolName = Annotated[
    str,
    _matching(
        r"(?!managers?$)[a-z]([a-z0-9-]{0,18}[a-z0-9])?",
        "a pool's name: 1 to 20 lower-case letters, digits and hyphens, a letter first and no "
        "hyphen last, and not manager",
    ),
]
"""Of it the names of machines are made, such as `web-1`; `manager-1` is a manager's."""

NodeLabel = Annotated[str, AfterValidator(_label)]
NodeLabelValue = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9 _.:/-]{1,63}",
        "1 to 63 letters, digits, spaces and any of _ . : / -, which a placement can compare",
    ),
]
ManagerCount = Annotated[int, Field(strict=True), AfterValidator(_majority)]
WorkerCount = Annotated[int, Field(strict=True), AfterValidator(_workers)]
VariableName = Annotated[
    str, _matching(r"[A-Za-z_][A-Za-z0-9_]*", "a name of letters, digits and underscores")
]


def _beside_settings(value: Path, info: ValidationInfo) -> Path:
    """Return the whole path of a file that settings name: relative to them, or from a home."""
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in str(value)):
        msg = "must be a path without control characters"
        raise ValueError(msg)
    folder: Path = (info.context or {}).get("directory", Path.cwd())
    try:
        return folder / value.expanduser()
    except RuntimeError:
        msg = "must begin with a home folder that exists; write the whole path"
        raise ValueError(msg) from None


def _existing(file: Path) -> Path:
    try:
        there = stat.S_ISREG(file.stat().st_mode)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        msg = f"must be a file that can be read; {file}: {reason}"
        raise ValueError(msg) from None
    if not there:
        msg = f"must be a file; {file} is something else"
        raise ValueError(msg)
    return file


FileName = Annotated[Path, AfterValidator(_beside_settings)]
"""A path relative to the settings file; `~` is the home folder."""

ExistingFile = Annotated[FileName, AfterValidator(_existing)]


def covers_internet(networks: Iterable[Cidr]) -> bool:
    """Tell whether networks together hold so much of the internet that they are nobody's own.

    What counts is the addresses, not how they are written: 0.0.0.0/1 with 128.0.0.0/1 is all of
    IPv4, and so is all but one address of it. Nobody has more than a /8 of IPv4. Of IPv6 a /12 is
    what is given to the registry of a continent. Private networks do not count.

    Args:
        networks: Any mixture of IPv4 and IPv6 networks.

    Source: IANA, "IPv4 Address Space Registry" and "IPv6 Global Unicast Address Assignments".
    """
    listed = list(networks)
    v4 = list(collapse_addresses(n for n in listed if isinstance(n, IPv4Network)))
    v6 = list(collapse_addresses(n for n in listed if isinstance(n, IPv6Network)))
    private = sum(_shared(v4, own) for own in _PRIVATE)
    return (
        sum(n.num_addresses for n in v4) - private > _MOST_OF_IPV4
        or _shared(v6, _GLOBAL_UNICAST) > _MOST_OF_IPV6
    )


def _shared(networks: Iterable[Cidr], other: Cidr) -> int:
    """Return how many addresses networks that do not overlap share with another one."""
    # Of two networks that overlap one is inside the other.
    shared = [min(n.num_addresses, other.num_addresses) for n in networks if n.overlaps(other)]
    return sum(shared)
