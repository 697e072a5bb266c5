"""What a plan changes of the monthly bill."""

from __future__ import annotations

from typing import Any

from price_table import PRICES
from settings_files import document

from constructs_lib.settings.settings import Settings
from moor.cost import difference

ROOT = {"volume_size": 20, "volume_type": "gp3", "iops": 3000, "throughput": 125}
MACHINE = {"instance_type": "t3.small", "root_block_device": [ROOT]}


def resource(kind: str, before: object, after: object, **more: object) -> dict[str, Any]:
    return {"type": kind, "mode": "managed", "change": {"before": before, "after": after}, **more}


def told(*resources: dict[str, Any]) -> str:
    return difference.told({"resource_changes": list(resources)}, "eu-central-1", PRICES)


def test_a_first_deployment_costs_all_of_it() -> None:
    assert (
        told(
            resource("aws_instance", None, MACHINE),
            resource("aws_eip", None, {"domain": "vpc"}),
            resource("aws_lb", None, {"load_balancer_type": "network"}),
            resource("aws_security_group", None, {"name": "x"}),
        )
        == "+ 42.15 USD a month (list prices of 2026-01-02, without traffic)"
    )


def test_a_larger_disk_costs_more_and_what_stays_is_not_counted() -> None:
    larger = {**MACHINE, "root_block_device": [{**ROOT, "volume_size": 52}]}
    assert (
        told(
            resource("aws_instance", MACHINE, larger),
            resource("aws_eip", {"domain": "vpc"}, {"domain": "vpc"}),
        )
        == "+ 3.20 USD a month (list prices of 2026-01-02, without traffic)"
    )


def test_a_data_volume_is_counted_with_its_operations_and_throughput() -> None:
    volume = {"size": 50, "type": "gp3", "iops": 4000, "throughput": 250}
    assert told(resource("aws_ebs_volume", volume, {**volume, "size": 60})).startswith("+ 1.00 USD")
    assert told(resource("aws_ebs_volume", None, volume)).startswith("+ 17.25 USD a month")


def test_a_destruction_costs_less_than_nothing() -> None:
    assert told(resource("aws_instance", MACHINE, None)).startswith("- 16.60 USD a month")


def test_a_replacement_by_the_same_and_what_is_read_change_nothing() -> None:
    assert (
        told(
            resource("aws_instance", MACHINE, MACHINE),
            resource("aws_eip", None, {"domain": "vpc"}, mode="data"),
        )
        == ""
    )


def test_what_the_table_lacks_is_told_instead_of_guessed() -> None:
    large = {**MACHINE, "instance_type": "m5.large"}
    assert told(resource("aws_instance", None, large)) == (
        "+ 2.00 USD a month (list prices of 2026-01-02, without traffic); "
        "not in the table of prices: instance m5.large, see https://calculator.aws"
    )
    assert told(resource("aws_instance", large, {**large, "instance_type": "m5.xlarge"})) == (
        "not in the table of prices: instance m5.large, instance m5.xlarge, "
        "see https://calculator.aws"
    )


def test_what_is_not_known_before_it_is_there_is_not_counted() -> None:
    assert told(resource("aws_instance", None, {"root_block_device": [{}]})) == ""


def test_a_sandbox_costs_nothing() -> None:
    plan = {"resource_changes": [resource("aws_instance", None, MACHINE)]}
    real = Settings.model_validate(document())
    sandbox = Settings.model_validate({**document(), "sandbox": {}})
    assert difference.of(sandbox, plan) == ""
    assert difference.of(real, plan).startswith("+ 19.42 USD a month (list prices of 2022-09-03")
