"""The certificates of this computer: whether they are valid, and how long they will be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from constructs_lib.identity.pem import load_certificate
from constructs_lib.settings.certificates import pki_of
from moor.doctor.finding import Finding, Result

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.x509 import Certificate

    from moor.doctor.patient import Patient

_SOON: Final = timedelta(days=14)
_WHAT: Final = {"cert.pem": "the client's certificate", "ca.pem": "the authority's certificate"}


def certificates(patient: Patient, *, now: datetime | None = None) -> Result:
    """Look whether the certificates here are valid.

    Args:
        patient: The environment.
        now: What time it is, aware; by default the time.
    """
    environment, moment = patient.session.environment, now or datetime.now(UTC)
    findings, told = [], []
    for name, what in _WHAT.items():
        file = environment.certificates / name
        if not file.exists():
            continue
        try:
            certificate = load_certificate(file.read_bytes())
        except ValueError as error:
            findings.append(
                Finding(
                    subject=str(file),
                    text=f"must be a certificate, got: {error}",
                    remedy=f"`{patient.moor('certs rotate all')}`, then `{patient.up}`",
                )
            )
            continue
        told.append(f"{name} {(certificate.not_valid_after_utc - moment).days} days left")
        findings += _valid(patient, file, certificate, moment, what)
    for person, certificate in pki_of(environment, patient.session.settings).people().items():
        if certificate.not_valid_after_utc <= moment:
            findings.append(
                Finding(
                    subject=person,
                    text=f"has had access until {certificate.not_valid_after_utc:%F}",
                    remedy=f"`{patient.moor(f'share {person}')}` again, or "
                    f"`{patient.moor(f'unshare {person}')}`",
                    is_wrong=False,
                )
            )
    return Result(name="certificates", told=", ".join(told) or "none yet", findings=tuple(findings))


def _valid(
    patient: Patient, file: Path, certificate: Certificate, now: datetime, what: str
) -> list[Finding]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        return [
            Finding(
                subject=str(file),
                text=f"{what} must be valid now, got valid from {begin:%F %H:%M} on",
                remedy="set this computer's clock",
            )
        ]
    if end <= now:
        return [
            Finding(
                subject=str(file),
                text=f"{what} must be valid now, got one that ended on {end:%F}",
                remedy=f"`{patient.up}` makes another and installs it",
            )
        ]
    if end - now < _SOON:
        return [
            Finding(
                subject=str(file),
                text=f"{what} ends on {end:%F}",
                remedy=f"`{patient.up}` makes another and installs it",
            )
        ]
    return []
