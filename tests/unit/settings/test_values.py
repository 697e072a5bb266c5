"""The values of settings: when networks together are more of the internet than anybody has."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from constructs_lib.settings.values import covers_internet


def beneath(prefix: str) -> IPv4Network:
    """Read a string of bits as the network of the addresses that begin with them."""
    return IPv4Network((int(prefix.ljust(32, "0"), 2) if prefix else 0, len(prefix)))


PREFIXES = st.lists(st.text(alphabet="01", min_size=6, max_size=10), max_size=12)


@given(PREFIXES)
@example(["00000110", "00000111"])
@example(["000001100", "000001110"])
@example(["00000110", "0000011", "000001101"])
@example(["00001010", "00001011", "00001100"])
def test_more_than_a_256th_of_ipv4_is_nobodys_own(prefixes: list[str]) -> None:
    parts = [f"{n:010b}" for n in range(1024)]
    private = "00001010"  # 10.0.0.0/8; the others are smaller than one part
    covered = [p for p in parts if any(p.startswith(prefix) for prefix in prefixes)]
    public = [p for p in covered if not p.startswith(private)]
    # In what is left of the parts that hold them, they take less than one part.
    assert covers_internet([beneath(p) for p in prefixes]) == (len(public) > 4)


@given(address=st.integers(0, 2**32 - 1), length=st.integers(8, 32))
def test_all_but_a_part_is_the_internet_all_the_same(address: int, length: int) -> None:
    hole = IPv4Network((address, length), strict=False)
    assert covers_internet(IPv4Network("0.0.0.0/0").address_exclude(hole))


@pytest.mark.parametrize(
    ("networks", "too_much"),
    [
        ([], False),
        (["203.0.113.0/24", "2001:db8::/32"], False),
        (["17.0.0.0/8"], False),
        (["17.0.0.0/8", "18.0.0.0/32"], True),
        (["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], False),
        (["10.0.0.0/8", "11.0.0.0/8"], False),
        (["2a00::/12"], False),
        (["2a00::/12", "2001:db8::/128"], True),
        (["2000::/3"], True),
        (["::/0"], True),
        # Nothing of it is given out.
        (["8000::/1", "fc00::/7"], False),
    ],
)
def test_how_much_may_be_ones_own(networks: list[str], too_much: bool) -> None:  # noqa: FBT001
    assert covers_internet(map(ip_network, networks)) == too_much
