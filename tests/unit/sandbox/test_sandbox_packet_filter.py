"""What a machine lets in on its own address: the rules, and what they do to packets.

The rules themselves are loaded by `iptables-restore` where there is one, in a network of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.machines import machine, packet_filter
from sandbox.machines.packet_filter import ALL, CHAIN, Admission, script
from sandbox.ports import OpenPort

SUBNET = IPv4Network("172.30.19.0/24")
EVERYWHERE = IPv4Network("0.0.0.0/0")
GATE = IPv4Address("172.30.19.9")

can_load = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("iptables-restore") is None,
    reason="only root can load rules, and only where there is iptables",
)


def let_in(protocol: str, *numbers: int, source: str = "172.30.19.0/24") -> Admission:
    first, last = (*numbers, None, None)[:2]
    return Admission(protocol=protocol, first=first, last=last, source=IPv4Network(source))


def rules(
    *admissions: Admission, gates: dict[IPv4Address, frozenset[OpenPort]] | None = None
) -> list[str]:
    text = script(admissions, subnet=SUBNET, gates=gates or {})
    table, chain, *found, end = text.splitlines()
    assert (table, chain, end) == ("*mangle", f":{CHAIN} - [0:0]", "COMMIT")
    return [rule.removeprefix(f"-A {CHAIN} ") for rule in found]


ANSWERS = "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"
OTHERS = ["-s 172.30.19.1/32 -j DROP", "! -s 172.30.19.0/24 -j DROP"]


def test_without_a_rule_only_answers_come_in() -> None:
    assert rules() == [ANSWERS, *OTHERS, "-j DROP"]


def test_a_gate_reaches_its_ports_and_this_computer_none() -> None:
    ports = {OpenPort("udp", 53), OpenPort("tcp", 443), OpenPort("tcp", 22)}
    assert rules(gates={GATE: frozenset(ports)}) == [
        ANSWERS,
        "-s 172.30.19.9/32 -p tcp -m tcp --dport 22 -j RETURN",
        "-s 172.30.19.9/32 -p tcp -m tcp --dport 443 -j RETURN",
        "-s 172.30.19.9/32 -p udp -m udp --dport 53 -j RETURN",
        *OTHERS,
        "-j DROP",
    ]


@pytest.mark.parametrize(
    ("admission", "rule"),
    [
        (let_in("tcp", 22, 22), "-p tcp -m tcp --dport 22:22"),
        (let_in("udp", 7946, 7950), "-p udp -m udp --dport 7946:7950"),
        (let_in("tcp"), "-p tcp -m tcp"),
        (let_in("icmp"), "-p icmp"),
        (let_in("icmp", 8), "-p icmp -m icmp --icmp-type 8"),
        (let_in("icmp", 3, 4), "-p icmp -m icmp --icmp-type 3/4"),
        (let_in("50"), "-p 50"),
        (let_in(ALL), "-j RETURN"),
        (let_in("50", source="172.30.19.7/32"), "-s 172.30.19.7/32 -p 50"),
        (let_in("tcp", 1, 2, source="172.30.19.0/28"), "-s 172.30.19.0/28 -p tcp -m tcp --dport"),
        (let_in("tcp", 1, 2, source="172.16.0.0/12"), "-p tcp -m tcp --dport 1:2"),
    ],
)
def test_a_rule_lets_in_what_it_says_after_all_others_are_shut_out(
    admission: Admission, rule: str
) -> None:
    first, *found, last = rules(admission)
    assert (first, last) == (ANSWERS, "-j DROP")
    assert found[:2] == OTHERS
    assert found[2].startswith(rule)


@pytest.mark.parametrize("source", ["203.0.113.0/24", "127.0.0.0/8", "172.30.20.0/24"])
def test_a_source_that_is_no_machine_opens_nothing(source: str) -> None:
    assert rules(let_in("tcp", 22, 22, source=source)) == rules()


def test_each_rule_is_there_once() -> None:
    twice = [let_in("tcp", 22, 22), let_in("tcp", 22, 22, source="0.0.0.0/0")]
    assert len(rules(*twice)) == len(rules()) + 1


def test_the_script_of_the_image_names_the_same_chain_and_file() -> None:
    image = Path(packet_filter.__file__).parent / "machine_image"
    text = (image / "filter").read_text()
    assert f"-j {CHAIN}" in text
    assert f"/{machine._OURS}/{machine._FILTER}" in text
    entry = (image / "entry-point").read_text()
    assert entry.index("/usr/lib/moor/filter") < entry.index("exec /sbin/init")


PORTS = st.builds(OpenPort, st.sampled_from(["tcp", "udp"]), st.integers(0, 65535))
ADMISSIONS = st.builds(
    Admission,
    protocol=st.sampled_from(["tcp", "udp", "icmp", "50", "132", ALL]),
    first=st.none() | st.integers(0, 255),
    last=st.none() | st.integers(0, 255),
    source=st.sampled_from(
        [EVERYWHERE, SUBNET, IPv4Network("172.30.19.7/32"), IPv4Network("203.0.113.0/24")]
    ),
).filter(lambda a: a.first is not None or a.last is None)


@can_load
@settings(max_examples=25)
@given(admissions=st.lists(ADMISSIONS, max_size=8), ports=st.frozensets(PORTS, max_size=3))
def test_whatever_the_rules_are_they_can_be_loaded(
    admissions: list[Admission], ports: frozenset[OpenPort]
) -> None:
    ordered = [
        Admission(
            protocol=a.protocol, first=a.first, last=max(a.last, a.first or 0), source=a.source
        )
        if a.last is not None
        else a
        for a in admissions
    ]
    text = script(ordered, subnet=SUBNET, gates={GATE: ports})
    done = subprocess.run(
        ["unshare", "--net", "iptables-restore", "--noflush"],
        input=text,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
