"""The AWS stack of several machines: how many of what, where each stands, and in what order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from project_stacks import (
    SWARM,
    environment_of,
    fixed_identity,
    settings_of,
    synthesize,
    synthesized,
)
from synthesis import Json, counts, words_of

from constructs_lib.settings.nodes import nodes_of
from constructs_lib.settings.settings import Settings

NAMES = ["manager-1", "manager-2", "manager-3", "web-1", "web-2"]


def changed(*, swarm: bool | None = None, replicas: int = 3, **aws: object) -> Json:
    """Synthesize the swarm with other keys under `aws`, and so many tasks of the page."""
    document = settings_of(SWARM).model_dump(mode="json", exclude_unset=True)
    document["aws"].update(aws)
    document["variables"]["WEB_REPLICAS"] = str(replicas)
    if swarm is not None:
        document["swarm"] = swarm
    environment, settings = environment_of(SWARM), Settings.model_validate(document)
    return synthesize(environment, settings, fixed_identity(environment, settings))["aws"]


def of_each(document: Json, kind: str, part: str) -> dict[str, Any]:
    """Return a resource of each node, by the node's name."""
    found = document["resource"][kind]
    return {
        name.removeprefix("Nodes_").removesuffix(f"_{part}"): item
        for name, item in found.items()
        if name.startswith("Nodes_")
    }


def test_it_is_exactly_these_resources() -> None:
    assert counts(synthesized(SWARM)["aws"]) == {
        "aws_eip": 5,
        "aws_instance": 5,
        "aws_key_pair": 1,
        "aws_network_interface": 5,
        "aws_security_group": 4,
        "aws_vpc_security_group_egress_rule": 8,
        "aws_vpc_security_group_ingress_rule": 12,
        "data.aws_ami": 1,
        "data.aws_subnets": 1,
        "terraform_data": 17,
    }


def test_only_its_own_machines_reach_what_the_swarm_speaks() -> None:
    rules = synthesized(SWARM)["aws"]["resource"]["aws_vpc_security_group_ingress_rule"]
    own = "${aws_security_group.AllowSwarm.id}"
    of_the_swarm = [rule for rule in rules.values() if rule["security_group_id"] == own]
    found = [
        (rule["ip_protocol"], rule.get("from_port"), rule.get("to_port")) for rule in of_the_swarm
    ]
    assert sorted(found, key=str) == [
        ("50", None, None),
        ("tcp", 2377, 2377),
        ("tcp", 5000, 5000),
        ("tcp", 7946, 7946),
        ("udp", 4789, 4789),
        ("udp", 7946, 7946),
    ]
    for rule in of_the_swarm:
        assert rule["referenced_security_group_id"] == own
        assert not {"cidr_ipv4", "cidr_ipv6"} & set(rule)
    others = [rule for rule in rules.values() if rule not in of_the_swarm]
    assert not [rule for rule in others if "referenced_security_group_id" in rule]


def test_each_machine_is_in_every_group_by_an_interface_that_outlives_it() -> None:
    document = synthesized(SWARM)["aws"]
    interfaces = of_each(document, "aws_network_interface", "Interface")
    assert list(interfaces) == NAMES
    groups = ("AllowSsh", "AllowDocker", "AllowAllHttpHttps", "AllowSwarm")
    for interface in interfaces.values():
        assert interface["security_groups"] == [f"${{aws_security_group.{g}.id}}" for g in groups]
    for name, machine in of_each(document, "aws_instance", "Machine").items():
        own = f"${{aws_network_interface.Nodes_{name}_Interface.id}}"
        assert machine["network_interface"] == [{"device_index": 0, "network_interface_id": own}]
        assert machine["tags"] == {"Name": f"moor-swarm-swarm-{name}"}
    for name, address in of_each(document, "aws_eip", "Address").items():
        own = f"${{aws_network_interface.Nodes_{name}_Interface.id}}"
        assert (address["network_interface"], address.get("instance")) == (own, None)


def test_machines_stand_in_the_zones_of_the_default_network_by_turns() -> None:
    interfaces = of_each(synthesized(SWARM)["aws"], "aws_network_interface", "Interface")
    ids = "sort(data.aws_subnets.Subnets.ids)"
    assert {name: i["subnet_id"] for name, i in interfaces.items()} == {
        name: f"${{element({ids}, {place})}}"
        for name, place in zip(NAMES, [0, 1, 2, 0, 1], strict=True)
    }


def test_machines_stand_in_the_named_subnets_by_turns() -> None:
    subnets = ["subnet-0000000a", "subnet-0000000b"]
    document = changed(network={"vpc_id": "vpc-0123456789abcdef0", "subnets": subnets})
    interfaces = of_each(document, "aws_network_interface", "Interface")
    assert [i["subnet_id"][-1] for i in interfaces.values()] == ["a", "b", "a", "a", "b"]
    assert not [i for i in interfaces.values() if "lifecycle" in i]
    assert "aws_subnets" not in document["data"]


def test_each_distinct_image_is_looked_up_once() -> None:
    workers = {
        "web": {"count": 2},
        "arm": {"count": 2, "image": {"architecture": "arm64"}, "instance_type": "t4g.small"},
        "fixed": {"count": 1, "image": {"id": "ami-0123456789abcdef0"}},
    }
    document = changed(machines={"managers": 1, "workers": workers})
    assert list(document["data"]["aws_ami"]) == ["Images_arm", "Images_manager"]
    machines = of_each(document, "aws_instance", "Machine")
    assert {name: (m["ami"], m["instance_type"]) for name, m in machines.items()} == {
        "manager-1": ("${data.aws_ami.Images_manager.id}", "t3.small"),
        "web-1": ("${data.aws_ami.Images_manager.id}", "t3.small"),
        "web-2": ("${data.aws_ami.Images_manager.id}", "t3.small"),
        "arm-1": ("${data.aws_ami.Images_arm.id}", "t4g.small"),
        "arm-2": ("${data.aws_ami.Images_arm.id}", "t4g.small"),
        "fixed-1": ("ami-0123456789abcdef0", "t3.small"),
    }


def test_machines_share_the_key_pair_or_have_the_one_that_is_there() -> None:
    machines = of_each(synthesized(SWARM)["aws"], "aws_instance", "Machine").values()
    assert {machine["key_name"] for machine in machines} == {"${aws_key_pair.KeyPair.key_name}"}


def test_the_client_changes_after_every_api_and_before_anybody_is_a_member() -> None:
    steps = synthesized(SWARM)["aws"]["resource"]["terraform_data"]
    assert steps["Certificates"]["depends_on"] == [
        f"terraform_data.Nodes_{name}_DockerApi" for name in NAMES
    ]
    members = {name: s for name, s in steps.items() if name.startswith("Swarm_Nodes_")}
    assert sorted(members) == [f"Swarm_Nodes_{name}" for name in NAMES]
    assert all("terraform_data.Certificates" in s["depends_on"] for s in members.values())
    for name in NAMES:
        provisioners = steps[f"Nodes_{name}_DockerApi"]["provisioner"]
        local = [words_of(p["local-exec"]) for p in provisioners if "local-exec" in p]
        assert local[1][-2:] == ["--node", name]
        assert local[2][-1] == "--keep"


def test_labels_and_the_private_address_reach_the_membership() -> None:
    step = synthesized(SWARM)["aws"]["resource"]["terraform_data"]["Swarm_Nodes_web-1"]
    assert step["triggers_replace"] == {
        "machine": "${aws_instance.Nodes_web-1_Machine.id}",
        "private_address": "${aws_network_interface.Nodes_web-1_Interface.private_ip}",
        "role": "worker",
        "labels": '["tier=web"]',
    }


def test_no_machine_reboots_by_itself() -> None:
    for machine in of_each(synthesized(SWARM)["aws"], "aws_instance", "Machine").values():
        assert "REBOOT_STRATEGY=off" in machine["user_data"]
        assert '"live-restore": false' in machine["user_data"]
        assert "-----BEGIN" not in machine["user_data"]


def test_the_outputs_are_the_first_managers_and_each_machines() -> None:
    found = {
        name: output["value"]
        for name, output in synthesized(SWARM)["aws"]["output"].items()
        if not name.startswith("cross-stack-output")
    }
    address = "${{aws_eip.Nodes_{}_Address.public_ip}}".format
    assert sorted(found) == ["docker_host", "nodes", "public_ip", "public_ips", "ssh"]
    assert found["public_ip"] == address("manager-1")
    assert found["docker_host"] == f"tcp://{address('manager-1')}:2376"
    assert found["public_ips"] == {name: address(name) for name in NAMES}
    assert found["ssh"] == found["nodes"]["manager-1"]["ssh"]
    assert list(found["nodes"]) == NAMES
    one = dict(found["nodes"]["web-2"])
    assert one.pop("ssh").endswith(f"core@{address('web-2')}")
    assert one == {
        "public_ip": address("web-2"),
        "private_ip": "${aws_network_interface.Nodes_web-2_Interface.private_ip}",
        "instance_id": "${aws_instance.Nodes_web-2_Machine.id}",
    }


def test_a_load_balancer_leads_each_port_to_every_machine() -> None:
    document = changed(load_balancer={"ports": [80, 443]})
    found = {kind: n for kind, n in counts(document).items() if "lb" in kind or "vpc" in kind}
    assert found == {
        "aws_lb": 1,
        "aws_lb_listener": 2,
        "aws_lb_target_group": 2,
        "aws_lb_target_group_attachment": 10,
        "aws_vpc_security_group_egress_rule": 8,
        # The balancer is in the group, and comes to the machines' ports from there.
        "aws_vpc_security_group_ingress_rule": 14,
        "data.aws_vpc": 1,
    }
    web = "${aws_security_group.AllowAllHttpHttps.id}"
    rules = document["resource"]["aws_vpc_security_group_ingress_rule"].values()
    assert [r["from_port"] for r in rules if r.get("referenced_security_group_id") == web] == [
        *(443, 80)
    ]
    output = document["output"]["load_balancer"]["value"]
    assert output == "${aws_lb.LoadBalancer.dns_name}"
    (provider,) = document["provider"]["aws"]
    assert provider["endpoints"][0]["elbv2"] == "http://127.0.0.1:4628"
    (plain,) = synthesized(SWARM)["aws"]["provider"]["aws"]
    assert "elbv2" not in plain["endpoints"][0]


def test_a_swarm_of_one_machine_is_a_swarm() -> None:
    document = changed(swarm=True, replicas=1, machines={"managers": 1})
    found = counts(document)
    assert (found["aws_instance"], found["aws_network_interface"]) == (1, 1)
    assert "AllowSwarm" in document["resource"]["aws_security_group"]


@pytest.mark.parametrize("more", [1, 3])
def test_a_pool_that_grows_changes_no_other_machine(more: int) -> None:
    machines: dict[str, Any] = {"managers": 3, "workers": {"web": {"count": 2 + more}}}
    before, after = synthesized(SWARM)["aws"]["resource"], changed(machines=machines)["resource"]
    for kind in ("aws_instance", "aws_network_interface", "aws_eip"):
        assert {name: after[kind][name] for name in before[kind]} == before[kind]
        assert len(after[kind]) == len(before[kind]) + more


def test_each_further_machine_adds_as_much_as_the_one_before() -> None:
    sizes = [
        len(json.dumps(changed(machines={"managers": 3, "workers": {"web": {"count": count}}})))
        for count in (10, 20, 40)
    ]
    growth = (sizes[1] - sizes[0]) / 10, (sizes[2] - sizes[1]) / 20
    # Names of two digits are a little longer than those of one.
    assert growth[1] == pytest.approx(growth[0], rel=0.02)
    assert growth[0] < 25_000


def test_the_project_has_a_swarm_of_three_managers_and_two_workers() -> None:
    assert [node.name for node in nodes_of(settings_of(SWARM))] == NAMES
