"""A machine without its user data: told by its console, rebooted on request; moto is AWS."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor import first_boot
from moor.failure import CommandError
from moor.session import Session
from moor.toolchain.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moor.toolchain.terraform_cli import Terraform

NETWORKS = {"cidrs": ["203.0.113.0/24"]}
SETTINGS = {
    "project": "moor",
    "aws": {"region": "eu-central-1", "ssh": NETWORKS, "docker_api": NETWORKS},
}
AWS = Stack(name="aws", folder=cast("Path", None))
IN_VAIN = "fetching token...\nerror: Unable to fetch data: no route\n"


@pytest.mark.parametrize(
    ("console", "answer"),
    [
        ("", False),
        ("SSH host key: SHA256:x (ED25519)\nip-1 login: ", False),
        ("[  5.1] coreos-cloudinit[9]: No datasources available in time", True),
        ("[FAILED] Failed to start oem-cloudinit.service - Cloudinit from EC2.", True),
        (IN_VAIN, True),
        ("fetching token...\nerror: token response status code 503\n", True),
        # Another boot has fetched it.
        (f"{IN_VAIN}fetching token...\nFetching meta-data from datasource of type x\n", False),
        (f"{IN_VAIN}fetching token...\n", False),
        (f"Fetching meta-data from datasource of type x\n{IN_VAIN}", True),
    ],
)
def test_what_a_console_tells(console: str, *, answer: bool) -> None:
    assert first_boot.is_without_user_data(console) is answer


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(
        environment=Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})
    )
    session.__dict__["settings"] = Settings.model_validate(SETTINGS)
    return session


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield boto3.client("ec2", region_name="eu-central-1")


def terraform(*machines: str) -> Terraform:
    """Return a Terraform whose state knows some machines."""
    resources = [
        {
            "mode": "managed",
            "type": "aws_instance",
            "instances": [{"attributes": {"id": machine}}],
        }
        for machine in machines
    ]
    return cast(
        "Terraform", SimpleNamespace(state=lambda _: {"resources": resources}, variables={})
    )


def new_machine(client: Any) -> str:  # noqa: ANN401  (boto3 has no types)
    image = client.describe_images()["Images"][0]["ImageId"]
    answer = client.run_instances(ImageId=image, MinCount=1, MaxCount=1)
    machine: str = answer["Instances"][0]["InstanceId"]
    return machine


def show(monkeypatch: pytest.MonkeyPatch, console: str) -> None:
    """Set what EC2 tells of any console."""
    output = base64.b64encode(console.encode()).decode()
    client = SimpleNamespace(
        get_console_output=lambda **asked: {"Output": console, "asked": asked, "raw": output}
    )
    monkeypatch.setattr("moor.first_boot._ec2", lambda *_: client)


def test_a_machine_without_user_data_is_explained(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(monkeypatch, IN_VAIN)
    assert first_boot.explanation(session, AWS, terraform("i-1")) == (
        "machine i-1: its console says that it booted without its user data, since the metadata "
        "service came too late, so that it listens for SSH on port 22 only; "
        "`ENVIRONMENT=production .venv/bin/moor up --reboot` reboots it first, and it fetches the "
        "data again"
    )


def test_nothing_is_explained_of_another_failure(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(monkeypatch, "ip-1 login: ")
    assert first_boot.explanation(session, AWS, terraform("i-1")) == ""
    assert first_boot.explanation(session, AWS, terraform()) == ""


def test_a_console_that_cannot_be_read_explains_nothing(session: Session, client: Any) -> None:  # noqa: ANN401
    assert client is not None
    assert first_boot.explanation(session, AWS, terraform("i-0123456789abcdef0")) == ""


def test_the_machine_is_rebooted(
    session: Session,
    client: Any,  # noqa: ANN401  (boto3 has no types)
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = new_machine(client)
    asked: list[str] = []

    def note(_backend: object, ids: list[str]) -> list[str]:
        asked.extend(ids)
        return []

    monkeypatch.setattr("moto.ec2.models.EC2Backend.reboot_instances", note)
    assert first_boot.reboot(session, AWS, terraform(machine)) == machine
    assert asked == [machine]


def test_rebooting_fails_when_there_is_no_machine(session: Session) -> None:
    with pytest.raises(CommandError, match=r"^environment production: must have a machine to re"):
        first_boot.reboot(session, AWS, terraform())


def test_rebooting_fails_when_aws_refuses(session: Session, client: Any) -> None:  # noqa: ANN401
    with pytest.raises(ClientError):
        client.reboot_instances(InstanceIds=["i-0123456789abcdef0"])
    with pytest.raises(CommandError, match=r"must reboot, got: .*; reboot it in AWS's console$"):
        first_boot.reboot(session, AWS, terraform("i-0123456789abcdef0"))
