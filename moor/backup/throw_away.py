"""A machine that is there for one trial, with what it needs; all of it bears one tag more.

It is like the machine of the environment: the same image, type, key and user data. It is reached
over SSH alone, whatever its services publish, and ends by itself where nobody comes back.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws.firewall import SSH
from constructs_lib.aws.limits import DATA_VOLUME_DEVICE
from constructs_lib.host import host_key
from constructs_lib.settings.nodes import nodes_of
from moor.aws_refusal import told
from moor.backup.ending import ending_asked
from moor.backup.machine import Machine
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moor.backup.aws import Ec2
    from moor.backup.backed_up import BackedUp
    from moor.backup.snapshot import Snapshot
    from moor.screen import Screen
    from moor.session import Session

TAG: Final = "throw-away"
"""The tag of what is there for a trial; its value is the snapshot that is tried."""

_SCRIPTS: Final = Path(host_key.__file__).parent / "scripts"
"""What deployments run on machines."""

_ALIVE: Final = ("pending", "running", "stopping", "stopped")
_FOLDER: Final = "/run/moor-verify"
_NAME: Final = "throw-away machine"

# Containers of another day must not act on the world: no mail is sent twice, no job is taken from a
# queue. They reach each other, and nothing that is not on this machine.
_ALONE: Final = """sudo bash -ec '
for tables in iptables ip6tables; do
  out=$({ ip route; ip -6 route; } | sed -n "s/^default .* dev \\([^ ]*\\).*/\\1/p" | sort -u)
  "$tables" -w -N DOCKER-USER 2>/dev/null || true
  for device in $out; do
    "$tables" -w -I DOCKER-USER -o "$device" -m conntrack --ctstate NEW -j DROP ||
      test "$tables" = ip6tables
  done
done'"""


@dataclass(slots=True)
class ThrowAway:
    """The machine of a trial.

    Attributes:
        session: The command.
        ec2: EC2.
        screen: Where progress is told.
        snapshot: What is tried.
        instance: The instance's id; empty before there is one.
    """

    session: Session
    ec2: Ec2
    screen: Screen
    snapshot: Snapshot
    instance: str = ""
    _volume: str = field(default="", init=False)
    _address: dict[str, str] = field(default_factory=dict, init=False)

    def make(self, model: str, like: BackedUp, *, seconds: float) -> Machine:
        """Make the machine, and have Docker's data and the services' folders be the snapshot's.

        Docker is not started.

        Args:
            model: The id of the machine that it is like.
            like: That machine.
            seconds: How long the machine may take to be reached.

        Returns:
            The machine.

        Raises:
            CommandError: It cannot be made.
        """
        with told(f"machine {model}: must be found"):
            found = self.ec2.client.describe_instances(InstanceIds=[model])
            described = found["Reservations"][0]["Instances"][0]
        with self.screen.phase(f"a volume is made of {self.snapshot.id}", done=""):
            self._make_volume(described["Placement"]["AvailabilityZone"])
        with self.screen.phase("a throw-away machine boots", done=""):
            self._boot(described)
            address = self._give_address()
            self.ec2.await_volume(self._volume, "available", self.screen.tick)
            with told(f"volume {self._volume}: must be attached"):
                self.ec2.client.attach_volume(
                    VolumeId=self._volume, InstanceId=self.instance, Device=DATA_VOLUME_DEVICE
                )
            shell = self._reach(model, address, like, seconds=seconds)
        with self.screen.phase("it takes the data", done=""):
            self._prepare(shell, seconds=seconds)
        return shell

    def remove(self) -> None:
        """Remove all of it."""
        remove_all(self.session, self.ec2, self.screen.say, quietly=True)
        if self.instance:
            shutil.rmtree(self.session.environment.hosts / self.instance, ignore_errors=True)

    def _make_volume(self, zone: str) -> None:
        with told(f"{self.snapshot.told}: a volume must be made of it"):
            raw = self.ec2.client.create_volume(
                SnapshotId=self.snapshot.id,
                AvailabilityZone=zone,
                VolumeType="gp3",
                Encrypted=True,
                TagSpecifications=self._born("volume"),
            )
        self._volume = raw["VolumeId"]

    def _boot(self, like: dict[str, Any]) -> None:
        groups = [
            g["GroupId"] for g in like["SecurityGroups"] if g["GroupName"].endswith(f"-{SSH}")
        ]
        with told("a throw-away machine must start"):
            data = self.ec2.client.describe_instance_attribute(
                InstanceId=like["InstanceId"], Attribute="userData"
            )["UserData"].get("Value", "")
            started = self.ec2.client.run_instances(
                MinCount=1,
                MaxCount=1,
                ImageId=like["ImageId"],
                InstanceType=like["InstanceType"],
                KeyName=like["KeyName"],
                SubnetId=like["SubnetId"],
                SecurityGroupIds=groups,
                UserData=base64.b64decode(data).decode(),
                MetadataOptions={
                    "HttpEndpoint": "enabled",
                    "HttpTokens": "required",
                    "HttpPutResponseHopLimit": 1,
                },
                InstanceInitiatedShutdownBehavior="terminate",
                BlockDeviceMappings=[
                    {
                        "DeviceName": like["RootDeviceName"],
                        "Ebs": {
                            "Encrypted": True,
                            "VolumeType": "gp3",
                            "VolumeSize": self._root_volume_gib(),
                        },
                    }
                ],
                TagSpecifications=[*self._born("instance")],
            )
        self.instance = started["Instances"][0]["InstanceId"]
        with told(f"machine {self.instance}: must run"):
            self.ec2.client.get_waiter("instance_running").wait(
                InstanceIds=[self.instance], WaiterConfig={"Delay": 2, "MaxAttempts": 150}
            )

    def _root_volume_gib(self) -> int:
        nodes = {node.name: node for node in nodes_of(self.session.settings)}
        return nodes[self.snapshot.node].root_volume_gib

    def _give_address(self) -> str:
        with told(f"machine {self.instance}: must get an address"):
            self._address = self.ec2.client.allocate_address(
                Domain="vpc", TagSpecifications=self._born("elastic-ip")
            )
            self.ec2.client.associate_address(
                AllocationId=self._address["AllocationId"], InstanceId=self.instance
            )
        return self._address["PublicIp"]

    def _reach(self, model: str, address: str, like: BackedUp, *, seconds: float) -> Machine:
        """Learn the machine's host keys from its console, and wait until it has booted."""
        ssh = self.session.settings.aws.ssh
        hosts = self.session.environment.hosts
        machine = host_key.Machine(id=self.instance, address=address, port=ssh.port, hosts=hosts)
        try:
            host_key.learn(
                machine,
                console=partial(host_key.read_console, lambda: self.ec2.client, self.instance),
                timeout_seconds=seconds,
            )
        except host_key.HostKeyError as error:
            raise CommandError(str(error)) from None
        words = [
            word.replace(model, self.instance).replace(like.host.address, address)
            for word in like.host.ssh
        ]
        host = replace(
            like.host, name=_NAME, address=address, instance_id=self.instance, ssh=tuple(words)
        )
        shell = Machine(environment=self.session.environment, host=host)
        script = (_SCRIPTS / "init.sh").read_bytes()
        shell.run("sudo bash -s", given=script, seconds=seconds)
        return shell

    def _prepare(self, shell: Machine, *, seconds: float) -> None:
        shell.run(
            f"sudo systemd-run --quiet --collect --on-active={2 * seconds:.0f} systemctl poweroff"
        )
        shell.run(_ALONE)
        script = (_SCRIPTS / "data-volume.sh").read_bytes()
        place = f"{_FOLDER}/data-volume.sh"
        shell.run(f"sudo install -d -m 0700 {_FOLDER}")
        shell.run(f"sudo tee {place} >/dev/null", given=script)
        shell.run(f"sudo bash {place} use {self._volume}", seconds=seconds)

    def _born(self, kind: str) -> list[dict[str, Any]]:
        name = f"{self.session.settings.project}-{self.session.environment.name}-verify"
        return self.ec2.born_with(kind, {"Name": name, TAG: self.snapshot.id})


@contextlib.contextmanager
def ending(trial: ThrowAway) -> Iterator[None]:
    """Remove the machine of a trial at the end, whatever happens.

    Args:
        trial: The machine.

    Raises:
        StoppedError: Somebody asked to end.
    """
    with ending_asked("nothing of the trial is left") as asked:
        try:
            yield
        finally:
            asked.is_deferred = True
            with trial.screen.phase("the throw-away machine is removed", done=""):
                trial.remove()
    asked.must_not_have_come()


def remove_all(
    session: Session, ec2: Ec2, say: Callable[[str], None], *, quietly: bool = False
) -> None:
    """Remove whatever trials have left, this one or one that was killed.

    Args:
        session: The command.
        ec2: EC2.
        say: Takes a line for a person.
        quietly: Whether nothing is said of what is removed.

    Raises:
        CommandError: Something stays, which costs money; with what it is.
    """
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in ec2.tags.items()]
    filters.append({"Name": "tag-key", "Values": [TAG]})
    with told("what a trial has left must be removed"):
        alive = {"Name": "instance-state-name", "Values": list(_ALIVE)}
        found = ec2.client.describe_instances(Filters=[*filters, alive])["Reservations"]
        machines = [one["InstanceId"] for group in found for one in group["Instances"]]
        if machines:
            if not quietly:
                say(f"a trial has left {', '.join(machines)}: removed")
            ec2.client.terminate_instances(InstanceIds=machines)
            ec2.client.get_waiter("instance_terminated").wait(
                InstanceIds=machines, WaiterConfig={"Delay": 2, "MaxAttempts": 150}
            )
        for address in ec2.client.describe_addresses(Filters=filters)["Addresses"]:
            if "AssociationId" in address:
                ec2.client.disassociate_address(AssociationId=address["AssociationId"])
            ec2.client.release_address(AllocationId=address["AllocationId"])
    for volume in ec2.volumes(TAG):
        ec2.await_volume(volume["VolumeId"], "available", lambda: None)
        ec2.delete_volume(volume["VolumeId"])
    for machine in machines:
        shutil.rmtree(session.environment.hosts / machine, ignore_errors=True)
