"""Machines as EC2 knows them, and the console of a node whose step failed; moto is EC2."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto import mock_aws

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor.failure import CommandError
from moor.session import Session
from moor.swarm import failed_node, machines
from moor.toolchain.events import Diagnostic
from moor.toolchain.stack import CONFIGURATION, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moor.toolchain.terraform_cli import Terraform

NETWORKS = {"cidrs": ["203.0.113.0/24"]}
SETTINGS = {
    "project": "moor",
    "aws": {"region": "eu-central-1", "ssh": NETWORKS, "docker_api": NETWORKS},
}
UNKNOWN = "i-0123456789abcdef0"


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


def new_machine(client: Any) -> str:  # noqa: ANN401  (boto3 has no types)
    image = client.describe_images()["Images"][0]["ImageId"]
    answer = client.run_instances(ImageId=image, MinCount=1, MaxCount=1)
    machine: str = answer["Instances"][0]["InstanceId"]
    return machine


def test_the_state_of_a_machine(session: Session, client: Any) -> None:  # noqa: ANN401
    machine = new_machine(client)
    assert machines.state(session, machine) == "running"
    client.stop_instances(InstanceIds=[machine])
    assert machines.state(session, machine) == "stopped"
    client.terminate_instances(InstanceIds=[machine])
    assert machines.state(session, machine) == "terminated"
    assert machines.state(session, UNKNOWN) == ""


def test_it_fails_when_ec2_does_not_answer(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import NoCredentialsError  # noqa: PLC0415

    def refuse(**_: object) -> None:
        raise NoCredentialsError

    client = SimpleNamespace(describe_instances=refuse, reboot_instances=refuse)
    monkeypatch.setattr(machines, "_ec2", lambda _: client)
    with pytest.raises(CommandError, match=r"^machine i-1: EC2 must tell its state, got: Unable"):
        machines.state(session, "i-1")
    with pytest.raises(CommandError, match=r"^machine i-1: must reboot, got: Unable to locate"):
        machines.reboot(session, "i-1")


@pytest.mark.usefixtures("client")
def test_a_console_that_cannot_be_read_shows_nothing(session: Session) -> None:
    assert machines.console(session, UNKNOWN) == ""


def test_the_end_of_a_console_has_no_empty_lines_and_moves_no_cursor() -> None:
    told = "\n".join(f"line {n}\n  " for n in range(20)) + "\x1b[2Jend\r\n"
    end = machines.end_of(told)
    assert len(end) == 15
    assert end[0] == "line 6"
    assert end[-1] == "  [2Jend"
    assert machines.end_of("") == []


# A node that failed


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    resources: dict[str, Any] = {"aws_instance": {}, "terraform_data": {}}
    for name in ("web-1", "web-2"):
        path = f"aws/Nodes/{name}/Machine/Resource"
        resources["aws_instance"][f"M_{name}"] = {"//": {"metadata": {"path": path}}}
        path = f"aws/Swarm/Nodes/{name}"
        resources["terraform_data"][f"J_{name}"] = {"//": {"metadata": {"path": path}}}
    (tmp_path / CONFIGURATION).write_text(json.dumps({"resource": resources}), encoding="utf-8")
    return Stack(name="aws", folder=tmp_path)


STATE = {
    "resources": [
        {
            "mode": "managed",
            "type": "aws_instance",
            "name": f"M_{name}",
            "instances": [{"attributes": {"id": f"i-{name}"}}],
        }
        for name in ("web-1", "web-2")
    ]
}


def error(address: str, severity: str = "error") -> Diagnostic:
    return Diagnostic(severity=severity, summary="x", detail="", address=address)


def explained(
    session: Session,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    *found: Diagnostic,
    console: str = "ip-1 login:",
) -> str:
    monkeypatch.setattr(machines, "console", lambda _session, machine: f"{machine}\n{console}")
    terraform = cast("Terraform", SimpleNamespace(state=lambda _: STATE))
    return failed_node.explanation(session, stack, terraform, found)


def test_a_node_that_does_not_join_shows_the_end_of_its_console(
    session: Session, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [error("terraform_data.J_web-2"), error("terraform_data.J_web-1", "warning")]
    assert explained(session, stack, monkeypatch, *found) == (
        "node web-2: the console of its machine i-web-2 ends with:\n  i-web-2\n  ip-1 login:"
    )


def test_a_node_without_its_user_data_says_so(
    session: Session, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = explained(
        session,
        stack,
        monkeypatch,
        error("terraform_data.J_web-1"),
        console="No datasources available in time",
    )
    assert told.splitlines()[-1] == (
        "node web-1: it booted without its user data, since the metadata service came too late; "
        "`ENVIRONMENT=production .venv/bin/moor host replace web-1` makes another machine"
    )


def test_what_is_no_nodes_failure_asks_for_no_console(
    session: Session, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert explained(session, stack, monkeypatch, error("terraform_data.Certificates")) == ""
    assert explained(session, stack, monkeypatch) == ""


def test_an_empty_console_is_told(
    session: Session, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "console", lambda *_: "")
    terraform = cast("Terraform", SimpleNamespace(state=lambda _: STATE))
    found = [error("terraform_data.J_web-1")]
    assert failed_node.explanation(session, stack, terraform, found) == (
        "node web-1: the console of its machine i-web-1 shows nothing yet"
    )
