"""Settings of several machines: what each key may be, and what keys may not be together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from settings_files import OFFICE, document

if TYPE_CHECKING:
    from settings_files import Load, Problems

SWARM = {"managers": 3}


def pool(name: str = "web", **keys: object) -> dict[str, Any]:
    return {"workers": {name: {"count": 1, **keys}}}


A_POOL = (
    "must be a pool's name: 1 to 20 lower-case letters, digits and hyphens, a letter first and no "
    "hyphen last, and not manager"
)
A_LABEL = (
    "must be a label that a placement can name: 1 to 63 letters, digits and any of _ . -, a letter "
    "first and a letter or digit last"
)
A_VALUE = (
    "must be 1 to 63 letters, digits, spaces and any of _ . : / -, which a placement can compare"
)


@pytest.mark.parametrize(
    ("machines", "problem"),
    [
        (3, "machines: must be a mapping, got 3"),
        (
            {"managers": 2},
            (
                "machines.managers: must be 1, 3 or 5, got 2; 2 of 2 managers must live for the "
                "swarm to be changed, so that 2 bear the loss of 0, no more than 1 do"
            ),
        ),
        (
            {"managers": 4},
            (
                "machines.managers: must be 1, 3 or 5, got 4; 3 of 4 managers must live for the "
                "swarm to be changed, so that 4 bear the loss of 1, no more than 3 do"
            ),
        ),
        ({"managers": 0}, "machines.managers: must be 1, 3 or 5, got 0"),
        ({"managers": -3}, "machines.managers: must be 1, 3 or 5, got -3"),
        (
            {"managers": 7},
            (
                "machines.managers: must be 1, 3 or 5, got 7; every change waits for a majority of "
                "them, and more only make it slower"
            ),
        ),
        ({"managers": "3"}, "machines.managers: must be a whole number, got '3'"),
        ({"managers": True}, "machines.managers: must be a whole number, got True"),
        ({"workers": {"web": {}}}, "machines.workers.web.count: must be set; add it"),
        (
            pool(count=0),
            (
                "machines.workers.web.count: must be in 1..100, got 0; take the pool out, where it "
                "shall have no machine"
            ),
        ),
        (pool(count=101), "machines.workers.web.count: must be in 1..100, got 101"),
        (pool(count=2.0), "machines.workers.web.count: must be a whole number, got 2.0"),
        (
            pool(instance_type="small"),
            (
                "machines.workers.web.instance_type: must be an instance type such as t3.small, "
                "got 'small'"
            ),
        ),
        (
            pool(root_volume={"size_gib": 7}),
            "machines.workers.web.root_volume.size_gib: must be in 8..16384, got 7",
        ),
        (
            pool(image={"architecture": "arm"}),
            (
                "machines.workers.web.image.architecture: must be one of 'x86_64' or 'arm64', got "
                "'arm'"
            ),
        ),
        *(
            (pool(name), f"machines.workers.{name}: {A_POOL}, got {name!r}")
            for name in ("Web", "1web", "web-", "w" * 21, "we_b", "manager", "managers", "wéb")
        ),
        (pool(labels={"a b": "c"}), f"machines.workers.web.labels.a b: {A_LABEL}, got 'a b'"),
        (pool(labels={"a=": "c"}), f"machines.workers.web.labels.a=: {A_LABEL}, got 'a='"),
        (
            pool(labels={"moor.node": "x"}),
            (
                "machines.workers.web.labels.moor.node: must not begin with moor., which Moor "
                "gives to nodes itself, got 'moor.node'; rename it"
            ),
        ),
        (pool(labels={"tier": "a=b"}), f"machines.workers.web.labels.tier: {A_VALUE}, got 'a=b'"),
        (pool(labels={"tier": ""}), f"machines.workers.web.labels.tier: {A_VALUE}, got ''"),
        (pool(labels={"tier": 1}), "machines.workers.web.labels.tier: must be text, got 1"),
    ],
)
def test_it_fails_when_the_machines_are_not_described_well(
    problems: Problems, machines: object, problem: str
) -> None:
    assert problems(document(machines=machines)) == [f"aws.{problem}"]


@pytest.mark.parametrize("name", ["w", "web", "web-1", "w" * 20, "manager-1", "x9"])
def test_a_pool_may_have_such_a_name(load: Load, name: str) -> None:
    assert list(load(document(machines=pool(name))).aws.machines.workers) == [name]


def test_it_fails_when_several_machines_shall_be_no_swarm(problems: Problems) -> None:
    said = {**document(machines={"managers": 3, **pool()}), "swarm": False}
    assert problems(said) == [
        (
            "swarm: must not be false where aws.machines asks for 4 machines, which only a swarm "
            "can be; remove it, or ask for one machine"
        )
    ]


@pytest.mark.parametrize("word", ["yes", 1, "true"])
def test_it_fails_when_the_word_is_not_true(problems: Problems, word: object) -> None:
    assert problems({**document(), "swarm": word}) == [
        f"swarm: must be true or false, got {word!r}"
    ]


ONE_AT_A_TIME = "remove it: Moor reboots one machine at a time, after its services have moved"


@pytest.mark.parametrize(
    ("updates", "expected"),
    [
        (
            {"reboot_strategy": "reboot"},
            [f"reboot_strategy: must be off in a swarm, got 'reboot'; {ONE_AT_A_TIME}"],
        ),
        (
            {"reboot_strategy": "etcd-lock", "window_start": "04:00", "window_length": "1h"},
            [
                f"reboot_strategy: must be off in a swarm, got 'etcd-lock'; {ONE_AT_A_TIME}",
                f"window_start: must not be set in a swarm, got '04:00'; {ONE_AT_A_TIME}",
            ],
        ),
    ],
)
def test_it_fails_when_the_machines_of_a_swarm_shall_reboot_by_themselves(
    problems: Problems, updates: dict[str, str], expected: list[str]
) -> None:
    assert problems(document(machines=SWARM, updates=updates)) == [
        f"aws.updates.{line}" for line in expected
    ]


def test_a_swarm_may_say_that_no_machine_reboots_by_itself(load: Load) -> None:
    assert load(document(machines=SWARM, updates={"reboot_strategy": "off"})).is_swarm


MANAGERS = "the swarm's managers, behind mutual TLS"
GOSSIP = "how the swarm's machines find each other"
OVERLAY = "overlay networks between the machines"
REGISTRY = "the swarm's own image registry"


@pytest.mark.parametrize(
    ("aws", "port", "why"),
    [
        ({"http": {"ports": [2377]}}, "http.ports: 2377", MANAGERS),
        ({"http": {"ports": [7946]}}, "http.ports: 7946", GOSSIP),
        ({"http": {"ports": ["7946/udp"]}}, "http.ports: 7946/udp", GOSSIP),
        ({"http": {"ports": ["4000-5000/udp"]}}, "http.ports: 4789/udp", OVERLAY),
        (
            {"docker_api": {"cidrs": [OFFICE], "service_ports": ["4990-5010"]}},
            "docker_api.service_ports: 5000",
            REGISTRY,
        ),
        ({"docker_api": {"cidrs": [OFFICE], "port": 2377}}, "docker_api.port: 2377", MANAGERS),
        ({"ssh": {"cidrs": [OFFICE], "port": 7946}}, "ssh.port: 7946", GOSSIP),
    ],
)
def test_it_fails_when_a_port_is_the_swarms_own_and_only_in_a_swarm(
    problems: Problems, load: Load, aws: dict[str, Any], port: str, why: str
) -> None:
    setting, _, number = port.partition(": ")
    assert problems(document(machines=SWARM, **aws)) == [
        (
            f"aws.{setting}: must not have {number} in a swarm, whose machines use it among "
            f"themselves ({why}); take another port"
        )
    ]
    assert not load(document(**aws)).is_swarm


def test_the_other_protocol_of_such_a_port_is_free(load: Load) -> None:
    ports = ["2377/udp", 4789, "5000/udp", "7946/sctp"]
    assert load(document(machines=SWARM, http={"ports": ports})).is_swarm


# A load balancer


@pytest.mark.parametrize(
    ("ports", "problem"),
    [
        ([], "ports: must hold at least 1 item, got []"),
        ([80, 80], "ports: must name each one once, got [80, 80]; remove the other"),
        (["53/udp"], "ports.0: must be a whole number, got '53/udp'"),
        (
            [80, 8080],
            "ports: must be among http.ports, got 8080; add it there, so that clients may connect",
        ),
    ],
)
def test_it_fails_when_a_load_balancer_has_no_usable_ports(
    problems: Problems, ports: list[object], problem: str
) -> None:
    aws = {"machines": SWARM, "load_balancer": {"ports": ports}}
    assert problems(document(**aws)) == [f"aws.load_balancer.{problem}"]


def test_it_fails_when_one_machine_has_a_load_balancer(problems: Problems, load: Load) -> None:
    balanced = document(load_balancer={"ports": [80]})
    assert problems(balanced) == [
        (
            "aws.load_balancer: must not be set where there is one machine, whose address is "
            "enough; remove it, or say swarm: true"
        )
    ]
    assert load({**balanced, "swarm": True}).aws.load_balancer is not None


VPC, SUBNET = "vpc-0123456789abcdef0", "subnet-0123456789abcdef0"


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        ({}, "subnet_id: must be set, or subnets; add one of them"),
        ({"subnets": []}, "subnet_id: must be set, or subnets; add one of them"),
        (
            {"subnet_id": SUBNET, "subnets": [SUBNET]},
            "subnet_id: must not be set beside subnets; put it among them",
        ),
        (
            {"subnets": [SUBNET, SUBNET]},
            f"subnets: must name each one once, got ['{SUBNET}', '{SUBNET}']; remove the other",
        ),
        (
            {"subnets": ["x"]},
            "subnets.0: must be a subnet id such as subnet-0123456789abcdef0, got 'x'",
        ),
        ({"subnets": SUBNET}, f"subnets: must be a list, got '{SUBNET}'"),
    ],
)
def test_it_fails_when_the_machines_have_no_subnet_or_two_kinds(
    problems: Problems, network: dict[str, object], problem: str
) -> None:
    assert problems(document(network={"vpc_id": VPC, **network})) == [f"aws.network.{problem}"]


def test_one_subnet_and_several_are_both_a_list(load: Load) -> None:
    one = load(document(network={"vpc_id": VPC, "subnet_id": SUBNET})).aws.network
    other = "subnet-0fedcba9876543210"
    several = load(document(network={"vpc_id": VPC, "subnets": [SUBNET, other]})).aws.network
    assert one is not None
    assert several is not None
    assert (one.every_subnet, several.every_subnet) == ((SUBNET,), (SUBNET, other))
