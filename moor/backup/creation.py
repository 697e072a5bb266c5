"""Making a snapshot: of data that is whole, with tags that tell what it is of."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws.limits import DATA_VOLUME_TAG
from constructs_lib.settings.nodes import FIRST
from moor import machine_engine, typed
from moor.aws_refusal import told
from moor.backup import stillness
from moor.backup.aws import Ec2
from moor.backup.machine import Machine
from moor.backup.snapshot import COMPLETED, ERROR, IMAGE_TAG, Snapshot
from moor.failure import CommandError
from moor.outputs import Outputs
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

    from moor.screen import Screen
    from moor.session import Session

_MOST_IMAGES: Final = 40
"""AWS takes 50 tags (Source: Amazon EC2 User Guide, "Tag your Amazon EC2 resources")."""
_LONGEST_TAG: Final = 256
_LITTLE_MIB: Final = 64
_LEAST_MIB: Final = 8
"""What the engine writes where a container starts is some kilobytes; its logs begin, too."""

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


def must_be_possible(session: Session, what: str) -> None:
    """Refuse an environment that has no data volume, or that is a swarm.

    Args:
        session: The command.
        what: What is to be done, such as `backup create`.

    Raises:
        CommandError: It is such a one.
    """
    environment, settings = session.environment, session.settings
    must_have_a_volume(session)
    if settings.is_swarm:
        raise CommandError(
            f"environment {environment.name}: must be one machine for `{what}`, got a swarm, whose "
            "tasks start anew wherever one is stopped; aws.data_volume.snapshots.schedule lets AWS "
            "take snapshots of all nodes' volumes"
        )


def must_have_a_volume(session: Session) -> None:
    """Refuse an environment whose settings ask for no data volume.

    Args:
        session: The command.

    Raises:
        CommandError: They ask for none.
    """
    if not session.has_data_volume:
        raise CommandError(
            f"{session.environment.settings_file}: aws.data_volume: must be set for backups, got "
            "none; the machine's own disk goes with the machine: add size_gib, and run "
            f"{typed.command(session.environment, 'up')}"
        )


def create(session: Session, screen: Screen) -> Backup:
    """Make a snapshot of the machine's data volume, and wait until it is complete.

    Args:
        session: The command, which holds the environment's lock.
        screen: Where progress is told.

    Raises:
        CommandError: It cannot be made. Everything runs again.
        StoppedError: Somebody asked to end.
    """
    must_be_possible(session, "backup create")
    outputs, ec2 = Outputs.load(session.environment), Ec2(session)
    stillness.resume(session, screen.say)
    volume = ec2.volume(FIRST)
    machine = Machine.of(session.environment, outputs.ssh)
    _look_for_room(session, machine, screen)
    try:
        with contextlib.closing(machine_engine.connect(session)) as client:
            # A container may take all its time to end.
            client.api.timeout = 900
            tags = {
                "Name": f"{session.settings.project}-{session.environment.name}-{FIRST}",
                DATA_VOLUME_TAG: FIRST,
                "volume": str(volume["VolumeId"]),
                "taken": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                **_images(session, client),
            }
            with stillness.still(session, client, machine, screen.say) as moment:
                raw = _begin(session, ec2, volume, tags)
    except ENGINE_ERRORS as error:
        raise CommandError(f"{outputs.docker_host}: must answer, got: {error}") from None
    if moment.stopped:
        screen.say(f"{', '.join(moment.stopped)}: stopped for {moment.seconds:.1f} s")
    snapshot = _wait(ec2, Snapshot.read(raw), screen)
    return Backup(
        snapshot=snapshot,
        stopped=tuple(moment.stopped),
        told=tuple(moment.told),
        seconds=moment.seconds,
    )


def _begin(
    session: Session, ec2: Ec2, volume: dict[str, Any], tags: dict[str, str]
) -> dict[str, Any]:
    name = f"data of {FIRST} of {session.environment.name}"
    with told(f"volume {volume['VolumeId']}: a snapshot must begin"):
        raw: dict[str, Any] = ec2.client.create_snapshot(
            VolumeId=volume["VolumeId"],
            Description=name,
            TagSpecifications=ec2.born_with("snapshot", tags),
        )
    return raw


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


def _look_for_room(session: Session, machine: Machine, screen: Screen) -> None:
    """Warn of a volume that is full: a restore of it would be just as full."""
    free, fills = machine.fullness()
    if free >= _LITTLE_MIB:
        return
    if free < _LEAST_MIB:
        raise _too_full(session, free, fills)
    env = typed.command(session.environment, "-s env")
    screen.say(
        f"warning: data volume of {FIRST}: must have room for the services, got {free} MiB free; "
        f'it is filled by {fills}; `docker system prune`, after eval "$({env})", removes what '
        "nothing uses, or choose a larger aws.data_volume.size_gib",
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
