"""The machines' disks: how full each is, with what, and what can be taken off it safely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moor import deployment_lock
from moor.doctor import each, pruning
from moor.doctor.finding import Finding, Fix, Result
from moor.failure import CommandError
from moor.operation import disk_use, engines, ssh
from moor.operation.top import size
from moor.overview import host as overview_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moor.doctor.patient import Patient
    from moor.operation.hosts import Host
    from moor.overview.host import Disk

_FULL: Final = 85
"""The per cent of a disk from which on it is told: pulling one more image may take the rest."""

_SECONDS: Final = 30.0


def disks(patient: Patient) -> Result:
    """Look how full the machines' disks are, and with what."""
    if not patient.hosts:
        return Result(name="disks", told="nothing is deployed")
    told, findings = each.host(patient, _host)
    return Result(name="disks", told=", ".join(filter(None, told)), findings=findings)


def _host(patient: Patient, host: Host) -> tuple[str, tuple[Finding, ...]]:
    try:
        there = _disks(patient, host)
    except CommandError:
        # That it does not answer is told by the check of the machines.
        return "", ()
    if not there:
        return "", ()
    fullest = max(there, key=lambda disk: disk.percent)
    told = f"{host.name} {fullest.percent}% of {size(fullest.size)}"
    return told, tuple(_findings(patient, host, there))


def _disks(patient: Patient, host: Host) -> tuple[Disk, ...]:
    environment = patient.session.environment
    return overview_host.read(ssh.output(environment, host, overview_host.SCRIPT)).disks


def _findings(patient: Patient, host: Host, there: tuple[Disk, ...]) -> Iterator[Finding]:
    for disk in there:
        if disk.percent < _FULL:
            continue
        try:
            filled = disk_use.ask(patient.session.environment, host, disk, seconds=_SECONDS)
        except CommandError as error:
            filled = str(error)
        larger = f"a larger disk is {disk_use.larger(host, disk)}"
        yield Finding(
            subject=f"{host}: {disk.path}",
            text=f"must have room, got {disk.percent}% of {size(disk.size)} in use: {filled}",
            remedy=f"`{patient.moor('doctor --fix')}` removes images that nothing uses and that "
            "can be had again, and the cache of builds; a volume is emptied by its service; "
            f"{larger}"
            if disk.holds_docker
            else f"`{patient.moor('ssh')}` opens a shell to remove what nobody needs; {larger}",
            fix=Fix(text="pruned", do=lambda disk=disk: _prune(patient, host, disk))  # type: ignore[misc]  # the loop's own
            if disk.holds_docker
            else None,
        )


def _prune(patient: Patient, host: Host, disk: Disk) -> str:
    """Make room on the disk that Docker's things are on.

    Raises:
        CommandError: It is full all the same, or somebody is at work on the environment.
    """
    session = patient.session
    with (
        deployment_lock.held(session.environment),
        engines.engine(session.environment, host) as client,
    ):
        engines.without_limit(client)
        pruning.prune(client, pruning.kept(session))
    left = next(one for one in _disks(patient, host) if one.holds_docker)
    freed = f"{size(max(0, disk.used - left.used))} are free again on {host.name}"
    if left.percent >= _FULL:
        raise CommandError(
            f"{freed}, and it is {left.percent}% full: what is left is in use, or nobody else has "
            "it"
        )
    return freed
