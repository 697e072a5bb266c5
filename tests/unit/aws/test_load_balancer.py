"""The load balancer: where it stands, what it leads where, and what it asks the machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from synthesis import Json, counts, new_stack, plain_machine, synth_of

from constructs_lib.aws.load_balancer import LoadBalancer
from constructs_lib.aws.security_group import SecurityGroup
from constructs_lib.aws.subnets import DefaultSubnets, NamedSubnets

if TYPE_CHECKING:
    from cdktf import TerraformStack

VPC = "vpc-0123456789abcdef0"


def define(stack: TerraformStack, **changes: Any) -> LoadBalancer:  # noqa: ANN401
    machine = plain_machine(stack)
    group = SecurityGroup(stack, "Web", name="g", display_name="g", description="g", ingress=[])
    arguments: dict[str, Any] = {
        "name": "trial",
        "ports": [80],
        "machines": {"web-1": machine},
        "subnets": NamedSubnets(["subnet-a", "subnet-b"]),
        "security_group": group,
        "vpc_id": VPC,
        **changes,
    }
    return LoadBalancer(stack, "Balancer", **arguments)


def balancer(**changes: Any) -> Json:  # noqa: ANN401
    return synth_of(lambda stack: define(stack, **changes))


def test_it_is_exactly_this() -> None:
    found = balancer()["resource"]
    assert found["aws_lb"] == {
        "Balancer": {
            "load_balancer_type": "network",
            "security_groups": ["${aws_security_group.Web.id}"],
            "subnets": ["subnet-a", "subnet-b"],
            "enable_cross_zone_load_balancing": True,
            "tags": {"Name": "trial"},
        }
    }
    assert found["aws_lb_target_group"] == {
        "Balancer_Ports_80_Targets": {
            "port": 80,
            "protocol": "TCP",
            "target_type": "instance",
            "vpc_id": VPC,
            "health_check": {
                "protocol": "TCP",
                "interval": 10,
                "healthy_threshold": 2,
                "unhealthy_threshold": 2,
            },
            "tags": {"Name": "trial-80"},
        }
    }
    targets = "${aws_lb_target_group.Balancer_Ports_80_Targets.arn}"
    assert found["aws_lb_listener"] == {
        "Balancer_Ports_80_Listener": {
            "load_balancer_arn": "${aws_lb.Balancer.arn}",
            "port": 80,
            "protocol": "TCP",
            "default_action": [{"type": "forward", "target_group_arn": targets}],
        }
    }
    assert found["aws_lb_target_group_attachment"] == {
        "Balancer_Ports_80_Machines_web-1": {
            "target_group_arn": targets,
            "target_id": "${aws_instance.Machine.id}",
        }
    }


def test_in_the_default_network_it_looks_for_all_subnets_and_the_vpc() -> None:
    def looked_up(stack: TerraformStack) -> None:
        define(stack, subnets=DefaultSubnets(stack, "Subnets"), vpc_id=None)

    document = synth_of(looked_up)
    (found,) = document["resource"]["aws_lb"].values()
    assert found["subnets"] == "${data.aws_subnets.Subnets.ids}"
    assert document["data"]["aws_vpc"] == {"Balancer_Vpc": {"default": True}}
    (targets,) = document["resource"]["aws_lb_target_group"].values()
    assert targets["vpc_id"] == "${data.aws_vpc.Balancer_Vpc.id}"


def test_each_port_has_a_listener_and_targets_of_its_own() -> None:
    found = counts(balancer(ports=[80, 443]))
    assert (found["aws_lb_listener"], found["aws_lb_target_group"]) == (2, 2)
    assert found["aws_lb_target_group_attachment"] == 2


@pytest.mark.parametrize("nothing", [{"ports": []}, {"machines": {}}])
def test_it_fails_when_there_is_nothing_to_balance(nothing: dict[str, Any]) -> None:
    stack = new_stack()
    with pytest.raises(ValueError, match="load balancer") as caught:
        define(stack, **nothing)
    assert str(caught.value) == (
        "load balancer trial: must have a port and a machine, got none of one of them"
    )
    assert stack.node.try_find_child("Balancer") is None
