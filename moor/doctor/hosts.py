"""The machines: whether each is there, answers, is the one we know, and has room on its disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.swarm.managers import Membership, Problem
from moor.doctor import cloud
from moor.doctor.finding import Finding, Fix, Result
from moor.failure import CommandError
from moor.operation import engines, ssh
from moor.operation.containers import ONE_OFF
from moor.operation.top import size
from moor.swarm import machines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from docker import DockerClient

    from moor.doctor.patient import Patient
    from moor.operation.hosts import Host

_AT_ONCE: Final = 16
_FULL: Final = 0.85
"""The share of a disk from which on it is told: pulling one more image may take the rest."""

_DF: Final = "df -Pk / /var/lib/docker 2> /dev/null"
_KIB: Final = 1024
_FIELDS: Final = 6
_NAMED: Final = 3


def machines_of(patient: Patient) -> Result:
    """Look whether each machine is there and answers, over SSH and over the Docker API."""
    if not patient.hosts:
        return Result(name="machines", told="nothing is deployed")
    told, findings = _each(patient, _machine)
    return Result(name="machines", told=", ".join(told), findings=findings)


def disks(patient: Patient) -> Result:
    """Look how full the machines' disks are, and with what."""
    if not patient.hosts:
        return Result(name="disks", told="nothing is deployed")
    told, findings = _each(patient, _disk)
    return Result(name="disks", told=", ".join(filter(None, told)), findings=findings)


def _each(
    patient: Patient, look: Callable[[Patient, Host], tuple[str, tuple[Finding, ...]]]
) -> tuple[list[str], tuple[Finding, ...]]:
    with ThreadPoolExecutor(min(len(patient.hosts), _AT_ONCE)) as pool:
        found = list(pool.map(lambda host: look(patient, host), patient.hosts))
    return [told for told, _ in found], tuple(f for _, findings in found for f in findings)


def _machine(patient: Patient, host: Host) -> tuple[str, tuple[Finding, ...]]:
    environment = patient.session.environment
    try:
        with engines.engine(environment, host) as client:
            api: Any = client.api
            info = api.info()
    except engines.UnreachableError as error:
        return f"{host.name} does not answer", (_why(patient, host, error),)
    except CommandError as error:
        finding = Finding(subject=str(host), text=str(error), remedy=patient.moor("ssh"))
        return f"{host.name} refuses", (finding,)
    ahead = Membership.of(info, datetime.now(UTC)).ahead.total_seconds()
    findings = list(cloud.clock(str(host), ahead))
    try:
        ssh.output(environment, host, "true")
    except CommandError as error:
        findings.append(
            Finding(
                subject=str(host),
                text=f"must answer over SSH, which deployments take, got: {error}",
                remedy="a rule may be missing, see ports; or another machine has the address now",
            )
        )
    return f"{host.name} Docker {info.get('ServerVersion', '')}", tuple(findings)


def _why(patient: Patient, host: Host, error: engines.UnreachableError) -> Finding:
    """Tell a machine that is gone from one that is stopped, closed, or somebody else."""
    if error.problem is Problem.CERTIFICATE:
        subject, _, text = str(error).partition(": ")
        text, _, _ = text.partition("; ")
        return Finding(
            subject=subject,
            text=text,
            remedy=f"`{patient.up}` learns from AWS whose the address is, and installs the "
            "certificates of this computer; where another computer has replaced them, copy its "
            "folder .moor",
        )
    try:
        state = machines.state(patient.session, host.instance_id)
    except CommandError as unknown:
        return Finding(subject=str(host), text=str(error), remedy=str(unknown))
    if state in ("", "terminated", "shutting-down"):
        return Finding(
            subject=str(host),
            text=f"must be there, got a machine ({host.instance_id}) that AWS says is gone",
            remedy=f"`{patient.up}` makes another; what was on its own disk is lost",
        )
    if state != "running":
        return Finding(
            subject=str(host),
            text=f"must run, got {state}",
            remedy=f"start {host.instance_id} in AWS's console, then `{patient.up}`",
        )
    if error.problem is Problem.SILENT:
        return Finding(
            subject=str(host),
            text="must answer, got nothing in time, though AWS says that it runs",
            remedy="a rule may be missing, see ports; or it has no memory or disk left: "
            f"`{patient.moor('os reboot')}`",
        )
    return Finding(
        subject=str(host),
        text="must answer over the Docker API, got a refusal: Docker does not run, or the machine "
        "has closed its API by itself, since strangers were answered there",
        remedy=f"`{patient.up}` opens it again and proves it; "
        f"`{patient.moor('ssh sudo systemctl status docker')}` tells more",
    )


def _disk(patient: Patient, host: Host) -> tuple[str, tuple[Finding, ...]]:
    try:
        used, total, place = fullest(ssh.output(patient.session.environment, host, _DF))
    except CommandError:
        # That it does not answer is told by the check of the machines.
        return "", ()
    told = f"{host.name} {used / total:.0%} of {size(total)}" if total else ""
    if not total or used / total < _FULL:
        return told, ()
    try:
        with engines.engine(patient.session.environment, host) as client:
            api: Any = client.api
            filled = fills(api.df())
    except CommandError as error:
        filled = str(error)
    finding = Finding(
        subject=f"{host}: {place}",
        text=f"must have room, got {used / total:.0%} of {size(total)} in use: {filled}",
        remedy=f"`{patient.moor('doctor --fix')}` removes what no container and no tag names, and "
        "the cache of builds; a volume is emptied by its service; a larger disk is "
        "aws.root_volume.size_gib",
        fix=Fix(text="pruned", do=lambda: _prune(patient, host)),
    )
    return told, (finding,)


def fullest(text: str) -> tuple[int, int, str]:
    """Read what `df -Pk` prints: the fullest file system's used and whole bytes, and its place.

    Args:
        text: What it printed.
    """
    rows = [line.split() for line in text.splitlines()[1:]]
    found = [
        (int(row[2]) * _KIB, (int(row[2]) + int(row[3])) * _KIB, row[5])
        for row in rows
        if len(row) >= _FIELDS and row[2].isdigit() and row[3].isdigit()
    ]
    return max(found, key=lambda one: one[0] / one[1] if one[1] else 0, default=(0, 0, ""))


def fills(df: Mapping[str, Any]) -> str:
    """Say what of an engine's things fills a disk, the largest kind first.

    Args:
        df: What the engine tells of them, as `GET /system/df` does.
    """
    volumes = [
        (
            # What the engine has not counted is -1.
            max(int((volume.get("UsageData") or {}).get("Size", 0)), 0),
            str(volume.get("Name", "")),
        )
        for volume in df.get("Volumes") or ()
    ]
    parts = {
        "images": int(df.get("LayersSize") or 0),
        "containers": sum(int(c.get("SizeRw") or 0) for c in df.get("Containers") or ()),
        "the cache of builds": sum(
            int(c.get("Size") or 0) for c in df.get("BuildCache") or () if not c.get("Shared")
        ),
        "volumes": sum(number for number, _ in volumes),
    }
    large: Sequence[tuple[int, str]] = sorted(volumes, reverse=True)[:_NAMED]
    named = ", ".join(f"{name} {size(number)}" for number, name in large if number > 0)
    told = [
        f"{what} {size(number)}" + (f" ({named})" if what == "volumes" and named else "")
        for what, number in sorted(parts.items(), key=lambda item: -item[1])
        if number > 0
    ]
    return ", ".join(told) or "nothing of Docker's"


def _prune(patient: Patient, host: Host) -> str:
    """Remove what nothing names any more; volumes, and images with a name, stay."""
    with engines.engine(patient.session.environment, host) as client:
        engines.without_limit(client)
        return f"{size(pruned(client))} are free again on {host.name}"


def pruned(client: DockerClient) -> int:
    """Remove one-off containers that have ended, images without a name, and the builds' cache.

    Args:
        client: The engine.

    Returns:
        How many bytes that were.
    """
    api: Any = client.api
    answers = [
        api.prune_containers(filters={"label": [f"{ONE_OFF}=True"]}),
        api.prune_images(filters={"dangling": True}),
        api.prune_builds(),
    ]
    return sum(int(answer.get("SpaceReclaimed") or 0) for answer in answers)
