"""Steps: what a `terraform_data` is made of, and the command that runs a module of ours."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

from cdktf_cdktf_provider_aws.eip import Eip
from synthesis import ROOT, Json, only, provisioners, synth_of, words_of
from terraform_evaluation import apply, evaluate

from constructs_lib.terraform.literal import Expression
from constructs_lib.terraform.steps import run_module, terraform_data

if TYPE_CHECKING:
    from pathlib import Path

    from cdktf import TerraformStack


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
            triggers={"address": Expression(address.public_ip)},
            provisioners=[run_module("first", "a"), run_module("second", "b")],
            depends_on=[address],
        )

    assert only(synth_of(define), "terraform_data") == {
        "depends_on": ["aws_eip.Address"],
        "provisioner": [
            {
                "local-exec": {
                    "interpreter": [sys.executable, "-m", module],
                    "command": argument,
                    "working_dir": str(ROOT),
                }
            }
            for module, argument in (("first", "a"), ("second", "b"))
        ],
        "triggers_replace": {"address": "${aws_eip.Address.public_ip}"},
    }


def test_a_module_runs_with_the_interpreter_of_the_app_in_the_project() -> None:
    assert step_of("--port", "2376") == {
        "interpreter": [sys.executable, "-m", "a_package.a_module", "--port"],
        "command": "2376",
        "working_dir": str(ROOT),
    }


def test_what_is_no_token_reaches_the_module_as_it_is(tmp_path: Path) -> None:
    words = ("/my env/it's", "a;b", "$HOME", "", '"', '${file("/etc/passwd")}', "`id`")
    assert words_of(evaluate(tmp_path, step_of(*words)))[3:] == list(words)


def test_terraform_itself_starts_it_without_a_shell(tmp_path: Path) -> None:
    words = ("/my env/it's", f"a;touch {tmp_path}/made", "$HOME", '"', '${file("/x")}', "$(id)")
    step = step_of(*words)
    # What stands for the module prints the words that it gets.
    show = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(repr(sys.argv[2:]))"
    step["interpreter"][1:3] = ["-c", show, str(tmp_path / "got")]
    resource = {"terraform_data": {"Step": {"provisioner": [{"local-exec": step}]}}}
    apply(tmp_path, {"resource": resource})
    assert ast.literal_eval((tmp_path / "got").read_text(encoding="utf-8")) == list(words)
    assert not (tmp_path / "made").exists()


def test_a_token_is_left_to_terraform() -> None:
    def define(stack: TerraformStack) -> None:
        address = Expression(Eip(stack, "Address", domain="vpc").public_ip)
        terraform_data(
            stack, "Steps", triggers={}, provisioners=[run_module("m", "--host", address)]
        )

    ((_, settings),) = provisioners(synth_of(define))
    assert words_of(settings)[3:] == ["--host", "${aws_eip.Address.public_ip}"]
