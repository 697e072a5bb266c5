"""The machines that settings ask for: their names, their places, and what they inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings_files import document

from constructs_lib.settings.nodes import FIRST, Node, nodes_of, warnings_of
from constructs_lib.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from settings_files import Load


def with_machines(machines: object, **aws: object) -> dict[str, Any]:
    return document(machines=machines, **aws)


def test_without_a_word_there_is_one_machine_and_no_swarm(load: Load) -> None:
    settings = load(document())
    assert not settings.is_swarm
    assert [node.name for node in nodes_of(settings)] == [FIRST] == ["manager-1"]


@pytest.mark.parametrize(
    ("machines", "swarm", "expected"),
    [
        ({}, None, False),
        ({"managers": 1}, None, False),
        ({"managers": 3}, None, True),
        ({"workers": {"web": {"count": 1}}}, None, True),
        ({}, True, True),
        ({"managers": 1}, False, False),
        ({"managers": 5}, True, True),
    ],
)
def test_a_swarm_is_where_there_is_more_than_one_machine_or_somebody_says_so(
    load: Load, machines: object, swarm: object, expected: object
) -> None:
    said = {} if swarm is None else {"swarm": swarm}
    assert load({**with_machines(machines), **said}).is_swarm is expected


def test_managers_come_first_and_each_pool_counts_for_itself(load: Load) -> None:
    workers = {"db": {"count": 1}, "web": {"count": 2, "labels": {"tier": "web"}}}
    found = nodes_of(load(with_machines({"managers": 3, "workers": workers})))
    assert [(n.name, n.pool, n.is_manager, n.place, n.labels) for n in found] == [
        ("manager-1", "manager", True, 0, {}),
        ("manager-2", "manager", True, 1, {}),
        ("manager-3", "manager", True, 2, {}),
        ("db-1", "db", False, 0, {}),
        ("web-1", "web", False, 0, {"tier": "web"}),
        ("web-2", "web", False, 1, {"tier": "web"}),
    ]


def one_worker(load: Load, pool: Mapping[str, object], **aws: object) -> Node:
    workers = {"web": {"count": 1, **pool}}
    return nodes_of(load(with_machines({"workers": workers}, **aws)))[-1]


def test_a_pool_has_what_aws_says_where_it_says_nothing(load: Load) -> None:
    aws: dict[str, Any] = {
        "instance_type": "m5.large",
        "image": {"id": "ami-0123456789abcdef0"},
        "root_volume": {"size_gib": 33},
    }
    node = one_worker(load, {}, **aws)
    assert (node.instance_type, node.root_volume_gib) == ("m5.large", 33)
    assert node.image == load(document(**aws)).aws.image


def test_a_pool_has_what_it_says_itself(load: Load) -> None:
    own = {"instance_type": "t4g.small", "root_volume": {"size_gib": 44}}
    node = one_worker(load, own, instance_type="m5.large")
    assert (node.instance_type, node.root_volume_gib) == ("t4g.small", 44)


def test_another_architecture_takes_the_id_of_the_image_away_and_nothing_else(load: Load) -> None:
    image = {"id": "ami-0123456789abcdef0", "owner": "123456789012", "name": "mine-*"}
    node = one_worker(load, {"image": {"architecture": "arm64"}}, image=image)
    assert node.image.model_dump() == {
        "id": None,
        "owner": "123456789012",
        "name": "mine-*",
        "architecture": "arm64",
    }


def test_a_pool_may_name_an_image(load: Load) -> None:
    node = one_worker(load, {"image": {"id": "ami-0fedcba9876543210"}})
    assert node.image.id == "ami-0fedcba9876543210"


@given(
    managers=st.sampled_from([1, 3, 5]),
    pools=st.dictionaries(st.from_regex(r"[a-l][a-z0-9]{0,9}", fullmatch=True), st.integers(1, 9)),
)
def test_names_differ_and_a_pool_that_grows_moves_no_other_machine(
    managers: int, pools: dict[str, int]
) -> None:
    def names(counts: dict[str, int]) -> dict[str, int]:
        workers = {name: {"count": count} for name, count in counts.items()}
        settings = Settings.model_validate(
            with_machines({"managers": managers, "workers": workers})
        )
        found = nodes_of(settings)
        assert len({node.name for node in found}) == len(found) == managers + sum(counts.values())
        return {node.name: node.place for node in found}

    before, after = names(pools), names({name: count + 1 for name, count in pools.items()})
    assert {name: after[name] for name in before} == before


# Warnings

VPC = "vpc-0123456789abcdef0"


def subnets(count: int) -> dict[str, Any]:
    return {"vpc_id": VPC, "subnets": [f"subnet-0000000{index}" for index in range(count)]}


def test_more_managers_than_subnets_are_a_warning(load: Load) -> None:
    of_two = load(with_machines({"managers": 3}, network=subnets(2)))
    assert warnings_of(of_two) == (
        (
            "aws.network.subnets: 3 managers stand in 2 subnets: with one zone the majority of "
            "them may fail; name 3 subnets in aws.network.subnets, each of another zone"
        ),
    )
    one = {"vpc_id": VPC, "subnet_id": "subnet-00000000"}
    assert warnings_of(load(with_machines({"managers": 3}, network=one))) == (
        (
            "aws.network.subnet_id: 3 managers stand in 1 subnet: with one zone the majority of "
            "them may fail; name 3 subnets in aws.network.subnets, each of another zone"
        ),
    )


def test_a_manager_in_each_subnet_is_no_warning_and_workers_do_not_count(load: Load) -> None:
    machines = {"managers": 3, "workers": {"web": {"count": 2}}}
    assert warnings_of(load(with_machines(machines, network=subnets(3)))) == ()
    assert warnings_of(load(with_machines(machines))) == ()
    assert warnings_of(load(document(network=subnets(1)))) == ()


def test_more_machines_than_elastic_ips_are_a_warning_but_not_in_the_sandbox(load: Load) -> None:
    six = with_machines({"managers": 5, "workers": {"web": {"count": 1}}})
    assert warnings_of(load(six)) == (
        (
            "aws.machines: 6 machines have an Elastic IP each, and a new AWS account may have 5 in "
            "a region; ask AWS for a higher quota before the deployment"
        ),
    )
    assert warnings_of(load({**six, "sandbox": {}})) == ()
