"""The machines: whether each is there, answers, and is the one we know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.host import remote_command
from constructs_lib.host.remote_command import RemoteCommandError
from constructs_lib.swarm.managers import Membership, Problem
from moor.doctor import cloud, each
from moor.doctor.finding import Finding, Result
from moor.failure import CommandError
from moor.operation import engines
from moor.swarm import machines

if TYPE_CHECKING:
    from moor.doctor.patient import Patient
    from moor.operation.hosts import Host

_SSH_SECONDS: Final = 30


def machines_of(patient: Patient) -> Result:
    """Look whether each machine is there and answers, over SSH and over the Docker API."""
    if not patient.hosts:
        return Result(name="machines", told="nothing is deployed")
    told, findings = each.host(patient, _machine)
    return Result(name="machines", told=", ".join(told), findings=findings)


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
        remote_command.run(host.ssh, "true", seconds=_SSH_SECONDS)
    except RemoteCommandError as error:
        findings.append(
            Finding(
                subject=str(host),
                text=f"{error}; deployments go that way",
                remedy="a rule may be missing, see ports; or another machine has the address now",
            )
        )
    return f"{host.name} Docker {info.get('ServerVersion', '')}", tuple(findings)


def _why(patient: Patient, host: Host, error: engines.UnreachableError) -> Finding:
    """Tell a machine that is gone from one that is stopped, closed, or somebody else."""
    if error.problem is Problem.CERTIFICATE:
        subject, _, text = str(error).partition(": ")
        text, _, remedy = text.partition("; ")
        if "must be valid now" not in text:
            remedy = (
                f"where another machine has the address now, `{patient.up}` gives it back; where "
                "another computer has replaced the certificates, copy its folder "
                f".moor/{patient.session.environment.name}"
            )
        return Finding(subject=subject, text=text, remedy=remedy)
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
