"""What the groups' rules let in on the machines' own addresses, tried with packets."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from trial_sandbox import SETTINGS, as_nobody, client, is_open, make_sandbox, needs_root, running

from sandbox.engine.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

    from sandbox.lifecycle import Sandbox

# Its sandbox has the ports and networks of other modules.
pytestmark = pytest.mark.alone

HERE = "127.0.0.0/8"
LISTEN = """
listen() { socat -t 5 "$1" SYSTEM:'read line; echo there' & }
for port in 22 2377 7946; do listen "TCP4-LISTEN:$port,fork,reuseaddr"; done
for port in 4789 7946; do listen "UDP4-RECVFROM:$port,fork"; done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two machines, each in a group of its own, and both in one that nothing opens.

    Attributes:
        sandbox: The sandbox.
        ec2: Its client.
        groups: The groups' ids: one a machine, and the common one.
        machines: The machines' containers.
        addresses: Their own addresses.
    """

    sandbox: Sandbox
    ec2: Any
    groups: tuple[str, str, str]
    machines: tuple[Container, Container]
    addresses: tuple[str, str]

    def rule(self, action: str, group: str, **permission: object) -> None:
        """Authorize or revoke a rule."""
        method = getattr(self.ec2, f"{action}_security_group_ingress")
        method(GroupId=group, IpPermissions=[permission])

    def reaches(self, port: int, *, protocol: str = "TCP4") -> bool:
        """Tell whether the second machine gets an answer of the first one."""
        to = f"{protocol}:{self.addresses[0]}:{port}"
        command = ["sh", "-c", f"echo | timeout 6 socat -t 4 - {to},connect-timeout=2"]
        if protocol == "UDP4":
            command = ["sh", "-c", f"echo | timeout 6 socat -t 4 - {to}"]
        _, output = self.machines[1].exec_run(command)
        assert isinstance(output, bytes)
        return b"there" in output

    def loaded(self, machine: int) -> str:
        """Return the rules that a machine has."""
        _, output = self.machines[machine].exec_run(["iptables", "-t", "mangle", "-S"])
        assert isinstance(output, bytes)
        return output.decode()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Run two machines; the first one listens."""
    with running(make_sandbox()) as sandbox:
        ec2 = client(sandbox, "ec2")
        image = ec2.describe_images(Owners=["075585003325"])["Images"][0]["ImageId"]
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        groups = [
            ec2.create_security_group(GroupName=name, Description="trial", VpcId=vpc)["GroupId"]
            for name in ("first", "second", "both")
        ]
        docker = connect(sandbox.status().engine_url)
        machines = []
        for own in groups[:2]:
            answer = ec2.run_instances(
                ImageId=image,
                InstanceType="t3.small",
                MinCount=1,
                MaxCount=1,
                SecurityGroupIds=[own, groups[2]],
            )
            name = f"moor-sandbox-test-{answer['Instances'][0]['InstanceId']}"
            machines.append(docker.containers.get(name))
        machines[0].exec_run(["systemctl", "stop", "sshd.socket"])
        machines[0].exec_run(["sh", "-c", LISTEN], detach=True)
        time.sleep(1)
        addresses = [i.private_address or "" for i in sandbox.status().instances]
        yield Pair(
            sandbox=sandbox,
            ec2=ec2,
            groups=(groups[0], groups[1], groups[2]),
            machines=(machines[0], machines[1]),
            addresses=(addresses[0], addresses[1]),
        )
        docker.close()


@needs_root
def test_a_machines_own_address_is_no_way_in_for_this_computers_users(pair: Pair) -> None:
    everywhere = [{"CidrIp": "0.0.0.0/0"}]
    pair.rule("authorize", pair.groups[0], IpProtocol="-1", IpRanges=everywhere)
    try:
        assert pair.reaches(22)
        for port in (22, 2377, 7946):
            assert not is_open(pair.addresses[0], port)
        url = f"telnet://{pair.addresses[0]}:22"
        assert as_nobody("curl", "-sS", "--max-time", "2", url).stdout == ""
    finally:
        pair.rule("revoke", pair.groups[0], IpProtocol="-1", IpRanges=everywhere)


def test_without_a_rule_machines_do_not_reach_each_other(pair: Pair) -> None:
    for port in (22, 2377):
        assert not pair.reaches(port)
    assert not pair.reaches(4789, protocol="UDP4")


def test_a_group_as_the_source_lets_its_members_in_and_only_there(pair: Pair) -> None:
    first, second, both = pair.groups
    for source, reached in ((second, True), (both, True), (first, False)):
        source_group = [{"GroupId": source}]
        rules = (("tcp", 2377, 2377), ("tcp", 7946, 7946), ("udp", 7946, 7946), ("udp", 4789, 4789))
        permissions = [
            {
                "IpProtocol": protocol,
                "FromPort": low,
                "ToPort": high,
                "UserIdGroupPairs": source_group,
            }
            for protocol, low, high in rules
        ]
        pair.ec2.authorize_security_group_ingress(GroupId=first, IpPermissions=permissions)
        try:
            for protocol, port, _ in rules:
                assert pair.reaches(port, protocol=f"{protocol.upper()}4") is reached, source
            assert not pair.reaches(22)
        finally:
            pair.ec2.revoke_security_group_ingress(GroupId=first, IpPermissions=permissions)
        assert not pair.reaches(2377)


@pytest.mark.parametrize(
    ("cidr", "reached"),
    [(str(SETTINGS.subnet), True), ("203.0.113.0/24", False), (HERE, False)],
)
def test_a_network_as_the_source_is_honoured(pair: Pair, cidr: str, reached: bool) -> None:  # noqa: FBT001
    permission = {
        "IpProtocol": "tcp",
        "FromPort": 2370,
        "ToPort": 2379,
        "IpRanges": [{"CidrIp": cidr}],
    }
    pair.rule("authorize", pair.groups[0], **permission)
    try:
        assert pair.reaches(2377) is reached
        assert not pair.reaches(7946)
    finally:
        pair.rule("revoke", pair.groups[0], **permission)
    assert not pair.reaches(2377)


def test_a_gate_is_for_this_computer_and_not_for_machines(pair: Pair) -> None:
    permission = {
        "IpProtocol": "tcp",
        "FromPort": 2377,
        "ToPort": 2377,
        "IpRanges": [{"CidrIp": HERE}],
    }
    pair.rule("authorize", pair.groups[0], **permission)
    eip = pair.ec2.allocate_address(Domain="vpc")
    instance = pair.sandbox.status().instances[0].id
    association = pair.ec2.associate_address(InstanceId=instance, AllocationId=eip["AllocationId"])[
        "AssociationId"
    ]
    try:
        answer = subprocess.run(
            ["curl", "-sS", "--max-time", "3", f"telnet://{eip['PublicIp']}:2377"],
            input="\n",
            check=False,
            capture_output=True,
            text=True,
        )
        assert answer.stdout == "there\n", answer.stderr
        docker = connect(pair.sandbox.status().engine_url)
        labels = [f"moor.instance={instance}", "moor.role=gate"]
        (gate,) = docker.containers.list(filters={"label": labels})
        networks = gate.attrs["NetworkSettings"]["Networks"]
        own = networks["moor-sandbox-test"]["IPAddress"]
        docker.close()
        _, output = pair.machines[1].exec_run(
            ["sh", "-c", f"echo | timeout 6 socat -t 4 - TCP4:{own}:2377"]
        )
        assert b"there" not in output
    finally:
        pair.ec2.disassociate_address(AssociationId=association)
        pair.ec2.release_address(AllocationId=eip["AllocationId"])
        pair.rule("revoke", pair.groups[0], **permission)


def asked(address: str, port: int, times: int = 1) -> list[bytes]:
    """Ask a UDP port of this computer's, from a socket of its own each time; no answer is none."""
    answers = []
    for _ in range(times):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(2)
            sender.connect((address, port))
            with contextlib.suppress(OSError):
                sender.send(b"\n")
                answers.append(sender.recv(100))
    return answers


def test_udp_is_answered_through_the_public_address_while_a_rule_says_so(pair: Pair) -> None:
    permission = {
        "IpProtocol": "udp",
        "FromPort": 4780,
        "ToPort": 4790,
        "IpRanges": [{"CidrIp": HERE}],
    }
    sctp = {"IpProtocol": "132", "IpRanges": [{"CidrIp": HERE}]}
    eip = pair.ec2.allocate_address(Domain="vpc")
    instance = pair.sandbox.status().instances[0].id
    pair.ec2.associate_address(InstanceId=instance, AllocationId=eip["AllocationId"])
    try:
        assert asked(eip["PublicIp"], 4789) == []
        pair.rule("authorize", pair.groups[0], **permission)
        pair.rule("authorize", pair.groups[0], **sctp)
        assert asked(eip["PublicIp"], 4789, times=5) == [b"there\n"] * 5
        # In the rule nobody listens there, and outside of it somebody does.
        assert asked(eip["PublicIp"], 4785) == asked(eip["PublicIp"], 7946) == []
        (status,) = [i for i in pair.sandbox.status().instances if i.id == instance]
        assert (status.ports, status.udp_ports) == ((), tuple(range(4780, 4791)))
        pair.rule("revoke", pair.groups[0], **permission)
        assert asked(eip["PublicIp"], 4789) == []
        log = pair.sandbox.log_file.read_text()
        assert f"{instance}: SCTP from {HERE}: not opened" in log
        pair.rule("revoke", pair.groups[0], **sctp)
    finally:
        pair.ec2.disassociate_address(PublicIp=eip["PublicIp"])
        pair.ec2.release_address(AllocationId=eip["AllocationId"])


def test_protocol_50_is_a_rule_like_others(pair: Pair) -> None:
    first, second, _ = pair.groups
    permission = {"IpProtocol": "50", "UserIdGroupPairs": [{"GroupId": second}]}
    pair.rule("authorize", first, **permission)
    try:
        filters = [{"Name": "group-id", "Values": [first]}]
        rules = pair.ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
        (rule,) = (r for r in rules if r["IpProtocol"] == "50")
        assert (rule["FromPort"], rule["ToPort"]) == (-1, -1)
        assert f"-s {pair.addresses[1]}/32 -p esp -j RETURN" in pair.loaded(0)
    finally:
        pair.rule("revoke", first, **permission)


def test_the_rules_are_there_before_anything_listens_after_a_reboot(pair: Pair) -> None:
    instance = pair.sandbox.status().instances[1].id
    pair.ec2.reboot_instances(InstanceIds=[instance])
    assert "-A PREROUTING -i eth0 -j MOOR-SANDBOX" in pair.loaded(1)
    assert pair.loaded(1).rstrip().endswith("-A MOOR-SANDBOX -j DROP")
