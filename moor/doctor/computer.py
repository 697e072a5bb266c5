"""This computer: the programs that a deployment takes, files that must be private, disk, locks."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from constructs_lib.files.private_file import GROUP_AND_OTHERS, PRIVATE_FILE_MODE, check_private
from moor import deployment_lock, exposure
from moor.doctor.finding import Finding, Fix, Result
from moor.failure import CommandError
from moor.operation.top import size
from moor.toolchain.toolchain import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moor.doctor.patient import Patient

_LEAST_FREE: Final = 2 * 1024**3
"""Bytes that a deployment may take here: providers, images that are built, logs."""

_PROGRAMS: Final = {
    "ssh": "install OpenSSH's client (package openssh-client)",
    "scp": "install OpenSSH's client (package openssh-client)",
}


def programs(patient: Patient) -> Result:
    """Look for the programs that commands start."""
    session, findings, told = patient.session, [], []
    try:
        toolchain = session.toolchain
    except CommandError as error:
        subject, _, text = str(error).partition(": ")
        text, _, remedy = text.partition("; ")
        findings.append(Finding(subject=subject, text=text, remedy=remedy))
    else:
        told.append(toolchain.version or str(toolchain.terraform))
        findings += [
            Finding(
                subject=str(file),
                text="must be there, as set-up has recorded it, got nothing",
                remedy="run `make setup`",
            )
            for file in (toolchain.terraform, toolchain.node, toolchain.cdktf)
            if not file.exists()
        ]
    for name, remedy in _PROGRAMS.items():
        if shutil.which(name) is None:
            findings.append(
                Finding(subject=name, text="must be installed, got nothing", remedy=remedy)
            )
    told.append("OpenSSH")
    if shutil.which("docker") is None:
        told.append("no docker program, which only `moor env` and `moor context` are for")
    return Result(name="programs", told=", ".join(told), findings=tuple(findings))


def files(patient: Patient) -> Result:
    """Look whether keys and what services are told are this user's alone."""
    environment = patient.session.environment
    findings = []
    keys = [environment.directory / name for name in exposure.KEYS]
    for finding in exposure.files(environment):
        path = Path(finding.subject)
        findings.append(
            Finding(
                subject=finding.subject,
                text=finding.text,
                remedy=finding.remedy,
                fix=_private(path),
            )
        )
    count = sum(key.exists() for key in keys)
    return Result(name="files", told=f"{count} private keys", findings=tuple(findings))


def _private(path: Path) -> Fix | None:
    """Return what makes a file or folder private; None where that is not ours to do."""
    try:
        state = path.stat()
    except OSError:
        return None
    mode = 0o700 if stat.S_ISDIR(state.st_mode) else PRIVATE_FILE_MODE
    if state.st_uid != os.geteuid() or not state.st_mode & GROUP_AND_OTHERS:
        return None

    def do() -> None:
        path.chmod(mode)
        if path.is_file():
            check_private(path)

    return Fix(text=f"chmod {mode:o} {path}", do=do)


def disk(patient: Patient) -> Result:
    """Look whether this computer's disk has room for a deployment, and what of ours is on it."""
    del patient
    usage = shutil.disk_usage(ROOT)
    free = size(usage.free)
    findings: tuple[Finding, ...] = ()
    if usage.free < _LEAST_FREE:
        largest = sorted(_folders(), reverse=True)[:3]
        listed = ", ".join(f"{path} {size(count)}" for count, path in largest)
        findings = (
            Finding(
                subject=str(ROOT),
                text=f"must have {size(_LEAST_FREE)} free for a deployment, got {free}",
                remedy=f"make room; of this project's own: {listed}",
            ),
        )
    return Result(name="disk here", told=f"{free} of {size(usage.total)} free", findings=findings)


def _folders() -> Iterator[tuple[int, str]]:
    for name in (".tools", ".moor", "cdktf.out", ".venv", "node_modules"):
        folder = ROOT / name
        if folder.is_dir():
            yield _weight(folder), name


def _weight(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total


def context(patient: Patient) -> Result:
    """Look whether Docker's own context, where one was made, has the present certificates."""
    from moor.operation import docker_context  # noqa: PLC0415

    found = docker_context.of(patient.session)
    if not found.meta.exists():
        return Result(name="context", told="none; `moor context` makes one")
    findings: tuple[Finding, ...] = ()
    if not found.is_current():
        findings = (
            Finding(
                subject=f"Docker context {found.name}",
                text="must have the present certificates, private to this user, got others",
                remedy=f"`{patient.moor('context')}` writes them anew",
            ),
        )
    return Result(name="context", told=found.name, findings=findings)


def lock(patient: Patient) -> Result:
    """Look whether somebody works on the environment."""
    session = patient.session
    holders = deployment_lock.holders(session.environment)
    findings = tuple(
        Finding(
            subject=f"environment {session.environment.name}",
            text=f"{holder.name} (process {holder.pid}) works on it",
            remedy=f"wait, or see `{patient.moor('lock status')}`",
            is_wrong=False,
        )
        for holder in holders
    )
    return Result(
        name="lock", told="at work" if holders else "nobody works on it", findings=findings
    )


def state_locks(patient: Patient) -> Result:
    """Look whether a deployment that was killed has left the lock of a state in S3."""
    from moor.operation import locks  # noqa: PLC0415

    session = patient.session
    if session.settings.state.s3 is None:
        return Result(name="state", told="in files of this computer")
    findings = []
    for held in locks.states(session):
        at_work = bool(held.here) or held.is_of_another_computer

        def do(held: locks.Held = held) -> str:
            return locks.release(session, held, despite=False)

        findings.append(
            Finding(
                subject=held.what,
                text=f"is locked by {held.who}, {held.doing}, lock {held.id}",
                remedy=f"`{patient.moor('lock release')}`, where nothing runs there any more",
                is_wrong=not held.here,
                fix=None if at_work else Fix(text="released", do=do),
            )
        )
    return Result(
        name="state", told=f"in S3, {session.settings.state.s3.bucket}", findings=tuple(findings)
    )
