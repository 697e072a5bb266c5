"""Ports as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.aws.port_range import PROTOCOLS, PortRange, overlaps, together

PORTS = st.integers(1, 65535)
RANGES = st.builds(
    lambda a, b, protocol: PortRange(min(a, b), max(a, b), protocol),
    PORTS,
    PORTS,
    st.sampled_from(PROTOCOLS),
)
FORM = "must be a port, such as 443, 53/udp, 8000-8010 or 8000-8010/udp"


@pytest.mark.parametrize(
    ("written", "expected", "shown"),
    [
        (443, PortRange(443, 443), 443),
        ("443", PortRange(443, 443), 443),
        ("443/tcp", PortRange(443, 443), 443),
        ("53/udp", PortRange(53, 53, "udp"), "53/udp"),
        ("2905/sctp", PortRange(2905, 2905, "sctp"), "2905/sctp"),
        ("8000-8010", PortRange(8000, 8010), "8000-8010"),
        ("8000-8000", PortRange(8000, 8000), 8000),
        ("8000-8010/udp", PortRange(8000, 8010, "udp"), "8000-8010/udp"),
        (PortRange(1, 2), PortRange(1, 2), "1-2"),
    ],
)
def test_it_is_read_and_written(written: object, expected: PortRange, shown: object) -> None:
    assert PortRange.read(written) == expected
    assert expected.written == shown


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (0, "must be in 1..65535"),
        (-1, "must be in 1..65535"),
        (65536, "must be in 1..65535"),
        ("1-65536", "must be in 1..65535"),
        ("0-5/udp", "must be in 1..65535"),
        ("8010-8000", "must begin with the lower port"),
        ("53/icmp", "must be of tcp, udp or sctp"),
        *(
            (value, FORM)
            for value in (
                *("", "x", "53/", "/udp", "53/UDP", "-1", "1-", "1-2-3", " 53", "53\n", "1" * 99),
                *("\u0663", "\uff18\uff10", "\u00b2", True, None, 1.0, b"53", [53], {"first": 1}),
            )
        ),
    ],
)
def test_anything_else_is_refused(written: object, message: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        PortRange.read(written)
    assert str(caught.value) == message


@given(RANGES)
def test_what_is_written_is_read_again(ports: PortRange) -> None:
    assert PortRange.read(ports.written) == PortRange.read(str(ports)) == ports


@given(RANGES, RANGES, PORTS)
def test_what_two_share_is_what_both_have(one: PortRange, other: PortRange, port: int) -> None:
    shared = one.shared_with(other)
    assert shared == other.shared_with(one)
    both = one.has(port, one.protocol) and other.has(port, one.protocol)
    assert both == (shared is not None and shared.has(port, one.protocol))
    assert list(overlaps([one, other])) == ([] if shared is None else [(one, other)])


def test_one_number_of_two_protocols_is_two_ports() -> None:
    assert PortRange.single(53).shared_with(PortRange.single(53, "udp")) is None
    assert not PortRange.single(53).has(53, "udp")


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(PROTOCOLS))))
def test_ports_together_are_the_same_ports_in_few_ranges(ports: list[tuple[int, str]]) -> None:
    found = together(ports)
    assert [(n, r.protocol) for r in found for n in range(r.first, r.last + 1)] == sorted(
        set(ports),
        key=lambda p: (PROTOCOLS.index(p[1]), p[0]),
    )
    ends = {(r.last + 1, r.protocol) for r in found}
    assert not ends & {(r.first, r.protocol) for r in found}
