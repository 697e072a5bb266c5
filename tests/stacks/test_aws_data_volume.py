"""The AWS stack with data volumes: whose each is, what waits for it, and what it changes."""

from __future__ import annotations

from typing import Any

import pytest
from project_stacks import SWARM, environment_of, fixed_identity, settings_of, synthesize
from synthesis import Json, counts

from constructs_lib.settings.settings import Settings

A_VOLUME = {"size_gib": 20}


def stacks(name: str, **aws: Any) -> dict[str, Json]:  # noqa: ANN401
    document = settings_of(name).model_dump(mode="json", exclude_unset=True)
    document["aws"].update(aws)
    settings, environment = Settings.model_validate(document), environment_of(name)
    return synthesize(environment, settings, fixed_identity(environment, settings))


def more(name: str, **aws: Any) -> dict[str, int]:  # noqa: ANN401
    """Return how many resources there are more than without a data volume."""
    before, after = counts(stacks(name)["aws"]), counts(stacks(name, **aws)["aws"])
    return {k: n - before.get(k, 0) for k, n in after.items() if n != before.get(k, 0)}


def test_one_machine_has_one_and_stands_where_that_is() -> None:
    assert more("sandbox", data_volume=A_VOLUME) == {
        "aws_ebs_volume": 1,
        "aws_volume_attachment": 1,
        "terraform_data": 1,
        "data.aws_ebs_volume": 1,
        "data.aws_ebs_volumes": 1,
        "data.aws_instance": 1,
        "data.aws_instances": 1,
        "data.aws_subnet": 1,
        "data.aws_subnets": 1,
    }


def test_in_a_network_of_its_own_nothing_is_looked_up_but_the_subnets_zone() -> None:
    network = {"vpc_id": "vpc-0123456789abcdef0", "subnet_id": "subnet-0123456789abcdef0"}
    document = stacks("sandbox", data_volume=A_VOLUME, network=network)["aws"]
    assert document["data"]["aws_subnet"] == {"Data_Subnet": {"id": network["subnet_id"]}}
    assert "aws_ebs_volumes" not in document["data"]
    (attachment,) = document["resource"]["aws_volume_attachment"].values()
    assert len(attachment["lifecycle"]["precondition"]) == 1


def test_user_data_does_not_know_it_so_that_no_machine_is_replaced_for_it() -> None:
    before, after = stacks("sandbox")["aws"], stacks("sandbox", data_volume=A_VOLUME)["aws"]
    machine, same = (d["resource"]["aws_instance"]["Machine"] for d in (before, after))
    assert {k: v for k, v in same.items() if machine.get(k) != v} == {
        "subnet_id": "${sort(data.aws_subnets.Place_Subnets.ids)[0]}"
    }


def test_what_lies_on_it_is_not_made_again_for_another_machine() -> None:
    def told(found: dict[str, Json]) -> set[str]:
        """Return what the first stack tells the other one."""
        outputs = found["aws"]["output"].items()
        return {o["value"] for name, o in outputs if name.startswith("cross-stack")}

    before, after = told(stacks("sandbox")), told(stacks("sandbox", data_volume=A_VOLUME))
    assert before - after == {"${aws_instance.Machine.id}"}
    assert after - before == {"${aws_ebs_volume.Data.id}"}


def test_each_node_has_its_own_and_a_pool_may_have_another() -> None:
    workers = {"web": {"count": 2, "data_volume": {"size_gib": 200, "type": "st1"}}}
    document = stacks(SWARM, data_volume=A_VOLUME, machines={"managers": 3, "workers": workers})[
        "aws"
    ]
    found = {
        v["tags"]["data-volume"]: (v["tags"]["Name"].rsplit("swarm-")[-1], v["type"], v["size"])
        for v in document["resource"]["aws_ebs_volume"].values()
    }
    assert found == {
        "manager-1": ("manager-1-data", "gp3", 20),
        "manager-2": ("manager-2-data", "gp3", 20),
        "manager-3": ("manager-3-data", "gp3", 20),
        "web-1": ("web-1-data", "st1", 200),
        "web-2": ("web-2-data", "st1", 200),
    }
    # A destruction that spares them must not reach them by what they depend on.
    subnets = [body["id"] for body in document["data"]["aws_subnet"].values()]
    assert not any("aws_network_interface" in subnet for subnet in subnets)


@pytest.mark.parametrize("name", ["sandbox", SWARM])
def test_without_the_setting_there_is_none(name: str) -> None:
    found = counts(stacks(name)["aws"])
    assert [kind for kind in found if "volume" in kind] == []
