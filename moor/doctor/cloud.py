"""AWS: whether it knows us, what time it is there, and whether there are addresses enough."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from moor.doctor.finding import Finding, Result
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moor.doctor.patient import Patient

_MOST_SECONDS: Final = 60.0
"""By how much clocks may differ. AWS refuses requests that are five minutes off, EC2 among them."""

_QUOTA: Final = "vpc-max-elastic-ips"
_DENIED: Final = ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException")
_ENDED: Final = ("ExpiredToken", "RequestExpired", "ExpiredTokenException")


def credentials(patient: Patient) -> Result:
    """Ask AWS who we are, and compare its clock with ours."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    settings = patient.session.settings
    before = datetime.now(UTC)
    try:
        answer = patient.sts().get_caller_identity()
    except ClientError as error:
        return _refused(patient, error.response, str(error), before)
    except (BotoCoreError, CommandError) as error:
        remedy = (
            f"`{patient.up}` starts the sandbox"
            if settings.sandbox is not None
            else "`aws configure`, `aws sso login`, or aws.profile in the settings; see README"
        )
        finding = Finding(subject="AWS", text=f"must know who we are, got: {error}", remedy=remedy)
        return Result(name="AWS", told="no answer", findings=(finding,))
    return Result(name="AWS", told=str(answer.get("Arn", "")), findings=_clock(answer, before))


def _refused(patient: Patient, response: Mapping[str, Any], said: str, before: datetime) -> Result:
    code = str(response.get("Error", {}).get("Code", ""))
    clock = _clock(response, before)
    if clock:
        return Result(name="AWS", told="refused", findings=clock)
    remedy = (
        "they have ended: log in again, with `aws sso login` or how you got them"
        if code in _ENDED
        else "see that the key exists and is active, and that aws.profile names it"
    )
    if patient.session.settings.sandbox is not None:
        remedy = f"`{patient.up}` starts the sandbox with its own key"
    finding = Finding(subject="AWS", text=f"must know who we are, got: {said}", remedy=remedy)
    return Result(name="AWS", told="refused", findings=(finding,))


def _clock(response: Mapping[str, Any], before: datetime) -> tuple[Finding, ...]:
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        theirs = email.utils.parsedate_to_datetime(str(headers.get("date", "")))
    except ValueError:
        return ()
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return clock("AWS", (theirs - before).total_seconds())


def clock(where: str, ahead_seconds: float) -> tuple[Finding, ...]:
    """Tell whether a clock differs too much from this computer's.

    Args:
        where: Whose clock it is.
        ahead_seconds: By how much it is ahead of ours.
    """
    if abs(ahead_seconds) <= _MOST_SECONDS:
        return ()
    word = "ahead of" if ahead_seconds > 0 else "behind"
    return (
        Finding(
            subject=f"clock of {where}",
            text=f"must be within {_MOST_SECONDS:.0f} s of this computer's, got one "
            f"{abs(ahead_seconds):.0f} s {word} it",
            remedy="compare both with a time server (`timedatectl`), and set the wrong one: "
            "certificates and AWS's signatures are valid for a time only",
        ),
    )


def addresses(patient: Patient) -> Result:
    """Compare the Elastic IPs that the settings take with those that the account may have."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    session = patient.session
    try:
        client = patient.ec2()
        found = client.describe_addresses()["Addresses"]
        attributes = client.describe_account_attributes(AttributeNames=[_QUOTA])
    except ClientError as error:
        if str(error.response.get("Error", {}).get("Code")) not in _DENIED:
            return _unknown(error)
        return Result(name="addresses", told="not told: ec2:DescribeAccountAttributes is denied")
    except (BotoCoreError, CommandError) as error:
        return _unknown(error)
    values = [
        value["AttributeValue"]
        for one in attributes["AccountAttributes"]
        if one["AttributeName"] == _QUOTA
        for value in one["AttributeValues"]
    ]
    most = int(values[0]) if values else 0
    ours = sum(_is_ours(patient, one) for one in found)
    wanted = session.settings.aws.machines.count
    others = len(found) - ours
    told = f"{len(found)} of {most} Elastic IPs in use, {ours} of them ours"
    if not most or others + wanted <= most:
        return Result(name="addresses", told=told)
    finding = Finding(
        subject="aws.machines",
        text=f"must leave an Elastic IP for each of {wanted} machines, got {most} that the account "
        f"may have in {session.settings.aws.region}, {others} of them in use by others",
        remedy="release some of those, or ask AWS for more (Service Quotas, EC2-VPC Elastic IPs)",
    )
    return Result(name="addresses", told=told, findings=(finding,))


def _is_ours(patient: Patient, address: Mapping[str, Any]) -> bool:
    tags = {tag["Key"]: tag["Value"] for tag in address.get("Tags", ())}
    session = patient.session
    return (tags.get("project"), tags.get("environment")) == (
        session.settings.project,
        session.environment.name,
    )


def _unknown(error: Exception) -> Result:
    # That AWS does not answer is told once, by the check of the credentials.
    return Result(name="addresses", told=f"not told: {error}")
