"""Several machines: on interfaces that outlive them, and as a Swarm by the rules of one group."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from trial_sandbox import SETTINGS, client, is_open, make_sandbox, running, wait_for

from sandbox.engine.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

    from sandbox.lifecycle import Sandbox

HERE = "127.0.0.0/8"
SSH = 22
# Its sandbox has the ports and networks of other modules.
pytestmark = pytest.mark.alone

CERTAIN = str(SETTINGS.subnet[50])

MANAGERS = ("tcp", 2377)
GOSSIP = (("tcp", 7946), ("udp", 7946))
VXLAN = ("udp", 4789)
ESP = ("50", None)

USER_DATA = """\
#cloud-config
write_files:
  - path: /etc/docker/daemon.json
    content: '{"live-restore": false}'
"""
"""A swarm's engine must not be one whose containers live on without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine on an interface of its own.

    Attributes:
        machine: The machine's container.
        address: The address that the API tells.
    """

    machine: Container
    address: str

    def run(self, command: str) -> tuple[int, str]:
        """Run a command as root. Returns its status and what it said."""
        status, output = self.machine.exec_run(["sh", "-c", command])
        assert isinstance(output, bytes)
        return int(status or 0), output.decode().strip()

    def output(self, command: str) -> str:
        """Run a command that must succeed. Returns what it said."""
        status, output = self.run(command)
        assert status == 0, output
        return output


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """What the tests share.

    Attributes:
        sandbox: The running sandbox.
        ec2: Its EC2 client.
        subnets: The default subnets, by zone.
        swarm: A group whose rules name itself.
        ssh: A group that opens SSH to us.
    """

    sandbox: Sandbox
    ec2: Any
    subnets: dict[str, str]
    swarm: str
    ssh: str

    def interface(self, zone: str, *groups: str, address: str | None = None) -> dict[str, Any]:
        """Make an interface."""
        wanted = {} if address is None else {"PrivateIpAddress": address}
        made: dict[str, Any] = self.ec2.create_network_interface(
            SubnetId=self.subnets[zone], Groups=list(groups), **wanted
        )["NetworkInterface"]
        return made

    def describe(self, interface: str) -> dict[str, Any]:
        """Return what the API tells of an interface."""
        answer = self.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])
        found: dict[str, Any] = answer["NetworkInterfaces"][0]
        return found

    def run(self, interface: str) -> dict[str, Any]:
        """Run an instance on an interface. Returns what the API tells of it."""
        image = self.ec2.describe_images(Owners=["075585003325"])["Images"][0]["ImageId"]
        instance = self.ec2.run_instances(
            ImageId=image,
            InstanceType="t3.small",
            MinCount=1,
            MaxCount=1,
            UserData=USER_DATA,
            NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": interface}],
        )["Instances"][0]["InstanceId"]
        answer = self.ec2.describe_instances(InstanceIds=[instance])
        found: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
        return found

    def rules(self, action: str, *rules: tuple[str, int | None]) -> None:
        """Authorize or revoke rules of the swarm's group, for its members."""
        members = [{"GroupId": self.swarm}]
        permissions = [
            {"IpProtocol": protocol, "UserIdGroupPairs": members}
            | ({} if port is None else {"FromPort": port, "ToPort": port})
            for protocol, port in rules
        ]
        method = getattr(self.ec2, f"{action}_security_group_ingress")
        method(GroupId=self.swarm, IpPermissions=permissions)

    def machine(self, instance: str) -> Container:
        """Return an instance's container."""
        docker = connect(self.sandbox.status().engine_url)
        return docker.containers.get(f"moor-sandbox-test-{instance}")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Start a sandbox with two groups; the swarm's has no rules yet."""
    with running(make_sandbox()) as sandbox:
        ec2 = client(sandbox, "ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        swarm, ssh = (
            ec2.create_security_group(GroupName=name, Description="trial", VpcId=vpc)["GroupId"]
            for name in ("swarm", "ssh")
        )
        permission = {
            "IpProtocol": "tcp",
            "FromPort": SSH,
            "ToPort": SSH,
            "IpRanges": [{"CidrIp": HERE}],
        }
        ec2.authorize_security_group_ingress(GroupId=ssh, IpPermissions=[permission])
        default = [{"Name": "default-for-az", "Values": ["true"]}]
        subnets = ec2.describe_subnets(Filters=default)["Subnets"]
        yield Cloud(
            sandbox=sandbox,
            ec2=ec2,
            subnets={subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in subnets},
            swarm=swarm,
            ssh=ssh,
        )


def test_there_are_default_subnets_in_several_zones(cloud: Cloud) -> None:
    assert sorted(cloud.subnets) == ["eu-central-1a", "eu-central-1b", "eu-central-1c"]


def refusal(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_an_interface_outlives_the_machines_on_it(cloud: Cloud) -> None:
    ec2 = cloud.ec2
    interface = cloud.interface("eu-central-1b", cloud.ssh, address=CERTAIN)["NetworkInterfaceId"]
    with pytest.raises(ClientError) as caught:
        cloud.interface("eu-central-1a", address=CERTAIN)
    assert refusal(caught) == "InvalidIPAddress.InUse"
    eip = ec2.allocate_address(Domain="vpc")
    public, allocation = eip["PublicIp"], eip["AllocationId"]
    ec2.associate_address(NetworkInterfaceId=interface, AllocationId=allocation)

    first = cloud.run(interface)
    assert (first["PrivateIpAddress"], first["PublicIpAddress"]) == (CERTAIN, public)
    assert first["Placement"]["AvailabilityZone"] == "eu-central-1b"
    assert [group["GroupId"] for group in first["SecurityGroups"]] == [cloud.ssh]
    assert is_open(public, SSH)
    for refused in (cloud.run, lambda i: ec2.delete_network_interface(NetworkInterfaceId=i)):
        with pytest.raises(ClientError) as caught:
            refused(interface)
        assert refusal(caught) in {"InvalidNetworkInterface.InUse", "InvalidParameterValue"}

    ec2.terminate_instances(InstanceIds=[first["InstanceId"]])
    left = cloud.describe(interface)
    assert (left["Status"], left["PrivateIpAddress"]) == ("available", CERTAIN)
    assert "Attachment" not in left
    assert left["Association"]["PublicIp"] == public
    assert not is_open(public, SSH)

    second = cloud.run(interface)
    assert second["PrivateIpAddress"] == CERTAIN
    (address,) = ec2.describe_addresses(AllocationIds=[allocation])["Addresses"]
    assert (address["InstanceId"], address["NetworkInterfaceId"]) == (
        second["InstanceId"],
        interface,
    )
    # It knew its public address when it booted.
    _, told = cloud.machine(second["InstanceId"]).exec_run(["cat", "/etc/environment"])
    assert isinstance(told, bytes)
    assert f"COREOS_PUBLIC_IPV4={public}\n" in told.decode()
    # The interface's groups are the machine's.
    change = ec2.modify_network_interface_attribute
    assert is_open(public, SSH)
    change(NetworkInterfaceId=interface, Groups=[cloud.swarm])
    assert not is_open(public, SSH)
    change(NetworkInterfaceId=interface, Groups=[cloud.swarm, cloud.ssh])
    assert is_open(public, SSH)

    ec2.terminate_instances(InstanceIds=[second["InstanceId"]])
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.release_address(AllocationId=allocation)
    again = cloud.interface("eu-central-1a", address=CERTAIN)["NetworkInterfaceId"]
    ec2.delete_network_interface(NetworkInterfaceId=again)


@pytest.fixture(scope="module")
def nodes(cloud: Cloud) -> tuple[Node, Node]:
    """Run two machines in two zones, both in the swarm's group."""

    def run(zone: str) -> Node:
        interface = cloud.interface(zone, cloud.swarm)
        instance = cloud.run(interface["NetworkInterfaceId"])
        return Node(
            machine=cloud.machine(instance["InstanceId"]), address=interface["PrivateIpAddress"]
        )

    with ThreadPoolExecutor() as pool:
        first, second = pool.map(run, ("eu-central-1a", "eu-central-1b"))
    return first, second


def test_packets_of_protocol_50_pass_by_their_rule_alone(
    cloud: Cloud, nodes: tuple[Node, Node]
) -> None:
    receiver, sender = nodes
    heard = "/run/protocol-50"
    receiver.machine.exec_run(["sh", "-c", f"socat -u IP4-RECV:50 CREATE:{heard}"], detach=True)
    # A socket of all that is not one of TCP or UDP is in this table.
    wait_for(lambda: ":0032 " in receiver.output("cat /proc/net/raw"), "somebody listens")

    def send(word: str) -> None:
        sender.output(f"echo {word} | socat -u - IP4-SENDTO:{receiver.address}:50")

    send("before")
    cloud.rules("authorize", ESP)
    send("while")
    wait_for(lambda: "while" in receiver.output(f"cat {heard}"), "a packet arrives")
    cloud.rules("revoke", ESP)
    send("after")
    cloud.rules("authorize", ESP)
    send("again")
    wait_for(lambda: "again" in receiver.output(f"cat {heard}"), "a packet arrives again")
    cloud.rules("revoke", ESP)
    said = receiver.output(f"cat {heard}")
    assert [word for word in ("before", "while", "after", "again") if word in said] == [
        "while",
        "again",
    ]


def state(node: Node) -> str:
    return node.output("docker info --format '{{.Swarm.LocalNodeState}}'")


def test_without_the_managers_port_nobody_joins(cloud: Cloud, nodes: tuple[Node, Node]) -> None:
    manager, worker = nodes
    cloud.rules("authorize", *GOSSIP, VXLAN, ESP)
    paths = "--advertise-addr {0} --data-path-addr {0}"
    manager.output(f"docker swarm init {paths.format(manager.address)}")
    token = manager.output("docker swarm join-token --quiet worker")
    ours = paths.format(worker.address)
    join = f"docker swarm join --token {token} {ours} {manager.address}:2377"
    status, _ = worker.run(f"timeout 4 {join}")
    assert status != 0
    assert state(worker) != "active"
    cloud.rules("authorize", MANAGERS)

    def is_member() -> bool:
        # The engine may still be at the first attempt, or have given it up.
        return state(worker) == "active" or worker.run(join)[0] == 0

    wait_for(is_member, "the worker is in the swarm")
    ready = manager.output("docker node ls --format '{{.Status}} {{.ManagerStatus}}'")
    assert sorted(line.strip() for line in ready.splitlines()) == ["Ready", "Ready Leader"]


def test_services_reach_each_other_over_an_overlay_by_vxlans_port_alone(
    cloud: Cloud, nodes: tuple[Node, Node]
) -> None:
    manager, worker = nodes
    assert state(worker) == "active"
    manager.output("docker network create --driver overlay between")
    image = f"{cloud.sandbox.registry}/busybox:1.36"
    for name, node in (("one", manager), ("two", worker)):
        manager.output(
            f"docker service create --detach --name {name} --network between "
            f"--endpoint-mode dnsrr --constraint node.hostname=={node.output('hostname')} "
            f"--no-resolve-image {image} "
            f"sh -c 'echo {name} > /tmp/index.html; exec httpd -f -p 8080 -h /tmp'"
        )

    def reaches(node: Node, service: str) -> bool:
        """Ask from a service's container, by name, what the other one says."""
        own = node.output("docker ps --quiet --filter label=com.docker.swarm.service.name")
        ask = f"docker exec {own} timeout 2 wget -q -O - http://tasks.{service}:8080/"
        return bool(own) and node.run(ask) == (0, service)

    wait_for(lambda: reaches(worker, "one"), "the worker's service reaches the manager's")
    wait_for(lambda: reaches(manager, "two"), "the manager's service reaches the worker's")
    cloud.rules("revoke", VXLAN)
    try:
        assert not reaches(worker, "one")
        # The name is still known: it is the packets that do not pass.
        own = worker.output("docker ps --quiet --filter label=com.docker.swarm.service.name")
        assert "Address: 10.0." in worker.output(f"docker exec {own} nslookup tasks.one")
    finally:
        cloud.rules("authorize", VXLAN)
    wait_for(lambda: reaches(worker, "one"), "it does again")
