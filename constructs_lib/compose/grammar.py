"""What the engine takes for an address, a name, a signal and the like.

What it would refuse at the deployment can be told before. Each function looks at one text, and
returns what is wrong with it (`must …, got VALUE; remedy`), or None.

Source: moby 26.1 (`daemon`, `volume/local`, `runconfig`), distribution/reference 0.6,
containerd/platforms 0.2, moby/sys/signal 0.7, tags.cncf.io/container-device-interface 0.7.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}(?:(:|-)[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}")
_CPUS: Final = re.compile(r"[0-9]{1,4}(?:-[0-9]{1,4})?(?:,[0-9]{1,4}(?:-[0-9]{1,4})?)*")
_PLATFORM: Final = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+){0,2}")
_LONE_PLATFORM: Final = re.compile(
    "linux|386|aarch64|amd64|arm|arm64|armel|armhf|i386|loong64|mips(?:64)?(?:le)?|ppc64(?:le)?"
    "|riscv64|s390x|x86[-_]64"
)
_SIGNAL: Final = re.compile(
    "(?:SIG)?(?:ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT"
    "|SEGV|STKFLT|STOP|SYS|TERM|TRAP|TSTP|TTIN|TTOU|URG|USR[12]|VTALRM|WINCH|XCPU|XFSZ"
    r"|RTMIN(?:\+(?:[1-9]|1[0-5]))?|RTMAX(?:-(?:[1-9]|1[0-4]))?)"
    "|[1-9]|[1-5][0-9]|6[0-4]"
)
_CDI_DEVICE: Final = re.compile(
    r"[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?/[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
    r"=[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?"
)
_DOMAIN: Final = re.compile(
    r"(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)(?::[0-9]+)?"
)
_PATH: Final = re.compile(
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST_LENGTHS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
_NAME_LIMIT: Final = 255
_LONGEST: Final = 1024
"""Longer texts are not looked at any further, which would take a while."""
_HOST_NAME_LIMIT: Final = 64
_HIGHEST_CPU: Final = 8191


def wrong_address(text: str, version: int | None = None) -> str | None:
    """Look at an address.

    Args:
        text: Such as `192.0.2.1`.
        version: 4 or 6, where only one of them will do.
    """
    kind = "an address" if version is None else f"an IPv{version} address"
    try:
        found = ip_address(text)
    except ValueError:
        return f"must be {kind}, got {text!r}"
    # A zone is one of the machine's, and the engine knows none.
    return (
        None
        if version in (None, found.version) and "%" not in text
        else (f"must be {kind}, got {text!r}")
    )


def as_network(text: str) -> IPv4Network | IPv6Network | None:
    """Return the addresses of a text such as `192.0.2.0/24`; None where it is none."""
    if not re.fullmatch(r"[0-9A-Fa-f:.]+/[0-9]{1,3}", text):
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def wrong_network(text: str) -> str | None:
    """Look at the addresses of a network, such as `192.0.2.0/24`."""
    found = as_network(text)
    if found is None:
        return f"must be addresses such as 192.0.2.0/24, got {text!r}"
    if str(found.network_address) != str(ip_address(text.partition("/")[0])):
        return f"must be the addresses of a whole network, got {text}; write {found}"
    return None


def wrong_mac_address(text: str) -> str | None:
    """Look at a MAC address."""
    if not _MAC.fullmatch(text):
        return f"must be a MAC address such as 02:42:ac:11:00:02, got {text!r}"
    if int(text[:2], 16) & 1:
        return f"must be the address of one interface, got the multicast address {text}"
    return None


def wrong_object_name(text: str) -> str | None:
    """Look at the name of a container or volume."""
    if _NAME.fullmatch(text) and len(text) <= _NAME_LIMIT:
        return None
    return (
        "must be two or more letters, digits, '_', '.' or '-', the first a letter or digit, "
        f"got {text!r}"
    )


def wrong_host_name(text: str) -> str | None:
    """Look at a host or domain name: the kernel has no room for more."""
    length = len(text.encode())
    if length <= _HOST_NAME_LIMIT:
        return None
    return f"must have at most {_HOST_NAME_LIMIT} bytes, got {length} of them in {text!r}"


def wrong_signal(text: str) -> str | None:
    """Look at a signal: its name, with or without `SIG`, or its number."""
    known = text.isascii() and _SIGNAL.fullmatch(text.upper())
    return None if known else f"must be a signal such as SIGTERM, got {text!r}"


def wrong_platform(text: str) -> str | None:
    """Look at a platform, such as `linux/arm64`."""
    parts = text.lower().split("/")
    if not _PLATFORM.fullmatch(text) or (
        len(parts) == 1 and not _LONE_PLATFORM.fullmatch(text.lower())
    ):
        return f"must be a platform such as linux/arm64, got {text!r}"
    if len(parts) > 1 and parts[0] != "linux":
        return f"must be one of linux, which the machine runs, got {text!r}"
    return None


def wrong_cpu_set(text: str) -> str | None:
    """Look at a choice of CPUs, such as `0-2,4`."""
    problem = f"must be CPUs such as 0-2,4, got {text!r}"
    if not _CPUS.fullmatch(text):
        return problem
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not int(first) <= int(last or first) <= _HIGHEST_CPU:
            return problem
    return None


def wrong_variable(name: str) -> str | None:
    """Look at the name of an environment variable."""
    if not name:
        return "must have a name, got a variable without one"
    return f"must have no '=' in its name, got {name!r}" if "=" in name else None


def is_cdi_device(text: str) -> bool:
    """Whether a device is named as the Container Device Interface does: `vendor.com/class=name`."""
    return len(text) <= _LONGEST and bool(_CDI_DEVICE.fullmatch(text))


def wrong_image(text: str) -> str | None:
    """Look at an image's reference, as the engine reads it."""
    name, at, digest = text.partition("@")
    algorithm, _, value = digest.partition(":")
    length = _DIGEST_LENGTHS.get(algorithm)
    if at and (length is None or not re.fullmatch(rf"[0-9a-f]{{{length}}}", value)):
        return (
            f"must end in a digest of {length or 64} digits 0-9 and a-f behind "
            f"{algorithm if length else 'sha256'}:, got {text!r}"
        )
    domain, slash, rest = name.partition("/")
    # What looks like a computer's name is one; an upper-case letter makes it one, too.
    if not slash or not (
        any(sign in domain for sign in ".:") or domain == "localhost" or domain != domain.lower()
    ):
        domain, rest = "", name
    path, colon, tag = rest.partition(":")
    if len(text) <= _LONGEST and path != path.lower() and _PATH.fullmatch(path.lower()):
        return f"must be in lower case, but for its tag, got {text!r}; write {path.lower()}"
    if (
        len(text) > _LONGEST
        or (domain and not _DOMAIN.fullmatch(domain))
        or not _PATH.fullmatch(path)
        or (colon and not _TAG.fullmatch(tag))
        or len(path) > _NAME_LIMIT
        or re.fullmatch(r"[0-9a-f]{64}", text)
    ):
        return f"must be a reference such as docker.io/library/nginx:1.27, got {text!r}"
    return None
