"""What an interrupted deployment has left: with a Docker API and an AWS that the tests make up.

The real AWS cannot be had here: moto answers boto3 in this process, and keeps what it is told in
memory. It does not know that a security group is in use by a machine, so nothing here shows that
AWS would refuse another order; the order itself is asserted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from docker.errors import DockerException, NotFound
from moto import mock_aws

from constructs_lib.compose.model import ComposeProject, NetworkDefinition, Service
from constructs_lib.host import engine
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor import aws_client, recovery
from moor.failure import CommandError
from moor.outputs import outputs_file
from moor.session import Session
from moor.toolchain.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from moor.recovery import Leftover
    from moor.toolchain.terraform_cli import Terraform

REGION = "eu-central-1"
NETWORKS = {"cidrs": ["203.0.113.0/24"]}
SETTINGS = {
    "project": "moor",
    "aws": {"region": REGION, "ssh": NETWORKS, "docker_api": NETWORKS},
}
TAGS = {"project": "moor", "environment": "production", "managed-by": "moor"}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(
        environment=Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})
    )
    session.__dict__["settings"] = Settings.model_validate(SETTINGS)
    session.__dict__["services"] = ComposeProject(
        name="moor",
        file="compose.yaml",
        services={"web": Service(name="web", replicas=2)},
        networks={
            "default": NetworkDefinition(key="default", name="moor_default"),
            "theirs": NetworkDefinition(key="theirs", name="theirs", external=True),
        },
        volumes={},
    )
    return session


AWS = Stack(name="aws", folder=cast("Path", None))
DOCKER = Stack(name="docker", folder=cast("Path", None), depends_on=("aws",))


def terraform(*known: str, mode: str = "managed") -> Terraform:
    """Return a Terraform whose state knows some ids."""
    instances = [{"attributes": {"id": identity}} for identity in known]
    state = {"resources": [{"mode": mode, "instances": instances}]} if known else {}
    return cast("Terraform", SimpleNamespace(state=lambda _stack: state, variables={}))


def names(found: list[Leftover]) -> list[str]:
    return [thing.name for thing in found]


# Marks


def test_a_mark_is_there_from_the_beginning_to_the_end(session: Session) -> None:
    environment = session.environment
    recovery.begin(environment, "aws")
    recovery.begin(environment, "aws")
    mark = environment.directory / "unfinished-aws"
    assert [f.name for f in environment.directory.iterdir()] == ["unfinished-aws"]
    assert mark.stat().st_mode & 0o777 == 0o600
    recovery.end(environment, "docker")
    assert mark.exists()
    recovery.end(environment, "aws")
    recovery.end(environment, "aws")
    assert list(environment.directory.iterdir()) == []


@pytest.mark.parametrize("stack", [AWS, DOCKER])
def test_nothing_is_asked_after_a_good_end(session: Session, stack: Stack) -> None:
    nobody = cast("Terraform", None)
    recovery.begin(session.environment, "another")
    assert recovery.leftovers(session, stack, nobody) == []


def test_a_mark_can_be_asked_for(session: Session) -> None:
    assert not recovery.is_marked(session.environment, "aws")
    recovery.begin(session.environment, "aws")
    assert recovery.is_marked(session.environment, "aws")
    assert not recovery.is_marked(session.environment, "docker")


def said(kind: str, address: str, action: str = "create") -> str:
    """Return a line of Terraform's."""
    hook = {"resource": {"addr": address}, "action": action}
    return json.dumps({"@message": "words", "type": kind, "hook": hook})


def test_steps_that_had_begun_and_not_ended(tmp_path: Path) -> None:
    log = tmp_path / "terraform.log"
    assert recovery.cut_short(log) == []
    lines = [
        "no JSON",
        *(said("apply_start", f"terraform_data.{name}") for name in ("A", "B", "C", "D")),
        said("apply_start", "terraform_data.E", "delete"),
        said("apply_start", "aws_instance.F"),
        said("apply_complete", "terraform_data.A"),
        said("apply_errored", "terraform_data.C"),
        said("apply_start", "terraform_data.B"),
        '{"@message": "cut',
    ]
    log.write_bytes("\n".join(lines).encode() + b"\xff")
    assert recovery.cut_short(log) == ["terraform_data.B", "terraform_data.D"]


# Docker


@dataclass
class Thing:
    """A container, a service or a network."""

    name: str
    removed: list[tuple[str, dict[str, bool]]] = field(default_factory=list)
    failure: Exception | None = None

    @property
    def id(self) -> str:
        """Its id."""
        return f"id-of-{self.name}"

    def remove(self, **options: bool) -> None:
        """Remove it."""
        if self.failure:
            raise self.failure
        self.removed.append((self.name, options))


@dataclass
class Things:
    """A collection of the docker SDK."""

    things: list[Thing]

    def list(self, *, filters: Mapping[str, str], all: bool = True) -> list[Thing]:  # noqa: A002
        """List all of ours."""
        assert all
        assert filters == {"label": "com.docker.compose.project=moor"}
        return self.things

    def get(self, identity: str) -> Thing:
        """Find one."""
        return next(thing for thing in self.things if thing.id == identity)


class FakeEngine:
    """The part of the docker SDK that is used."""

    def __init__(self) -> None:
        self.removed: list[tuple[str, dict[str, bool]]] = []
        self.containers = Things([])
        self.networks = Things([])
        self.services = Things([])
        self.controls = False
        self.api = self
        self.opened = 0

    def remove_service(self, identity: str) -> None:
        """Remove a service."""
        self.services.get(identity).remove()

    def info(self) -> dict[str, Any]:
        """Tell whether it is a manager of a swarm."""
        return {"Swarm": {"ControlAvailable": self.controls}}

    def close(self) -> None:
        """Close."""
        self.opened -= 1


@pytest.fixture
def docker(session: Session, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Return the engine of the machine, in the middle of a deployment."""
    fake = FakeEngine()
    fake.containers.things = [
        Thing(name, fake.removed) for name in ("moor-web-1", "moor-web-2", "by-hand")
    ]
    fake.networks.things = [
        Thing(name, fake.removed) for name in ("moor_default", "theirs", "moor_other")
    ]

    def connect(docker_host: str, certificates: Path) -> FakeEngine:
        assert docker_host == "tcp://192.0.2.7:2376"
        assert certificates == session.environment.certificates
        fake.opened += 1
        return fake

    monkeypatch.setattr(engine, "connect", connect)
    recovery.begin(session.environment, "docker")
    aws = {"public_ip": "192.0.2.7", "docker_host": "tcp://192.0.2.7:2376", "ssh": "ssh"}
    outputs_file(session.environment).write_text(json.dumps({"aws": aws}), encoding="utf-8")
    return fake


def test_containers_and_networks_of_ours_that_no_state_knows_are_removed(
    session: Session, docker: FakeEngine
) -> None:
    found = recovery.leftovers(session, DOCKER, terraform("id-of-moor-web-1"))
    assert names(found) == ["container moor-web-2", "network moor_default"]
    assert docker.removed == []
    for thing in found:
        thing.remove()
    assert docker.removed == [
        ("moor-web-2", {"force": True, "v": True}),
        ("moor_default", {}),
    ]
    assert docker.opened == 0


def test_services_of_ours_in_a_swarm_that_no_state_knows_are_removed(
    session: Session, docker: FakeEngine
) -> None:
    docker.services.things = [Thing(name, docker.removed) for name in ("moor_web", "moor_old")]
    assert "service moor_old" not in names(recovery.leftovers(session, DOCKER, terraform()))
    docker.controls = True
    found = recovery.leftovers(session, DOCKER, terraform("id-of-moor_web"))
    assert names(found) == [
        *("container moor-web-1", "container moor-web-2"),
        *("service moor_old", "network moor_default"),
    ]
    found[2].remove()
    assert docker.removed == [("moor_old", {})]


def test_what_the_state_knows_is_left_alone(session: Session, docker: FakeEngine) -> None:
    known = [f"id-of-{name}" for name in ("moor-web-1", "moor-web-2", "moor_default")]
    assert recovery.leftovers(session, DOCKER, terraform(*known)) == []
    assert docker.opened == 0
    looked_up = terraform(*known, mode="data")
    assert len(recovery.leftovers(session, DOCKER, looked_up)) == 3


def test_a_machine_that_does_not_answer_has_nothing_left(
    session: Session, docker: FakeEngine
) -> None:
    def refuse(**_: object) -> list[Thing]:
        raise DockerException("refused")

    docker.networks.list = refuse  # type: ignore[method-assign]
    assert recovery.leftovers(session, DOCKER, terraform()) == []
    assert docker.opened == 0


def test_no_machine_has_nothing_left(session: Session, docker: FakeEngine) -> None:
    outputs_file(session.environment).unlink()
    assert recovery.leftovers(session, DOCKER, terraform()) == []
    assert docker.opened == 0


def test_it_fails_when_the_engine_does_not_remove(session: Session, docker: FakeEngine) -> None:
    docker.containers.things[0].failure = NotFound("no such container")
    first, *_ = recovery.leftovers(session, DOCKER, terraform())
    with pytest.raises(CommandError) as caught:
        first.remove()
    assert str(caught.value) == (
        "container moor-web-1: must be removed, since its name is needed or it costs money, "
        "got: no such container; remove it by hand"
    )


# AWS


class Account:
    """An AWS account in memory, filled by the tests."""

    def __init__(self) -> None:
        self.ec2 = boto3.client("ec2", region_name=REGION)
        self._image = self.ec2.register_image(Name="image")["ImageId"]
        self._vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]

    def _tagged(self, kind: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
        # At least one, or it is no specification.
        pairs = [{"Key": key, "Value": value} for key, value in {"x": "y", **tags}.items()]
        return [{"ResourceType": kind, "Tags": pairs}]

    def machine(self, tags: Mapping[str, str] = TAGS) -> str:
        """Make an instance."""
        made = self.ec2.run_instances(
            ImageId=self._image,
            MinCount=1,
            MaxCount=1,
            TagSpecifications=self._tagged("instance", tags),
        )
        return str(made["Instances"][0]["InstanceId"])

    def address(self, tags: Mapping[str, str] = TAGS, machine: str = "") -> tuple[str, str]:
        """Make an address: its id and itself."""
        made = self.ec2.allocate_address(
            Domain="vpc", TagSpecifications=self._tagged("elastic-ip", tags)
        )
        if machine:
            self.ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=machine)
        return str(made["AllocationId"]), str(made["PublicIp"])

    def group(self, name: str, tags: Mapping[str, str] = TAGS) -> str:
        """Make a security group without rules."""
        made = self.ec2.create_security_group(
            GroupName=name,
            Description=name,
            VpcId=self._vpc,
            TagSpecifications=self._tagged("security-group", tags),
        )
        rules = self.rules(made["GroupId"])
        self.ec2.revoke_security_group_egress(GroupId=made["GroupId"], SecurityGroupRuleIds=rules)
        return str(made["GroupId"])

    def rules(self, group: str) -> list[str]:
        """Return the ids of the rules of a group."""
        found = self.ec2.describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": [group]}]
        )
        return [str(rule["SecurityGroupRuleId"]) for rule in found["SecurityGroupRules"]]

    def rule(self, group: str, port: int, *, egress: bool = False) -> str:
        """Make a rule."""
        make = (
            self.ec2.authorize_security_group_egress
            if egress
            else self.ec2.authorize_security_group_ingress
        )
        permission = {
            "IpProtocol": "tcp",
            "FromPort": port,
            "ToPort": port,
            "IpRanges": [{"CidrIp": "203.0.113.0/24"}],
        }
        made = make(GroupId=group, IpPermissions=[permission])
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def key_pair(self, name: str, tags: Mapping[str, str] = TAGS) -> str:
        """Make a key pair."""
        self.ec2.create_key_pair(KeyName=name, TagSpecifications=self._tagged("key-pair", tags))
        return name

    def interface(self, tags: Mapping[str, str] = TAGS) -> str:
        """Make a network interface that is attached to nothing."""
        made = self.ec2.create_network_interface(
            SubnetId=self.ec2.describe_subnets()["Subnets"][0]["SubnetId"],
            TagSpecifications=self._tagged("network-interface", tags),
        )
        return str(made["NetworkInterface"]["NetworkInterfaceId"])

    def machines(self) -> dict[str, str]:
        """Return the states of all instances."""
        pages = self.ec2.describe_instances()["Reservations"]
        return {i["InstanceId"]: i["State"]["Name"] for page in pages for i in page["Instances"]}

    def everything_else(self) -> set[str]:
        """Return what there is besides instances."""
        return {
            *(str(a["AllocationId"]) for a in self.ec2.describe_addresses()["Addresses"]),
            *(
                str(g["GroupName"])
                for g in self.ec2.describe_security_groups()["SecurityGroups"]
                if g["GroupName"] != "default"
            ),
            *(str(p["KeyName"]) for p in self.ec2.describe_key_pairs()["KeyPairs"]),
        }


@pytest.fixture
def account(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    # Hundreds of images would be read for each test.
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    recovery.begin(session.environment, "aws")
    with mock_aws():
        yield Account()


def test_an_account_with_nothing_of_ours(session: Session, account: Account) -> None:
    account.machine({})
    assert recovery.leftovers(session, AWS, terraform()) == []


def test_everything_of_ours_that_the_state_does_not_know_is_removed_machines_first(
    session: Session, account: Account
) -> None:
    pair = account.key_pair("moor-production")
    account.group("moor-production-machine")
    own = account.group("moor-production-kept")
    ingress, egress = account.rule(own, 22), account.rule(own, 443, egress=True)
    kept = account.rule(own, 2376)
    machine = account.machine()
    attached, first_ip = account.address(machine=machine)
    free, second_ip = account.address()
    found = recovery.leftovers(session, AWS, terraform(own, kept))
    told = names(found)
    assert told[0] == f"machine {machine}"
    assert sorted(told[1:3]) == sorted([f"address {first_ip}", f"address {second_ip}"])
    assert sorted(told[3:6]) == sorted(
        [
            "security group moor-production-machine",
            f"rule {ingress} of moor-production-kept",
            f"rule {egress} of moor-production-kept",
        ]
    )
    assert told[6:] == [f"key pair {pair}"]
    assert {attached, free, "moor-production-machine", pair} < account.everything_else()
    for thing in found:
        thing.remove()
    assert account.machines() == {machine: "terminated"}
    assert account.everything_else() == {"moor-production-kept"}
    assert account.rules(own) == [kept]
    assert recovery.leftovers(session, AWS, terraform(own, kept)) == []


def test_an_interface_that_no_machine_has_got_yet_is_removed_before_its_groups(
    session: Session, account: Account
) -> None:
    account.group("moor-production-machine")
    left, known = account.interface(), account.interface()
    account.interface({**TAGS, "environment": "staging"})
    found = recovery.leftovers(session, AWS, terraform(known))
    assert names(found) == [
        f"network interface {left}",
        "security group moor-production-machine",
    ]
    for thing in found:
        thing.remove()
    assert recovery.leftovers(session, AWS, terraform(known)) == []


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {**TAGS, "environment": "staging"},
        {**TAGS, "project": "other"},
        {**TAGS, "managed-by": "somebody"},
        {"project": "moor", "environment": "production"},
    ],
)
def test_what_is_another_ones_is_left_alone(
    session: Session, account: Account, tags: dict[str, str]
) -> None:
    account.machine(tags)
    account.address(tags)
    account.rule(account.group("group", tags), 22)
    account.key_pair("pair", tags)
    assert recovery.leftovers(session, AWS, terraform()) == []


def test_what_the_state_of_aws_knows_is_left_alone(session: Session, account: Account) -> None:
    machine = account.machine()
    address, _ = account.address(machine=machine)
    group = account.group("group")
    known = [machine, address, group, account.rule(group, 22), account.key_pair("pair")]
    assert recovery.leftovers(session, AWS, terraform(*known)) == []
    assert len(recovery.leftovers(session, AWS, terraform())) == 4


@pytest.mark.parametrize(
    ("action", "state", "is_left"), [("stop", "stopped", True), ("terminate", "terminated", False)]
)
def test_a_stopped_machine_is_left_and_a_terminated_one_is_not(
    session: Session, account: Account, action: str, state: str, *, is_left: bool
) -> None:
    machine = account.machine()
    getattr(account.ec2, f"{action}_instances")(InstanceIds=[machine])
    assert account.machines() == {machine: state}
    expected = [f"machine {machine}"] if is_left else []
    assert names(recovery.leftovers(session, AWS, terraform())) == expected


def refused(*_: object, **__: object) -> None:
    error = {"Error": {"Code": "UnauthorizedOperation", "Message": "not allowed"}}
    raise ClientError(cast("Any", error), "DescribeInstances")


def test_it_fails_when_aws_cannot_be_asked(
    session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_client, "ec2", lambda *_: account.ec2)
    monkeypatch.setattr(account.ec2, "describe_instances", refused)
    with pytest.raises(CommandError) as caught:
        recovery.leftovers(session, AWS, terraform())
    assert str(caught.value) == (
        "aws: what an interrupted deployment has left must be found, got: An error occurred "
        "(UnauthorizedOperation) when calling the DescribeInstances operation: not allowed"
    )


def test_it_fails_when_aws_does_not_remove(session: Session, account: Account) -> None:
    account.key_pair("pair")
    group = account.group("group")
    first, second = recovery.leftovers(session, AWS, terraform())
    account.ec2.delete_security_group(GroupId=group)
    with pytest.raises(CommandError) as caught:
        first.remove()
    assert str(caught.value) == (
        "security group group: must be removed, since its name is needed or it costs money, got: "
        "An error occurred (InvalidGroup.NotFound) when calling the DeleteSecurityGroup "
        f"operation: The security group '{group}' does not exist; remove it by hand"
    )
    second.remove()
    assert account.everything_else() == set()


def test_a_role_is_taken_on(session: Session, account: Account) -> None:
    machine = account.machine()
    role = "arn:aws:iam::123456789012:role/deployer"
    document = {**SETTINGS, "aws": {**cast("dict[str, Any]", SETTINGS["aws"]), "role_arn": role}}
    session.__dict__["settings"] = Settings.model_validate(document)
    assert names(recovery.leftovers(session, AWS, terraform())) == [f"machine {machine}"]
