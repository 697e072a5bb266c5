"""The script `terraform`: it skips an `init` only where that would change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from constructs_lib.settings.environment import Environment
from moor.toolchain import terraform_init, toolchain
from moor.toolchain.toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Callable

WRAPPER: Final = Path(terraform_init.__file__).with_name("terraform")
SKIPPED: Final = "Nothing to initialize: providers and backend are those of the last time.\n"

# Writes what the real one writes, and a line for each time that it runs.
TERRAFORM: Final = """\
#!/bin/sh
echo "$*" >> "$RUNS"
[ "${FAIL-}" = "$1" ] && exit 3
if [ "$1" = init ]; then
  mkdir -p .terraform/providers/registry/aws
  echo 'hash' > .terraform.lock.hcl
  echo '{"backend": "local"}' > .terraform/terraform.tfstate
  ln -sfn "$CACHE" .terraform/providers/registry/aws/5.0
fi
"""

CONFIGURATION: Final[dict[str, Any]] = {
    "terraform": {
        "backend": {"local": {"path": "/state/aws.tfstate"}},
        "required_providers": {"aws": {"source": "aws", "version": ">= 5.0"}},
    },
    "provider": {"aws": [{"region": "eu-central-1"}]},
    "resource": {"aws_eip": {"Address": {"domain": "vpc"}}},
}


class Stack:
    """A stack's folder, and a Terraform that records its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "stack"
        self.folder.mkdir()
        self.terraform = folder / "real"
        self.terraform.write_text(TERRAFORM, encoding="utf-8")
        self.terraform.chmod(0o755)
        self.provider = folder / "cache" / "terraform-provider-aws"
        self.provider.parent.mkdir()
        self.provider.write_bytes(b"binary")
        self.runs = folder / "runs"
        self.variables = {
            "PATH": os.defpath,
            "RUNS": str(self.runs),
            "CACHE": str(self.provider.parent),
            "MOOR_TERRAFORM": str(self.terraform),
            "MOOR_PYTHON": sys.executable,
        }
        self.configure(CONFIGURATION)

    def configure(self, document: dict[str, Any]) -> None:
        """Write the configuration."""
        text = json.dumps(document)
        (self.folder / "cdk.tf.json").write_text(text, encoding="utf-8")

    def run(self, *words: str, status: int = 0) -> str:
        """Run the wrapper; return what it prints."""
        done = subprocess.run(
            [WRAPPER, *words],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (status, "")
        return done.stdout

    def ran(self) -> list[str]:
        """Return the runs of the real one since the last question."""
        lines = self.runs.read_text(encoding="utf-8").splitlines() if self.runs.exists() else []
        self.runs.unlink(missing_ok=True)
        return lines


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


@pytest.fixture
def initialized(stack: Stack) -> Stack:
    stack.run("init", "-no-color")
    assert stack.ran() == ["init -no-color"]
    return stack


def test_a_second_init_is_skipped(initialized: Stack) -> None:
    assert initialized.run("init", "-no-color") == SKIPPED
    assert initialized.run("init") == SKIPPED
    assert initialized.ran() == []


def test_what_init_does_not_read_may_change(initialized: Stack) -> None:
    document = json.loads(json.dumps(CONFIGURATION))
    document["resource"]["aws_eip"]["Address"]["domain"] = "other"
    document["provider"]["aws"][0]["region"] = "us-east-1"
    document["output"] = {"ip": {"value": "1"}}
    initialized.configure(document)
    assert initialized.run("init") == SKIPPED


@pytest.mark.parametrize(
    "options",
    [["-upgrade"], ["-migrate-state"], ["-reconfigure"], ["-backend=false"], ["-no-color", "-get"]],
)
def test_an_init_that_asks_for_more_always_runs(initialized: Stack, options: list[str]) -> None:
    initialized.run("init", *options)
    assert initialized.ran() == [" ".join(["init", *options])]


def changed(path: str, value: object) -> Callable[[Stack], None]:
    """Change the configuration at a path such as `terraform.backend`."""

    def change(stack: Stack) -> None:
        document = json.loads(json.dumps(CONFIGURATION))
        *parents, last = path.split(".")
        place = document
        for name in parents:
            place = place[name]
        place[last] = value
        stack.configure(document)

    return change


def with_variable(name: str, value: str) -> Callable[[Stack], None]:
    return lambda stack: stack.variables.update({name: value})


def with_file(name: str, text: str) -> Callable[[Stack], None]:
    def change(stack: Stack) -> None:
        (stack.folder / name).write_text(text, encoding="utf-8")

    return change


def without_file(name: str) -> Callable[[Stack], None]:
    return lambda stack: (stack.folder / name).unlink()


def other_program(stack: Stack) -> None:
    stack.terraform.write_text(TERRAFORM + "\n# newer\n", encoding="utf-8")


def other_provider(stack: Stack) -> None:
    stack.provider.write_bytes(b"another binary")


def no_provider(stack: Stack) -> None:
    stack.provider.rename(stack.provider.with_name("elsewhere"))


def broken_link(stack: Stack) -> None:
    stack.provider.parent.rename(stack.provider.parent.with_name("gone"))


def command_line_configuration(stack: Stack) -> None:
    file = stack.folder.parent / "terraform.rc"
    file.write_text("disable_checkpoint = true", encoding="utf-8")
    stack.variables["TF_CLI_CONFIG_FILE"] = str(file)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(changed("terraform.backend", {"s3": {}}), id="backend"),
        pytest.param(
            changed("terraform.required_providers.aws.version", ">= 6.0"), id="constraint"
        ),
        pytest.param(changed("resource", {"random_id": {}}), id="implied provider"),
        pytest.param(changed("module", {"vpc": {"source": "./vpc"}}), id="module"),
        pytest.param(with_file("more.tf", ""), id="another configuration file"),
        pytest.param(with_file("cdk.tf.json", "{"), id="damaged configuration"),
        pytest.param(with_file(".terraform.lock.hcl", "other"), id="lock file"),
        pytest.param(without_file(".terraform.lock.hcl"), id="no lock file"),
        pytest.param(with_file(".terraform/terraform.tfstate", "{}"), id="backend's record"),
        pytest.param(without_file(".terraform/terraform.tfstate"), id="no backend's record"),
        pytest.param(with_file(".terraform/environment", "other"), id="workspace"),
        pytest.param(without_file(".terraform/moor-initialized"), id="nothing remembered"),
        pytest.param(with_file(".terraform/moor-initialized", "x"), id="another hash"),
        pytest.param(with_variable("TF_CLI_ARGS_init", "-upgrade"), id="options by variable"),
        pytest.param(with_variable("TF_WORKSPACE", "other"), id="workspace by variable"),
        pytest.param(with_variable("TF_DATA_DIR", "data"), id="data folder"),
        pytest.param(with_variable("MOOR_PYTHON", "/no/python"), id="no Python"),
        pytest.param(command_line_configuration, id="command line configuration"),
        pytest.param(other_program, id="program"),
        pytest.param(other_provider, id="provider"),
        pytest.param(no_provider, id="no provider"),
        pytest.param(broken_link, id="broken link"),
    ],
)
def test_a_change_makes_it_run(initialized: Stack, change: Callable[[Stack], None]) -> None:
    change(initialized)
    done = subprocess.run(
        [WRAPPER, "init"],
        cwd=initialized.folder,
        env=initialized.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert initialized.ran() == ["init"]


def test_a_failed_init_is_not_remembered(stack: Stack) -> None:
    stack.variables["FAIL"] = "init"
    stack.run("init", status=3)
    stack.run("init", status=3)
    assert stack.ran() == ["init", "init"]


@pytest.mark.parametrize(
    "words", [["apply", "-auto-approve"], ["output", "-json"], ["version", "-json"], ["version"]]
)
def test_everything_else_is_the_real_terraforms(stack: Stack, words: list[str]) -> None:
    stack.run(*words)
    stack.variables["FAIL"] = words[0]
    stack.run(*words, status=3)
    assert stack.ran() == [" ".join(words)] * 2


@pytest.mark.parametrize("word", ["version", "-v"])
def test_the_version_is_the_one_that_set_up_recorded(stack: Stack, word: str) -> None:
    stack.variables["MOOR_TERRAFORM_VERSION"] = "Terraform v1.11.4"
    assert stack.run(word) == "Terraform v1.11.4\n"
    assert stack.ran() == []
    assert json.loads(stack.run("version", "-json")) == {"terraform_version": "1.11.4"}
    assert stack.ran() == []
    # In an initialized folder it also lists the providers.
    stack.run("init")
    stack.run(word)
    assert stack.ran() == ["init", word]


# When it is used


def variables_of(
    root: Path, monkeypatch: pytest.MonkeyPatch, program: bytes, *, age: int
) -> dict[str, str]:
    """Return the variables for a Terraform that is so many seconds older than set-up's record."""
    monkeypatch.setattr(toolchain, "ROOT", root)
    for name in list(os.environ):
        if name.startswith(("MOOR_", "TERRAFORM_")):
            monkeypatch.delenv(name)
    terraform, record = root / "terraform", root / ".tools" / "terraform.json"
    terraform.write_bytes(program)
    record.parent.mkdir()
    record.write_text(
        json.dumps({"path": str(terraform), "kind": "terraform", "version": "1.11.4"}),
        encoding="utf-8",
    )
    now = record.stat().st_mtime
    os.utime(terraform, (now - age, now - age))
    environment = Environment.from_variable(root, {})
    found = Toolchain.load().variables(environment)
    return {k: v for k, v in found.items() if k.startswith(("MOOR_", "TERRAFORM_"))}


def test_the_real_terraform_stands_behind_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert variables_of(tmp_path, monkeypatch, b"\x7fELF", age=10) == {
        "TERRAFORM_BINARY_NAME": str(WRAPPER),
        "MOOR_TERRAFORM": str(tmp_path / "terraform"),
        "MOOR_TERRAFORM_VERSION": "Terraform v1.11.4",
        "MOOR_PYTHON": sys.executable,
        "MOOR_LOCKS": str(tmp_path / ".moor" / "sandbox" / "providers"),
    }


@pytest.mark.parametrize(
    ("program", "age"),
    [
        pytest.param(b"\x7fELF", -10, id="updated since"),
        pytest.param(b"#!/bin/sh\n", 10, id="a version manager's script"),
    ],
)
def test_a_version_that_may_have_changed_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: bytes, age: int
) -> None:
    variables = variables_of(tmp_path, monkeypatch, program, age=age)
    assert variables["MOOR_TERRAFORM_VERSION"] == ""


def test_a_folder_that_a_shell_would_split_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "_TERRAFORM_WRAPPER", Path("/with blanks/terraform"))
    assert variables_of(tmp_path, monkeypatch, b"\x7fELF", age=10) == {
        "TERRAFORM_BINARY_NAME": str(tmp_path / "terraform"),
        "MOOR_LOCKS": str(tmp_path / ".moor" / "sandbox" / "providers"),
    }
