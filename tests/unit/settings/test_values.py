"""The values of settings: when networks together are the whole internet."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from hypothesis import example, given
from hypothesis import strategies as st

from constructs_lib.settings.values import covers_internet


def beneath(prefix: str) -> IPv4Network:
    """Read a string of bits as the network of the addresses that begin with them."""
    return IPv4Network((int(prefix.ljust(32, "0"), 2) if prefix else 0, len(prefix)))


PREFIXES = st.lists(st.text(alphabet="01", max_size=4), max_size=12)


@given(PREFIXES)
@example(["0", "1"])
@example(["0", "10", "110", "111"])
@example(["0", "10", "110"])
def test_covers_internet_agrees_with_counting_every_sixteenth(prefixes: list[str]) -> None:
    sixteenths = [f"{n:04b}" for n in range(16)]
    everything = all(any(s.startswith(p) for p in prefixes) for s in sixteenths)
    assert covers_internet([beneath(p) for p in prefixes]) == everything


@given(PREFIXES)
@example(["001"])
@example(["0010", "0011"])
@example(["0010"])
def test_covers_internet_of_ipv6_is_all_that_is_given_out(prefixes: list[str]) -> None:
    networks = [IPv6Network((int(p.ljust(128, "0"), 2) if p else 0, len(p))) for p in prefixes]
    given_out = ["0010", "0011"]  # 2000::/3
    everything = all(any(s.startswith(p) for p in prefixes) for s in given_out)
    assert covers_internet(networks) == everything


def test_half_of_each_is_not_everything() -> None:
    assert not covers_internet([IPv4Network("0.0.0.0/1"), IPv6Network("8000::/1")])
    assert not covers_internet([])
