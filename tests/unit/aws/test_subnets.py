"""Subnets: by turns, whether they are named or looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf import TerraformOutput
from synthesis import counts, synth_of

from constructs_lib.aws.subnets import DefaultSubnets, NamedSubnets

if TYPE_CHECKING:
    from cdktf import TerraformStack


def test_named_ones_come_by_turns() -> None:
    subnets = NamedSubnets(["a", "b"])
    assert [subnets.at(place) for place in range(5)] == ["a", "b", "a", "b", "a"]
    assert subnets.every == ("a", "b")


def test_the_default_vpcs_are_looked_up_once_and_have_one_order() -> None:
    def define(stack: TerraformStack) -> None:
        subnets = DefaultSubnets(stack, "Subnets")
        for place in (0, 4):
            TerraformOutput(stack, f"at{place}", value=subnets.at(place))

    document = synth_of(define)
    assert counts(document) == {"data.aws_subnets": 1}
    assert document["data"]["aws_subnets"]["Subnets"] == {
        "filter": [{"name": "default-for-az", "values": ["true"]}]
    }
    # `element` counts round and round by itself: nobody knows here how many zones there are.
    assert [output["value"] for output in document["output"].values()] == [
        f"${{element(sort(data.aws_subnets.Subnets.ids), {place})}}" for place in (0, 4)
    ]
