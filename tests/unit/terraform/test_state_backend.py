"""Where Terraform's state goes: always said in so many words."""

from __future__ import annotations

from pathlib import Path

import pytest
from cdktf import TerraformStack
from cdktf_cdktf_provider_aws.eip import Eip
from cdktf_cdktf_provider_aws.provider import AwsProvider
from synthesis import Json, new_app, synth, synth_of

from constructs_lib.settings.environment import Environment
from constructs_lib.terraform.state_backend import LocalState, S3State


def backend(state: LocalState | S3State, name: str = "aws") -> Json:
    document = synth_of(lambda stack: state.attach(stack, name))
    found: Json = document["terraform"]["backend"]
    return found


def test_a_local_state_has_an_absolute_path() -> None:
    assert backend(LocalState(folder=Path("/env/state"))) == {
        "local": {"path": "/env/state/aws.tfstate"}
    }


def test_the_path_does_not_depend_on_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Environment.from_variable(Path("/project"), {})
    before = backend(LocalState(folder=environment.state))
    monkeypatch.chdir(tmp_path)
    assert before == backend(LocalState(folder=environment.state))
    assert before == {"local": {"path": "/project/.moor/sandbox/state/aws.tfstate"}}


@pytest.mark.parametrize("folder", ["/a${b}", "/a%{b", "/a\r"])
def test_a_folder_that_the_other_stack_would_evaluate_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match="must be a path without") as caught:
        backend(LocalState(folder=Path(folder)))
    assert str(caught.value) == (
        f"{folder}: must be a path without ${{ and %{{, which Terraform would evaluate; move the "
        "project elsewhere"
    )


def test_s3_is_encrypted_and_locked_by_s3_itself() -> None:
    state = S3State(bucket="states", region="eu-central-1", prefix="moor/production")
    assert backend(state, "docker") == {
        "s3": {
            "bucket": "states",
            "key": "moor/production/docker.tfstate",
            "region": "eu-central-1",
            "encrypt": True,
            "use_lockfile": True,
        }
    }


def test_s3_with_a_profile() -> None:
    state = S3State(bucket="states", region="eu-central-1", prefix="moor", profile="work")
    assert backend(state)["s3"]["profile"] == "work"


def test_s3_with_a_role_has_it_for_whoever_reads_the_state_too() -> None:
    role = "arn:aws:iam::123456789012:role/deploy"
    state = S3State(bucket="states", region="eu-central-1", prefix="moor", role_arn=role)
    assert backend(state)["s3"]["assume_role"] == {"role_arn": role}
    app = new_app()
    first, second = TerraformStack(app, "first"), TerraformStack(app, "second")
    for stack, name in ((first, "first"), (second, "second")):
        state.attach(stack, name)
        AwsProvider(stack, "AwsProvider", region="eu-central-1")
    Eip(second, "Reader", address=Eip(first, "Address").public_ip)
    for stack in (first, second):
        stack.prepare_stack()
    (read,) = synth(second)["data"]["terraform_remote_state"].values()
    assert read["config"]["assume_role"] == {"role_arn": role}


def test_every_stack_has_a_state_of_its_own() -> None:
    app = new_app()
    state = LocalState(folder=Path("/env/state"))
    paths = set()
    for name in ("aws", "docker"):
        stack = TerraformStack(app, name)
        state.attach(stack, name)
        paths.add(synth(stack)["terraform"]["backend"]["local"]["path"])
    assert paths == {"/env/state/aws.tfstate", "/env/state/docker.tfstate"}
