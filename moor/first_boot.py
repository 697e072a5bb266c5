"""A machine that booted without its user data: told by its console, healed by another boot.

Flatcar asks the instance metadata service for a token once, during the boot. Where the service is
late by seconds, the machine is up without its user data, and logs in as core work on port 22 only.
`init.sh` heals that over SSH. Where the settings want another port, nothing can be done over SSH,
because the firewall opens that other port only. But user data is fetched at every boot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moor import typed
from moor.failure import CommandError

if TYPE_CHECKING:
    from moor.session import Session
    from moor.toolchain.stack import Stack
    from moor.toolchain.terraform_cli import Terraform

_BEGINNING: Final = "fetching token"
_WITHOUT: Final = (
    "error: Unable to fetch data",
    "error: token response status code",
    "No datasources available in time",
    "Failed to start oem-cloudinit.service",
)
_FETCHED: Final = "Fetching meta-data from datasource"


def is_without_user_data(console: str) -> bool:
    """Return whether the last boot on a console could not fetch the user data.

    Args:
        console: The console's text, as EC2 tells it.
    """
    result = False
    for line in console.splitlines():
        if _BEGINNING in line or _FETCHED in line:
            result = False
        elif any(words in line for words in _WITHOUT):
            result = True
    return result


def explanation(session: Session, stack: Stack, terraform: Terraform) -> str:
    """Return what a stack's machine has in the way of being reached; empty where nothing is known.

    Never fails: it is asked when something has failed already.

    Args:
        session: The command.
        stack: The stack, with the machine or without.
        terraform: Reads the stack's state.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    try:
        machine = _machine(stack, terraform)
        if not machine:
            return ""
        client = _ec2(session)
        told = client.get_console_output(InstanceId=machine, Latest=True).get("Output", "")
    except (CommandError, BotoCoreError, ClientError):
        return ""
    if not is_without_user_data(told):
        return ""
    again = typed.program(session.environment, "up --reboot")
    return (
        f"machine {machine}: its console says that it booted without its user data, since the "
        "metadata service came too late, so that it listens for SSH on port 22 only; "
        f"`{again}` reboots it first, and it fetches the data again"
    )


def reboot(session: Session, stack: Stack, terraform: Terraform) -> str:
    """Reboot a stack's machine.

    Args:
        session: The command.
        stack: The stack with the machine.
        terraform: Reads the stack's state.

    Returns:
        The machine's id.

    Raises:
        CommandError: There is no machine, or AWS refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    machine = _machine(stack, terraform)
    if not machine:
        first = typed.command(session.environment, "up")
        raise CommandError(
            f"environment {session.environment.name}: must have a machine to reboot, got none; "
            f"run {first} without --reboot"
        )
    try:
        _ec2(session).reboot_instances(InstanceIds=[machine])
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"machine {machine}: must reboot, got: {error}; reboot it in AWS's console"
        ) from None
    return machine


def _machine(stack: Stack, terraform: Terraform) -> str:
    """Return the id of the machine that a stack's state knows; empty where it knows none."""
    for resource in terraform.state(stack).get("resources", []):
        if resource.get("mode") == "managed" and resource.get("type") == "aws_instance":
            for instance in resource.get("instances", []):
                return str(instance.get("attributes", {}).get("id", ""))
    return ""


def _ec2(session: Session) -> Any:  # noqa: ANN401  (boto3 has no types)
    from moor.aws_client import ec2  # noqa: PLC0415  # heavy

    return ec2(session.settings, session.environment.sandbox_credentials)
