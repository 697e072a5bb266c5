"""Restoring a snapshot: a new volume of it, in the place of the one that is in use.

What is under way is written down, so that whatever fails in between the next command goes on from
there, or goes back. The former volume is kept until somebody discards it.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from constructs_lib.aws.limits import FORMER_VOLUME_TAG
from constructs_lib.files.private_file import write_private
from constructs_lib.settings.nodes import FIRST
from constructs_lib.terraform.stacks import DOCKER
from moor import health, machine_engine, recovery, typed
from moor.aws_refusal import told
from moor.backup import member, stillness
from moor.backup.aws import Ec2
from moor.backup.backed_up import machine_of, must_have_a_volume, wanted
from moor.backup.ending import ending_asked
from moor.backup.exchange import Exchange
from moor.backup.machine import Machine
from moor.failure import CommandError, StoppedError
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.settings.environment import Environment
    from moor.backup.snapshot import Snapshot
    from moor.deployment import Deployment
    from moor.session import Session

_FILE: Final = "restore.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """A restore that is under way.

    Attributes:
        snapshot: The snapshot's id.
        old: The id of the volume that is in use before it.
        machine: The instance's id.
        node: The machine's name.
        new: The id of the volume that was made of the snapshot; empty before it was.
        token: By which AWS knows that the same volume is asked for once more.
        goes_back: Whether the old one is put back.
    """

    snapshot: str
    old: str
    machine: str
    token: str
    node: str = FIRST
    new: str = ""
    goes_back: bool = False

    @classmethod
    def under_way(cls, environment: Environment) -> Self | None:
        """Return what is under way; None where nothing is.

        Raises:
            CommandError: The file that should tell cannot be read.
        """
        file = _file(environment)
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            raise CommandError(
                f"{file}: must tell which restore is under way, got something else; remove it when "
                "`moor backup ls` shows the volume in use that you want"
            ) from None

    def remember(self, environment: Environment) -> None:
        """Write it down."""
        write_private(_file(environment), json.dumps(asdict(self), indent=1).encode())

    @property
    def exchange(self) -> Exchange:
        """The exchange of the volumes that it is."""
        leaving, coming = (self.new, self.old) if self.goes_back else (self.old, self.new)
        return Exchange(node=self.node, machine=self.machine, leaving=leaving, coming=coming)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore has done.

    Attributes:
        volume: The volume in use.
        former: The one that was in use before.
        seconds: How long services were down.
    """

    volume: str
    former: str
    seconds: float


def choose(session: Session, ec2: Ec2, name: str, node: str | None = None) -> Snapshot:
    """Return the snapshot to restore, where that is possible.

    Args:
        session: The command.
        ec2: EC2.
        name: An id, or `newest`.
        node: The machine that it must be of.

    Raises:
        WrongUseError: There is no such snapshot, or no such machine.
        CommandError: It cannot be restored, or another restore is under way.
    """
    must_have_a_volume(session)
    snapshot = ec2.snapshot(name, node)
    settings, field = wanted(session, snapshot.node)
    if snapshot.size_gib > settings.size_gib:
        raise CommandError(
            f"{session.environment.settings_file}: {field}.size_gib: must be at least "
            f"{snapshot.size_gib}, the size of {snapshot.id}, got {settings.size_gib}; a volume "
            "never shrinks"
        )
    under_way = Restoration.under_way(session.environment)
    if under_way is not None and under_way.snapshot != snapshot.id:
        raise CommandError(_half_done(session, under_way))
    return snapshot


def restore(deployment: Deployment, ec2: Ec2, snapshot: Snapshot) -> Restored:
    """Restore a snapshot, or go on with that.

    Args:
        deployment: The deployment, prepared.
        ec2: EC2.
        snapshot: The snapshot.

    Raises:
        CommandError: A step failed; the text tells how to go on, and how to go back.
        StoppedError: Somebody asked to end.
    """
    session = deployment.session
    under_way = Restoration.under_way(session.environment)
    if under_way is None or under_way.goes_back:
        volume = ec2.volume(snapshot.node)
        attached = [a["InstanceId"] for a in volume["Attachments"]]
        if under_way is None and not attached:
            up = typed.command(session.environment, "up")
            raise CommandError(f"volume {volume['VolumeId']}: must be in use; run {up} first")
        under_way = (
            replace(under_way, goes_back=False)
            if under_way is not None
            else Restoration(
                snapshot=snapshot.id,
                old=volume["VolumeId"],
                machine=str(attached[0]),
                node=snapshot.node,
                token=uuid.uuid4().hex,
            )
        )
        under_way.remember(session.environment)
    return _go_on(deployment, ec2, under_way)


def finish(deployment: Deployment) -> None:
    """Go on with a restore that was cut short, where there is one; for `up`.

    Args:
        deployment: The deployment, prepared.

    Raises:
        CommandError: A step failed.
        StoppedError: Somebody asked to end.
    """
    session = deployment.session
    under_way = Restoration.under_way(session.environment)
    if under_way is None:
        return
    deployment.screen.say(
        f"a restore of {under_way.snapshot} was cut short: it "
        f"{'goes back' if under_way.goes_back else 'goes on'}"
    )
    _go_on(deployment, Ec2(session), under_way)


def go_back(deployment: Deployment, ec2: Ec2) -> Restored:
    """Put the volume back that was in use before a restore that was cut short.

    Args:
        deployment: The deployment, prepared.
        ec2: EC2.

    Raises:
        CommandError: No restore is under way, or a step failed.
        StoppedError: Somebody asked to end.
    """
    session = deployment.session
    under_way = Restoration.under_way(session.environment)
    if under_way is None:
        raise CommandError("backup restore --back: must have a restore under way, got none")
    under_way = replace(under_way, goes_back=True)
    under_way.remember(session.environment)
    return _go_on(deployment, ec2, under_way)


def formers(session: Session, ec2: Ec2) -> list[dict[str, Any]]:
    """Return the volumes that restores have taken out, as EC2 describes them.

    Args:
        session: The command.
        ec2: EC2.

    Raises:
        CommandError: AWS cannot be asked.
    """
    under_way = Restoration.under_way(session.environment)
    busy = (under_way.old, under_way.new) if under_way is not None else ()
    return [
        raw
        for raw in ec2.volumes(FORMER_VOLUME_TAG)
        if raw["State"] == "available" and raw["VolumeId"] not in busy
    ]


def _go_on(deployment: Deployment, ec2: Ec2, under_way: Restoration) -> Restored:
    """Do what of a restore is not done."""
    session, screen = deployment.session, deployment.screen
    seconds = 0.0
    try:
        with ending_asked(_half_done(session, under_way)) as asked:
            if not under_way.new and not under_way.goes_back:
                under_way = _with_volume(deployment, ec2, under_way)
            if under_way.new:
                there = machine_of(session, under_way.node)
                under_way = replace(under_way, machine=there.host.instance_id)
                begin = time.monotonic()
                if there.is_member:
                    member.exchange(deployment, ec2, there, under_way.exchange)
                else:
                    shell = Machine(environment=session.environment, host=there.host)
                    under_way.exchange.run(deployment.screen, ec2, shell)
                    _start(deployment)
                seconds = time.monotonic() - begin
                with screen.phase("Terraform takes note", done=""):
                    under_way.exchange.take_note(deployment)
            asked.must_not_have_come()
    except StoppedError:
        raise
    except CommandError as error:
        raise CommandError(f"{error}\n{_half_done(session, under_way)}") from None
    # What the Docker stack does not know has come with the snapshot: it is looked for.
    recovery.begin(session.environment, DOCKER)
    _file(session.environment).unlink(missing_ok=True)
    if under_way.goes_back and under_way.new:
        ec2.delete_volume(under_way.new)
        screen.say(f"volume {under_way.new}, which was made of the snapshot: deleted")
    exchange = under_way.exchange
    return Restored(volume=exchange.coming, former=exchange.leaving, seconds=seconds)


def _with_volume(deployment: Deployment, ec2: Ec2, under_way: Restoration) -> Restoration:
    """Make a volume of the snapshot, as the settings want it, in the old one's zone."""
    session = deployment.session
    settings, _ = wanted(session, under_way.node)
    there = machine_of(session, under_way.node)
    old = ec2.described(under_way.old)
    if old is None:
        raise CommandError(f"volume {under_way.old}: must be there, got nothing of that id")
    more = {"Iops": settings.iops, "Throughput": settings.throughput}
    parts = [session.settings.project, session.environment.name, there.name, "data"]
    name = "-".join(filter(None, parts))
    with told(f"snapshot {under_way.snapshot}: a volume must be made of it"):
        raw = ec2.client.create_volume(
            SnapshotId=under_way.snapshot,
            AvailabilityZone=old["AvailabilityZone"],
            Size=settings.size_gib,
            VolumeType=settings.type,
            Encrypted=True,
            # Asked twice, as after a kill, AWS makes one.
            ClientToken=under_way.token,
            TagSpecifications=ec2.born_with(
                "volume", {"Name": name, FORMER_VOLUME_TAG: under_way.node}
            ),
            **{key: value for key, value in more.items() if value is not None},
        )
    under_way = replace(under_way, new=raw["VolumeId"])
    under_way.remember(session.environment)
    with deployment.screen.phase(f"volume {under_way.new} is made of {under_way.snapshot}"):
        ec2.await_volume(under_way.new, "available", deployment.screen.tick)
    return under_way


def _start(deployment: Deployment) -> None:
    """Start what has come with the volume and is what the state knows; the rest is for `up`."""
    session = deployment.session
    state = deployment.terraform.state(deployment.stacks[-1])
    known = {
        str((instance.get("attributes") or {}).get("id"))
        for resource in state.get("resources", [])
        if resource.get("type") == "docker_container"
        for instance in resource.get("instances", [])
    }
    done = {one.name for one in health.expectations(session.services, {}) if one.ends}
    try:
        with contextlib.closing(machine_engine.connect(session)) as client:
            for found in stillness.containers(session, client).values():
                for container in found:
                    if container.id in known and container.name not in done:
                        container.start()
    except ENGINE_ERRORS as error:
        raise CommandError(f"docker engine: services must start, got: {error}") from None


def _half_done(session: Session, under_way: Restoration) -> str:
    environment = session.environment
    on = typed.program(environment, f"backup restore {under_way.snapshot}")
    back = typed.program(environment, "backup restore --back")
    return (
        f"a restore of {under_way.snapshot} is under way, from volume {under_way.old}: `{on}` goes "
        f"on, `{back}` goes back"
    )


def _file(environment: Environment) -> Path:
    return environment.directory / _FILE
