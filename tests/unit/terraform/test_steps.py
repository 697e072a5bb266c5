"""Steps: what a `terraform_data` is made of, and the command that runs a module of ours."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from cdktf_cdktf_provider_aws.eip import Eip
from synthesis import ROOT, Json, only, provisioners, synth_of

from constructs_lib.terraform.steps import run_module, terraform_data

if TYPE_CHECKING:
    from cdktf import TerraformStack

PYTHON = shlex.quote(sys.executable)


def step_of(*arguments: str) -> Json:
    document = synth_of(
        lambda stack: terraform_data(
            stack, "Steps", triggers={}, provisioners=[run_module("a_package.a_module", *arguments)]
        )
    )
    ((kind, settings),) = provisioners(document)
    assert kind == "local-exec"
    return settings


def test_the_steps_are_one_resource_that_nothing_else_describes() -> None:
    def define(stack: TerraformStack) -> None:
        address = Eip(stack, "Address", domain="vpc")
        terraform_data(
            stack,
            "Steps",
            triggers={"address": address.public_ip},
            provisioners=[run_module("first"), run_module("second")],
            depends_on=[address],
        )

    assert only(synth_of(define), "terraform_data") == {
        "depends_on": ["aws_eip.Address"],
        "provisioner": [
            {"local-exec": {"command": f"{PYTHON} -m first", "working_dir": str(ROOT)}},
            {"local-exec": {"command": f"{PYTHON} -m second", "working_dir": str(ROOT)}},
        ],
        "triggers_replace": {"address": "${aws_eip.Address.public_ip}"},
    }


def test_a_module_runs_with_the_interpreter_of_the_app_in_the_project() -> None:
    assert step_of("--port", "2376") == {
        "command": f"{PYTHON} -m a_package.a_module --port 2376",
        "working_dir": str(ROOT),
    }


def test_what_is_no_token_reaches_the_module_as_it_is() -> None:
    words = ("/my env/it's", "a;b", "$HOME", "", '"')
    assert shlex.split(step_of(*words)["command"])[3:] == list(words)


def test_a_token_is_left_to_terraform() -> None:
    def define(stack: TerraformStack) -> None:
        address = Eip(stack, "Address", domain="vpc").public_ip
        terraform_data(
            stack, "Steps", triggers={}, provisioners=[run_module("m", "--host", address)]
        )

    ((_, settings),) = provisioners(synth_of(define))
    assert settings["command"] == f"{PYTHON} -m m --host ${{aws_eip.Address.public_ip}}"
