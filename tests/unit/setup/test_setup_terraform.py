"""Which Terraform is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from setup.errors import SetupError
from setup.schedule import perform_all
from setup.step import Context
from setup.terraform import Binary, Terraform, identify, load_record

if TYPE_CHECKING:
    from pathlib import Path

    from setup.project import Project


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def install(folder: Path, name: str, answer: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\necho 'on linux_amd64'\n")
    path.chmod(0o755)
    return path


def step(project: Project, programs: Path, **variables: str) -> Terraform:
    return Terraform(Context(project=project, variables={"PATH": str(programs), **variables}))


def test_terraform_is_preferred(project: Project, programs: Path) -> None:
    install(programs, "tofu", "OpenTofu v1.12.6")
    path = install(programs, "terraform", "Terraform v1.11.4")
    perform_all([step(project, programs)])

    assert Binary.load(project) == Binary(path=path, kind="terraform", version="1.11.4")


def test_opentofu_is_taken_where_there_is_no_terraform(project: Project, programs: Path) -> None:
    path = install(programs, "tofu", "OpenTofu v1.12.6")
    perform_all([step(project, programs)])

    assert load_record(project) == {"path": str(path), "kind": "tofu", "version": "1.12.6"}


def test_opentofu_is_taken_where_terraform_is_too_old(project: Project, programs: Path) -> None:
    install(programs, "terraform", "Terraform v1.4.7")
    install(programs, "tofu", "OpenTofu v1.6.0")
    perform_all([step(project, programs)])

    assert Binary.load(project).kind == "tofu"


def test_the_variable_names_another(project: Project, programs: Path, tmp_path: Path) -> None:
    install(programs, "terraform", "Terraform v1.11.4")
    other = install(tmp_path, "my-terraform", "OpenTofu v1.9.1")
    perform_all([step(project, programs, TERRAFORM_BINARY_NAME=str(other))])

    assert Binary.load(project) == Binary(path=other, kind="tofu", version="1.9.1")


def test_an_update_is_noticed(project: Project, programs: Path) -> None:
    install(programs, "terraform", "Terraform v1.11.4")
    perform_all([step(project, programs)])
    assert step(project, programs).is_current()
    install(programs, "terraform", "Terraform v1.12.10")
    perform_all([step(project, programs)])

    assert Binary.load(project).version == "1.12.10"


def test_it_fails_when_there_is_neither(project: Project, programs: Path) -> None:
    with pytest.raises(SetupError) as caught:
        perform_all([step(project, programs)])
    assert str(caught.value) == (
        "terraform: terraform or tofu on PATH: must be Terraform 1.5 or later, or OpenTofu, got "
        "none; install Terraform or OpenTofu, or name one with TERRAFORM_BINARY_NAME"
    )


def test_it_fails_when_none_will_do(project: Project, programs: Path) -> None:
    old = install(programs, "terraform", "Terraform v1.4.7")
    broken = install(programs, "tofu", "Segmentation fault")
    with pytest.raises(SetupError) as caught:
        perform_all([step(project, programs)])
    assert f"got {old} (1.4.7), {broken} (no answer); install" in str(caught.value)


def test_it_fails_when_the_named_one_is_missing(project: Project, programs: Path) -> None:
    install(programs, "terraform", "Terraform v1.11.4")
    with pytest.raises(SetupError) as caught:
        perform_all([step(project, programs, TERRAFORM_BINARY_NAME="/no/tofu")])
    assert str(caught.value).startswith("terraform: /no/tofu: must be Terraform 1.5 or later")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Terraform v1.5.0\non linux_amd64\n", ("terraform", "1.5.0")),
        ("Warning: x\n\nTerraform v1.15.0-rc1\n", ("terraform", "1.15.0-rc1")),
        ("OpenTofu v1.12.6\n", ("tofu", "1.12.6")),
        ("", None),
        ("Terraform is not installed", None),
    ],
)
def test_identify(text: str, expected: tuple[str, str] | None) -> None:
    assert identify(text) == expected
