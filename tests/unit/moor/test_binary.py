"""Which binary an environment's state was written by."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib.settings.environment import Environment
from moor.failure import CommandError
from moor.toolchain import binary
from moor.toolchain.toolchain import Toolchain


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})


def tools(kind: str | None = "terraform", version: str | None = None) -> Toolchain:
    return Toolchain(
        terraform=Path(f"/tools/{kind}"),
        configuration=None,
        node=Path("/tools/node"),
        cdktf=Path("/tools/cdktf"),
        version=version,
        kind=kind,
    )


def record(environment: Environment) -> Path:
    return environment.directory / "binary.json"


@pytest.mark.parametrize("version", ["Terraform v1.9.8", "OpenTofu v1.9.0", "Terraform v0.15.5"])
def test_it_fails_when_the_binary_is_too_old_for_a_state_in_s3(
    environment: Environment, version: str
) -> None:
    with pytest.raises(CommandError) as caught:
        binary.check(environment, tools(version=version), s3=True)
    assert str(caught.value) == (
        f"{environment.settings_file}: state.s3: must have Terraform or OpenTofu 1.10 or later, "
        f"which lock a state in S3, got {version} (/tools/terraform); install a newer one and run "
        "`python3 -m setup --refresh`"
    )
    binary.check(environment, tools(version=version), s3=False)


@pytest.mark.parametrize(
    "version", ["Terraform v1.10.0", "Terraform v1.11.4", "Terraform v2.0.0-beta1", "", None, "x"]
)
def test_a_binary_that_is_new_enough_or_says_nothing_will_do(
    environment: Environment, version: str | None
) -> None:
    binary.check(environment, tools(version=version), s3=True)


@pytest.mark.parametrize("kind", ["terraform", "tofu"])
def test_the_same_kind_goes_on(environment: Environment, kind: str) -> None:
    binary.check(environment, tools(kind), s3=False)
    binary.remember(environment, tools(kind))
    assert record(environment).read_text(encoding="utf-8") == f'{{"kind": "{kind}"}}\n'
    binary.check(environment, tools(kind), s3=False)
    binary.check(environment, tools(None), s3=False)


def test_it_fails_when_terraform_meets_a_state_of_opentofu(environment: Environment) -> None:
    binary.remember(environment, tools("tofu"))
    with pytest.raises(CommandError) as caught:
        binary.check(environment, tools("terraform"), s3=False)
    assert str(caught.value) == (
        "environment production: must be worked on by OpenTofu, which wrote its state, got "
        "Terraform (/tools/terraform); name the other one, as in: "
        "TERRAFORM_BINARY_NAME=tofu make setup; or stay with Terraform from now on: in each "
        f"folder of {environment.output / 'stacks'} run `tofu state replace-provider "
        "registry.opentofu.org/NAMESPACE/NAME registry.terraform.io/NAMESPACE/NAME` for each "
        f"provider, then remove {record(environment)}"
    )


def test_it_fails_when_opentofu_meets_a_state_of_terraform(environment: Environment) -> None:
    binary.remember(environment, tools("terraform"))
    with pytest.raises(CommandError) as caught:
        binary.check(environment, tools("tofu"), s3=False)
    assert str(caught.value) == (
        "environment production: must be worked on by Terraform, which wrote its state, got "
        "OpenTofu (/tools/tofu); name the other one, as in: "
        "TERRAFORM_BINARY_NAME=terraform make setup; or stay with OpenTofu from now on: "
        f"remove {record(environment)}"
    )


def test_the_way_out_of_a_mismatch_leads_out(environment: Environment) -> None:
    binary.remember(environment, tools("terraform"))
    record(environment).unlink()
    binary.check(environment, tools("tofu"), s3=False)


def test_what_is_forgotten_is_no_obstacle(environment: Environment) -> None:
    binary.remember(environment, tools("tofu"))
    binary.forget(environment)
    binary.forget(environment)
    assert not record(environment).exists()
    binary.check(environment, tools("terraform"), s3=False)


def test_a_kind_that_nobody_knows_is_not_remembered(environment: Environment) -> None:
    binary.remember(environment, tools(None))
    assert not record(environment).exists()


def test_what_is_remembered_already_is_not_written_again(environment: Environment) -> None:
    binary.remember(environment, tools("tofu"))
    record(environment).write_text('{ "kind": "tofu" }', encoding="utf-8")
    binary.remember(environment, tools("tofu"))
    assert record(environment).read_text(encoding="utf-8") == '{ "kind": "tofu" }'
    binary.remember(environment, tools("terraform"))
    assert record(environment).read_text(encoding="utf-8") == '{"kind": "terraform"}\n'


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"kind": "pulumi"}', '{"kind": []}', '{"kind": null}']
)
def test_a_record_that_cannot_be_read_is_none(environment: Environment, text: str) -> None:
    record(environment).parent.mkdir(parents=True)
    record(environment).write_text(text, encoding="utf-8")
    binary.check(environment, tools("tofu"), s3=False)
    binary.remember(environment, tools("tofu"))
    assert record(environment).read_text(encoding="utf-8") == '{"kind": "tofu"}\n'
