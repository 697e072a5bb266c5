"""The machines of a swarm's nodes, as EC2 knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moor.failure import CommandError

if TYPE_CHECKING:
    from moor.session import Session

_LINES: Final = 15


def state(session: Session, machine: str) -> str:
    """Return the state of a machine in EC2's word, such as `running`; empty where it is gone.

    Args:
        session: The command.
        machine: The machine's id.

    Raises:
        CommandError: EC2 does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    filters = [{"Name": "instance-id", "Values": [machine]}]
    try:
        found = _ec2(session).describe_instances(Filters=filters)["Reservations"]
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"machine {machine}: EC2 must tell its state, got: {error}; `moor permissions` lists "
            "what the key has to be allowed"
        ) from None
    states = [str(i["State"]["Name"]) for page in found for i in page["Instances"]]
    return states[0] if states else ""


def reboot(session: Session, machine: str) -> None:
    """Reboot a machine; it is not waited for.

    Args:
        session: The command.
        machine: The machine's id.

    Raises:
        CommandError: EC2 refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    try:
        _ec2(session).reboot_instances(InstanceIds=[machine])
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"machine {machine}: must reboot, got: {error}; reboot it in AWS's console"
        ) from None


def console(session: Session, machine: str) -> str:
    """Return what a machine's console shows, or nothing where that cannot be read.

    Args:
        session: The command.
        machine: The machine's id.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    try:
        client = _ec2(session)
        return str(client.get_console_output(InstanceId=machine, Latest=True).get("Output", ""))
    except (CommandError, BotoCoreError, ClientError):
        return ""


def end_of(console: str) -> list[str]:
    """Return the last lines of a console that have something in them.

    Args:
        console: What it shows.
    """
    # What a machine prints must not be able to move a terminal's cursor.
    lines = ["".join(c for c in line if c.isprintable()).rstrip() for line in console.splitlines()]
    return [line for line in lines if line.strip()][-_LINES:]


def _ec2(session: Session) -> Any:  # noqa: ANN401  (boto3 has no types)
    from moor.aws_client import ec2  # noqa: PLC0415  # heavy

    return ec2(session.settings, session.environment.sandbox_credentials)
