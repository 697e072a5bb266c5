"""What Compose complains of in a port: the place is found, and the words are ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.port_failures import port_problem
from constructs_lib.compose.reader import load_project

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.compose.model import Port

PUBLISH = "must publish a port in 1..65535, or a range such as 8000-8010"
TARGET = "must name a container's port in 1..65535"
ADDRESS = "must be published on an address such as 127.0.0.1 or ::1"
HERE = "services.w.ports[1]"


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ('"99999:80"', f"{HERE}: {PUBLISH}, got '99999'"),
        ('"\u0663:80"', f"{HERE}: {PUBLISH}, got '\u0663'"),
        ('"80-70:80"', f"{HERE}: {PUBLISH}, got '80-70'"),
        ('"80:99999"', f"{HERE}: {TARGET}, got '99999'"),
        ('"80:"', f"{HERE}: must name a container's port, got '80:'"),
        ('"53:53/icmp"', f"{HERE}: must be of tcp, udp or sctp, got 'icmp'"),
        ('"127.0.0.1:53:53/icmp"', f"{HERE}: must be of tcp, udp or sctp, got 'icmp'"),
        ('"localhost:80:80"', f"{HERE}: {ADDRESS}, got 'localhost'"),
        ('{target: 80, host_ip: "[::]"}', f"{HERE}.host_ip: {ADDRESS}, got '[::]'"),
        (
            '"80-82:80-81"',
            f"{HERE}: must have as many ports of the machine as of the container, got '80-82'",
        ),
        ('"80:0"', f"{HERE}.target: must be in 1..65535, got none, or 0"),
        ('{published: "80"}', f"{HERE}.target: must be in 1..65535, got none, or 0"),
        # Where a variable has it, only the places that have one can be told.
        ('"${P:-99999}:80"', f"{HERE}: {PUBLISH}, got '99999'"),
        # These Compose hands on.
        ('{target: 0, published: "80"}', f"{HERE}.target: must be in 1..65535, got 0"),
        ("{target: 70000}", f"{HERE}.target: must be in 1..65535, got 70000"),
        (
            '{target: 80, published: "\u0663"}',
            f"{HERE}.published: must be a port or a range such as 8000-8010, got '\u0663'",
        ),
        (
            "{target: 80, protocol: icmp, host_ip: 127.0.0.1}",
            f"{HERE}.protocol: must be tcp, udp or sctp, got 'icmp'",
        ),
    ],
)
def test_the_service_and_the_port_are_named(tmp_path: Path, port: str, expected: str) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services:\n"
        "  other: {image: a, ports: ['80:80']}\n"
        f"  w: {{image: a, ports: ['1:1', {port}]}}\n",
        encoding="utf-8",
    )
    with pytest.raises(ComposeError) as caught:
        load_project([file], name="p")
    assert caught.value.problems == (f"{file}: {expected}",)


def test_a_place_that_cannot_be_found_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        "x-ports: {ports: ['99999:80']}\nservices:\n  w: {image: a, extends: {service: v}}\n"
        "  v: {image: a, ports: !override ['99999:80']}\n"
    )
    with pytest.raises(ComposeError) as caught:
        load_project([file], name="p")
    assert all(PUBLISH in problem for problem in caught.value.problems)


def test_what_is_no_port_is_not_for_this() -> None:
    assert port_problem("no such file") is None


NUMBERS = st.sampled_from(["0", "1", "80", "65535", "65536", "9-8", "80-82", "", "x", "\u0663"])
HOSTS = st.sampled_from(["", "127.0.0.1:", "[::1]:", "::1:", "0.0.0.0:", "host:", "[::]:", "1.2:"])
PORTS = st.builds(
    lambda host, published, colon, target, protocol: f"{host}{published}{colon}{target}{protocol}",
    HOSTS,
    NUMBERS,
    st.sampled_from([":", ""]),
    NUMBERS,
    st.sampled_from(["", "/tcp", "/udp", "/sctp", "/icmp", "/UDP", "/"]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=PORTS)
def test_each_port_is_read_or_is_a_problem_that_names_its_service(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.mktemp("ports") / "compose.yaml"
    file.write_text(json.dumps({"services": {"w": {"image": "a", "ports": [text]}}}))
    problems: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    try:
        ports = load_project([file], name="p").services["w"].ports
    except ComposeError as error:
        problems = error.problems
    assert len(problems) == (0 if ports else 1)
    assert all(problem.startswith(f"{file}: services.w.ports") for problem in problems)
    for port in ports:
        assert 1 <= port.target <= 65535
        assert port.published is None or 1 <= port.published[0] <= port.published[1] <= 65535
