"""What the engine takes for an address, a name, a signal and the like."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from constructs_lib.compose import grammar

if TYPE_CHECKING:
    from collections.abc import Callable

HEX = "0123456789abcdef" * 4

GOOD = [
    (grammar.wrong_address, ["192.0.2.1", "::1", "2001:db8::3"]),
    (partial(grammar.wrong_address, version=4), ["192.0.2.1"]),
    (partial(grammar.wrong_address, version=6), ["::1"]),
    (grammar.wrong_network, ["192.0.2.0/24", "2001:db8::/64", "10.0.0.0/8"]),
    (grammar.wrong_mac_address, ["02:42:ac:11:00:02", "02-42-AC-11-00-02"]),
    (grammar.wrong_object_name, ["web", "a1", "A.b-c_d"]),
    (grammar.wrong_host_name, ["web", "a b", "x" * 64]),
    (
        grammar.wrong_signal,
        ["SIGTERM", "term", "9", "64", "SIGRTMIN+3", "RTMAX-14", "SIGQUIT", "sigusr2"],
    ),
    (grammar.wrong_platform, ["linux/amd64", "linux/arm/v7", "arm64", "x86_64", "linux"]),
    (grammar.wrong_cpu_set, ["0", "0-3", "0,2", "0-2,4,6-7"]),
    (grammar.wrong_variable, ["A", "my.name", "1"]),
    (
        grammar.wrong_image,
        [
            "nginx",
            "nginx:1.27",
            "docker.io/library/nginx:1.27-Alpine",
            "localhost:5000/a/b__c:x",
            "ghcr.io/owner/name.with-dots_and/more",
            "HOST/image",
            "[::1]:5000/a",
            f"nginx@sha256:{HEX}",
            f"nginx:1@sha256:{HEX}",
            f"a/b@sha512:{HEX}{HEX}",
        ],
    ),
]


@pytest.mark.parametrize(
    ("wrong", "text"), [(wrong, text) for wrong, texts in GOOD for text in texts]
)
def test_what_the_engine_takes(wrong: Callable[[str], str | None], text: str) -> None:
    assert wrong(text) is None


REFERENCE = "must be a reference such as docker.io/library/nginx:1.27, got "


@pytest.mark.parametrize(
    ("wrong", "text", "expected"),
    [
        (grammar.wrong_address, "1.1.1", "must be an address, got '1.1.1'"),
        (grammar.wrong_address, "fe80::1%eth0", "must be an address, got 'fe80::1%eth0'"),
        (grammar.wrong_address, "٣.1.1.1", "must be an address, got '٣.1.1.1'"),
        (
            partial(grammar.wrong_address, version=4),
            "::1",
            "must be an IPv4 address, got '::1'",
        ),
        (
            grammar.wrong_network,
            "300.1.1.0/24",
            "must be addresses such as 192.0.2.0/24, got '300.1.1.0/24'",
        ),
        (
            grammar.wrong_network,
            "10.0.0.0/255.0.0.0",
            "must be addresses such as 192.0.2.0/24, got '10.0.0.0/255.0.0.0'",
        ),
        (
            grammar.wrong_network,
            "10.5.0.1/16",
            "must be the addresses of a whole network, got 10.5.0.1/16; write 10.5.0.0/16",
        ),
        (
            grammar.wrong_mac_address,
            "zz",
            "must be a MAC address such as 02:42:ac:11:00:02, got 'zz'",
        ),
        (
            grammar.wrong_mac_address,
            "03:42:ac:11:00:02",
            "must be the address of one interface, got the multicast address 03:42:ac:11:00:02",
        ),
        *(
            (
                grammar.wrong_object_name,
                text,
                (
                    "must be two or more letters, digits, '_', '.' or '-', the first a letter or "
                    f"digit, got {text!r}"
                ),
            )
            for text in ("a", "-a", "a b", "ä1", "", "x" * 256)
        ),
        (
            grammar.wrong_host_name,
            "ä" * 33,
            f"must have at most 64 bytes, got 66 of them in {'ä' * 33!r}",
        ),
        *(
            (grammar.wrong_signal, text, f"must be a signal such as SIGTERM, got {text!r}")
            for text in ("", "0", "65", "٩", "SIGNOPE", "SIGRTMIN+16", "s\u0131gterm", "-9")
        ),
        *(
            (grammar.wrong_platform, text, f"must be a platform such as linux/arm64, got {text!r}")
            for text in ("", "a/b/c/d", "windows", "linux/", "linux amd64")
        ),
        (
            grammar.wrong_platform,
            "windows/amd64",
            "must be one of linux, which the machine runs, got 'windows/amd64'",
        ),
        *(
            (grammar.wrong_cpu_set, text, f"must be CPUs such as 0-2,4, got {text!r}")
            for text in ("zz", "٣", "3-1", "0-1-2", "1,", "9000", "-1")
        ),
        (grammar.wrong_variable, "", "must have a name, got a variable without one"),
        (grammar.wrong_variable, "A=B", "must have no '=' in its name, got 'A=B'"),
        *(
            (grammar.wrong_image, text, f"{REFERENCE}{text!r}")
            for text in ("", "x y", "a//b", "a:", "a:-x", "-a", HEX, "a." * 3, "x" * 256, "a:b:c/d")
        ),
        (
            grammar.wrong_image,
            "ghcr.io/Owner/Name:X",
            "must be in lower case, but for its tag, got 'ghcr.io/Owner/Name:X'; write owner/name",
        ),
        (
            grammar.wrong_image,
            "nginx@sha256:abc",
            "must end in a digest of 64 digits 0-9 and a-f behind sha256:, got 'nginx@sha256:abc'",
        ),
        (
            grammar.wrong_image,
            "nginx@md5:abc",
            "must end in a digest of 64 digits 0-9 and a-f behind sha256:, got 'nginx@md5:abc'",
        ),
    ],
)
def test_what_the_engine_refuses(
    wrong: Callable[[str], str | None], text: str, expected: str
) -> None:
    assert wrong(text) == expected


def test_devices_of_the_container_device_interface() -> None:
    names = ["vendor.com/class=name", "nvidia.com/gpu=0", "v/c=a:b.c-d", "/dev/x", "a/b", "a=b"]
    assert [name for name in names if grammar.is_cdi_device(name)] == names[:3]
