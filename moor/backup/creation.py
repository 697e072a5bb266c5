"""Making a snapshot: of data that is whole, with tags that tell what it is of."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from constructs_lib.aws.limits import DATA_VOLUME_TAG
from moor import typed
from moor.aws_refusal import told
from moor.backup import stillness
from moor.backup.aws import Ec2
from moor.backup.backed_up import machine_of, must_have_a_volume, with_volumes
from moor.backup.machine import Machine
from moor.backup.snapshot import COMPLETED, ERROR, IMAGE_TAG, Snapshot
from moor.failure import CommandError
from moor.operation import engines
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker import DockerClient
    from docker.models.containers import Container

    from moor.backup.backed_up import BackedUp
    from moor.backup.stillness import Stillness
    from moor.screen import Screen
    from moor.session import Session

_MOST_IMAGES: Final = 40
"""AWS takes 50 tags (Source: Amazon EC2 User Guide, "Tag your Amazon EC2 resources")."""
_LONGEST_TAG: Final = 256
_LITTLE_MIB: Final = 64
_LEAST_MIB: Final = 8
"""What the engine writes where a container starts is some kilobytes; its logs begin, too."""

_END_SECONDS: Final = 900
_POLL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A snapshot that was made.

    Attributes:
        snapshot: The snapshot.
        stopped: The containers that were stopped for it.
        told: Those that ran a command instead.
        seconds: How long they were stopped.
    """

    snapshot: Snapshot
    stopped: tuple[str, ...]
    told: tuple[str, ...]
    seconds: float


def create(session: Session, screen: Screen, nodes: Sequence[str] = ()) -> list[Backup]:
    """Make a snapshot of each machine's data volume, and wait until all are complete.

    Of a swarm one node after the other: a service is down on one of them at a time.

    Args:
        session: The command, which holds the environment's lock.
        screen: Where progress is told.
        nodes: The nodes of a swarm; all that have a data volume where empty.

    Raises:
        WrongUseError: There is no such node.
        CommandError: One cannot be made; those before it are, and are told. Everything runs again.
        StoppedError: Somebody asked to end.
    """
    must_have_a_volume(session)
    chosen = [machine_of(session, node) for node in nodes or with_volumes(session)]
    ec2 = Ec2(session)
    stillness.resume(session, screen.say)
    begun: list[tuple[Snapshot, Stillness]] = []
    try:
        for one in chosen:
            begun.append(_begin(session, ec2, one, screen))
            moment = begun[-1][1]
            if moment.stopped:
                screen.say(f"{', '.join(moment.stopped)}: stopped for {moment.seconds:.1f} s")
    except CommandError as error:
        made = [f"  {snapshot.told}: begun, and kept" for snapshot, _ in begun]
        raise CommandError("\n".join([str(error), *made])) from None
    return [
        Backup(
            snapshot=_wait(ec2, snapshot, screen),
            stopped=tuple(moment.stopped),
            told=tuple(moment.told),
            seconds=moment.seconds,
        )
        for snapshot, moment in begun
    ]


def _begin(
    session: Session, ec2: Ec2, chosen: BackedUp, screen: Screen
) -> tuple[Snapshot, Stillness]:
    """Have data be whole, and a snapshot of it begin."""
    node = chosen.node
    volume = ec2.volume(node)
    machine = Machine(environment=session.environment, host=chosen.host)
    _look_for_room(session, machine, node, screen)
    with engines.engine(session.environment, chosen.host) as client:
        # A container may take all its time to end, which the SDK adds to a number alone.
        client.api.timeout = _END_SECONDS
        tags = {
            "Name": f"{session.settings.project}-{session.environment.name}-{node}",
            DATA_VOLUME_TAG: node,
            "volume": str(volume["VolumeId"]),
            "taken": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            **_images(session, client),
        }
        member = node if session.settings.is_swarm else None
        with (
            stillness.still(session, client, machine, screen.say, node=member) as moment,
            told(f"volume {volume['VolumeId']}: a snapshot must begin"),
        ):
            raw = ec2.client.create_snapshot(
                VolumeId=volume["VolumeId"],
                Description=f"data of {node} of {session.environment.name}",
                TagSpecifications=ec2.born_with("snapshot", tags),
            )
    return Snapshot.read(raw), moment


def _wait(ec2: Ec2, snapshot: Snapshot, screen: Screen) -> Snapshot:
    """Wait until a snapshot is complete: AWS writes it while everything runs."""
    what = f"{snapshot.id} is being written"
    with screen.phase(what, done=f"{snapshot.id} is written"):
        while snapshot.state != COMPLETED:
            if snapshot.state == ERROR:
                raise CommandError(f"{snapshot.told}: must be complete, got an error of AWS's")
            screen.note(what, f"{snapshot.progress}; to end this here does it no harm")
            screen.tick()
            time.sleep(_POLL_SECONDS)
            with told(f"{snapshot.told}: must be found"):
                raw = ec2.client.describe_snapshots(SnapshotIds=[snapshot.id])["Snapshots"][0]
            snapshot = Snapshot.read(raw)
    return snapshot


def _look_for_room(session: Session, machine: Machine, node: str, screen: Screen) -> None:
    """Warn of a volume that is full: a restore of it would be just as full."""
    free, fills = machine.fullness()
    if free >= _LITTLE_MIB:
        return
    if free < _LEAST_MIB:
        raise _too_full(session, free, fills)
    doctor = typed.program(session.environment, "doctor --fix")
    screen.say(
        f"warning: data volume of {node}: must have room for the services, got {free} MiB free; "
        f"it is filled by {fills}; `{doctor}` removes what nothing needs, or choose a larger "
        "aws.data_volume.size_gib",
        style="yellow",
    )


def _images(session: Session, client: DockerClient) -> dict[str, str]:
    """Return tags with the image of each service, by its digest where one is known."""
    found = {}
    for service, containers in stillness.containers(session, client).items():
        for container in containers[:1]:
            found[f"{IMAGE_TAG}{service}"] = _image(container)[:_LONGEST_TAG]
    return dict(list(found.items())[:_MOST_IMAGES])


def _image(container: Container) -> str:
    try:
        image = container.image
    except ENGINE_ERRORS:
        image = None
    digests = image.attrs.get("RepoDigests") if image is not None else None
    return str(digests[0]) if digests else str(container.attrs.get("Image", ""))


def _too_full(session: Session, free: int, fills: str) -> CommandError:
    doctor = typed.program(session.environment, "doctor --fix")
    return CommandError(
        f"data volume: must have {_LEAST_MIB} MiB free, got {free}: what is stopped for a moment "
        f"could not start again; it is filled by {fills}; `{doctor}` removes what nothing needs, "
        "or choose a larger aws.data_volume.size_gib; no snapshot was made, and nothing was stopped"
    )
