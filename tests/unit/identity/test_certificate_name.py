"""The names of a server: addresses are addresses, and anything else is a DNS name or refused."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.identity.certificate_name import parse_name


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_every_unicast_address_is_read_as_an_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        with pytest.raises(ValueError, match="address of one machine"):
            parse_name(str(address))
    else:
        assert parse_name(str(address)) == x509.IPAddress(address)


LABEL = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?", fullmatch=True)


@given(st.lists(LABEL, min_size=1, max_size=5).filter(lambda labels: not labels[-1].isdigit()))
def test_every_dns_name_is_read_as_a_name(labels: list[str]) -> None:
    name = ".".join(labels)
    assert parse_name(name) == x509.DNSName(name.lower())


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_an_error(text: str) -> None:
    try:
        parsed = parse_name(text)
    except ValueError as error:
        assert str(error).startswith("certificate name: must be ")  # noqa: PT017 - either is right
    else:
        assert str(parsed.value)


@pytest.mark.parametrize(
    "name",
    ["", ".", "a..b", "-a.com", "a-.com", "*.example.com", "a_b.com", "exa mple.com", "bücher.de",
     "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4/32", "host:2376", "fe80::1%eth0",
     "${aws_eip.address.public_ip}", "a." * 127 + "com", "a" * 64 + ".com", "example.123",
     "a.com\n", "\u0661.2.3.4", str(ipaddress.IPv4Address(0)), "::",
     "224.0.0.1", "255.255.255.255"],
)  # fmt: skip
def test_parse_fails_when_it_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="certificate name: must be "):
        parse_name(name)


def test_parse_says_what_it_wants() -> None:
    with pytest.raises(ValueError, match="must be") as error:
        parse_name("bücher.de")
    assert str(error.value) == (
        "certificate name: must be an IP address or a DNS name, got 'bücher.de'; "
        "international names are given in their xn-- form"
    )
