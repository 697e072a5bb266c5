"""Deployments of small stacks, with the real Terraform: in order, as approved, whatever dies."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from terraform_stacks import Trial, step

from moor import recovery
from moor.failure import CommandError, StoppedError
from moor.outputs import outputs_file
from moor.recovery import Leftover
from moor.toolchain.process import Process, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from moor.session import Session
    from moor.toolchain.stack import Stack
    from moor.toolchain.terraform_cli import Terraform

ROOT = Path(__file__).resolve().parents[3]
UNCHANGED = "0 to add, 0 to change, 0 to destroy"
DEADLINE_SECONDS = 30.0


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial.in_folder(tmp_path)


def when(condition: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """Do something in a thread as soon as a condition holds."""

    def work() -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if condition():
                act()
                return
            time.sleep(0.02)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_both_stacks_are_deployed_in_the_order_of_their_references(trial: Trial) -> None:
    assert trial.up() == ["1 to add, 0 to change, 0 to destroy"] * 2
    assert trial.resources("aws") == {"Address": "one"}
    assert trial.resources("docker") == {"Container": "on one"}
    document = json.loads(outputs_file(trial.environment).read_text(encoding="utf-8"))
    assert document == {"aws": {"public_ip": "one"}, "docker": {}}
    assert "read from the configuration: there is no machine yet that could be asked" in (
        trial.text.getvalue()
    )


def test_nothing_is_applied_where_nothing_changes(trial: Trial) -> None:
    trial.up()
    before = [trial.state(stack).read_bytes() for stack in ("aws", "docker")]
    assert trial.up() == [UNCHANGED] * 2
    assert [trial.state(stack).read_bytes() for stack in ("aws", "docker")] == before


def test_a_change_that_the_second_stack_reads_is_planned_anew(trial: Trial) -> None:
    trial.up()
    trial.write(address="two")
    assert trial.up() == ["0 to add, 1 to change, 0 to destroy"] * 2
    assert trial.resources("docker") == {"Container": "on two"}
    assert "plan of docker, as the stack before it is now" in trial.text.getvalue()


def test_what_is_found_on_a_machine_that_was_just_made_is_removed_before_it_is_in_the_way(
    trial: Trial,
) -> None:
    """As a kept data volume has it, whose containers no state knows any more."""
    removed: list[str] = []

    def found(_session: Session, stack: Stack, _terraform: Terraform) -> list[Leftover]:
        is_there = stack.name == "docker" and trial.state("aws").exists() and not removed
        assert not trial.state("docker").exists() or removed
        thing = Leftover(name="network moor_default", remove=lambda: removed.append(stack.name))
        return [thing] if is_there else []

    deployment = trial.deployment()
    deployment.leftovers = found
    deployment.up(approve=False)
    assert removed == ["docker"]
    assert trial.resources("docker") == {"Container": "on one"}
    assert trial.text.getvalue().count("removed network moor_default") == 1


def test_what_a_newer_version_reads_of_the_first_stack_is_written_before_the_second_is_planned(
    trial: Trial,
) -> None:
    trial.up()
    trial.write(
        outputs={"id": "${terraform_data.Address.output}"},
        docker={"More": {"input": "${data.terraform_remote_state.aws.outputs.id}"}},
    )
    later = "it is planned, and shown, when the stack before it is applied"
    for _ in range(2):
        plans = trial.deployment().plan()
        assert [(plan.summary, plan.assumed) for plan in plans] == [
            (UNCHANGED, ""),
            (UNCHANGED, later),
        ]
        assert plans[0].outputs == ("id",)
    assert trial.up() == [UNCHANGED, "1 to add, 0 to change, 0 to destroy"]
    assert trial.resources("docker") == {"Container": "on one", "More": "one"}
    assert [plan.assumed for plan in trial.deployment().plan()] == ["", ""]


def test_a_plan_changes_nothing(trial: Trial) -> None:
    plans = trial.deployment().plan()
    assert [plan.summary for plan in plans] == ["1 to add, 0 to change, 0 to destroy"] * 2
    assert [plan.assumed for plan in plans] == ["", "there is no machine yet that could be asked"]
    assert not trial.state("aws").exists()


def test_both_are_destroyed_the_last_one_first(trial: Trial) -> None:
    trial.up()
    plans = trial.deployment().down(approve=False)
    assert [(plan.stack, plan.summary) for plan in plans] == [
        ("docker", "0 to add, 0 to change, 1 to destroy"),
        ("aws", "0 to add, 0 to change, 1 to destroy"),
    ]
    assert trial.resources("aws") == trial.resources("docker") == {}


def test_outside_a_sandbox_nothing_is_changed_unasked(trial: Trial) -> None:
    trial.sandbox = False
    with pytest.raises(CommandError) as caught:
        trial.up()
    assert str(caught.value) == (
        "environment trial: must be approved at a terminal, got none; --approve, or APPROVE=1, "
        "approves beforehand"
    )
    assert not trial.state("aws").exists()
    trial.deployment().up(approve=True)
    assert trial.resources("aws") == {"Address": "one"}


def test_a_plan_is_in_no_file_and_gone_afterwards(trial: Trial, tmp_path: Path) -> None:
    deployment = trial.deployment()
    stack = deployment.stacks[0]
    run = deployment.terraform.plan(stack)
    deployment.terraform.finish([run])
    assert "resource_changes" in deployment.terraform.show(run)
    assert [f for f in tmp_path.rglob("*") if f.is_file() and f.read_bytes()[:2] == b"PK"] == []
    run.close()
    with pytest.raises(CommandError) as caught:
        deployment.terraform.apply(run)
    assert str(caught.value) == "aws: the plan: must be open, got one that is gone"


def test_what_terraform_prints_and_its_state_are_for_their_owner_alone(trial: Trial) -> None:
    trial.up()
    files = [*trial.environment.log.iterdir(), *trial.environment.state.iterdir()]
    assert len(files) >= 4
    assert {f.stat().st_mode & 0o777 for f in files} == {0o600}


def test_a_plan_that_another_deployment_has_overtaken_is_not_applied(trial: Trial) -> None:
    deployment = trial.deployment()
    run = deployment.terraform.plan(deployment.stacks[0])
    deployment.terraform.finish([run])
    trial.up()
    applying = deployment.terraform.apply(run)
    deployment.terraform.finish([applying])
    with pytest.raises(CommandError) as caught:
        applying.must_have_succeeded()
    assert str(caught.value) == (
        "aws: the plan: must be of the state as it is, got one that another deployment has "
        "overtaken; nothing of it was applied: look at a new plan"
    )
    run.close()


def test_a_locked_state_tells_who_and_since_when_and_how_to_unlock(trial: Trial) -> None:
    started = trial.environment.root / "started"
    trial.write(aws={"Slow": step(f"touch {started}; sleep 60")})
    deployment = trial.deployment()
    run = deployment.terraform.plan(deployment.stacks[0])
    deployment.terraform.finish([run])
    slow = deployment.terraform.apply(run)
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not started.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(CommandError) as caught:
            trial.up()
    finally:
        slow.process.kill()
        run.close()
    assert re.fullmatch(
        r"aws: the state: must be free, got locked by \S+@\S+ since \d{4}-\d\d-\d\d [\d:.]+ \+0000 "
        r"UTC \(OperationTypeApply\); wait until that has ended, or, when it is certain that "
        r"nobody works on it, run: moor state unlock aws [0-9a-f-]{36}",
        str(caught.value),
    )


def test_an_error_of_terraforms_names_the_stack_and_the_resource(trial: Trial) -> None:
    trial.write(aws={"Broken": step("echo no such luck; exit 3")})
    with pytest.raises(CommandError) as caught:
        trial.up()
    first, *rest = str(caught.value).splitlines()
    assert first == "aws: terraform_data.Broken: local-exec provisioner error"
    assert "  no such luck" in rest[0] or any("no such luck" in line for line in rest)
    assert rest[-1] == (
        "1 of 2 changes of the stack aws were made; "
        f"the next `ENVIRONMENT={trial.environment.settings_file} make up` goes on from there"
    ).replace(f"ENVIRONMENT={trial.environment.settings_file}", "ENVIRONMENT=trial")


def killer(flag: Path, whom: str) -> dict[str, Any]:
    """Return a step that kills somebody the first time, and only then is done."""
    done = flag.with_name("done")
    return step(
        f"test -e {flag} || {{ touch {flag}; sleep 1; kill -9 {whom}; sleep 5; }}; touch {done}"
    )


@pytest.mark.parametrize("stack", ["aws", "docker"])
def test_a_killed_terraform_is_a_failure_and_the_next_deployment_repairs(
    trial: Trial, stack: str
) -> None:
    flag = trial.environment.root / "killed"
    # A shell's parent is Terraform.
    # The other one ends first, and has Terraform write its state: with a step in it that is not
    # done, and does not look so.
    step_of = {"Killer": killer(flag, "$PPID"), "Beside": step("true")}
    trial.write(
        aws=step_of if stack == "aws" else None, docker=step_of if stack == "docker" else None
    )
    with pytest.raises(CommandError) as caught:
        trial.up()
    log = trial.environment.log / f"terraform-{stack}.log"
    assert str(caught.value).splitlines()[0] == (
        f"terraform apply ({stack}): must come to its end by itself, got killed by SIGKILL; "
        f"the log is {log}"
    )
    assert flag.exists()
    assert (trial.environment.directory / f"unfinished-{stack}").exists()
    assert not flag.with_name("done").exists()
    trial.up()
    assert flag.with_name("done").exists()
    assert {"Killer", "Beside"} <= set(trial.resources(stack))
    assert not (trial.environment.directory / f"unfinished-{stack}").exists()
    assert trial.up() == [UNCHANGED] * 2


def test_a_terraform_that_is_killed_while_it_plans_is_a_failure(trial: Trial) -> None:
    deployment = trial.deployment()
    run = deployment.terraform.plan(deployment.stacks[0])
    run.process.kill()
    deployment.terraform.finish([run])
    with pytest.raises(CommandError, match="got killed by SIGKILL"):
        run.must_have_succeeded()
    run.close()
    trial.up()
    assert trial.up() == [UNCHANGED] * 2


def test_an_interrupt_lets_terraform_come_to_its_end(trial: Trial) -> None:
    started = trial.environment.root / "started"
    trial.write(aws={"Slow": step(f"test -e {started} || {{ touch {started}; exec sleep 60; }}")})
    asked = when(started.exists, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(StoppedError) as caught:
        trial.up()
    asked.join()
    assert not caught.value.killed
    assert str(caught.value) == (
        "interrupted: 1 of 2 changes of the stack aws were made, and the state knows them; "
        "the next `ENVIRONMENT=trial make up` goes on from there"
    )
    assert "waiting until what is under way has come to an end" in trial.text.getvalue()
    assert trial.resources("aws") == {"Address": "one"}
    trial.up()
    assert trial.up() == [UNCHANGED] * 2


def test_a_second_interrupt_kills(trial: Trial) -> None:
    folder = trial.environment.root
    stubborn = f"test -e {folder}/on || {{ trap '' INT TERM; touch {folder}/on; sleep 60; }}"
    trial.write(aws={"Stubborn": step(stubborn)})

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        when(
            lambda: "once more kills it" in trial.text.getvalue(),
            lambda: os.kill(os.getpid(), signal.SIGINT),
        )

    begin = time.monotonic()
    asked = when((folder / "on").exists, twice)
    with pytest.raises(StoppedError) as caught:
        trial.up()
    asked.join()
    assert caught.value.killed
    assert str(caught.value) == (
        "killed: 1 of 2 changes of the stack aws were made, and what was under way when it was "
        "killed may exist and not be in the state; "
        "the next `ENVIRONMENT=trial make up` goes on from there"
    )
    assert time.monotonic() - begin < 50
    trial.up()
    assert trial.up() == [UNCHANGED] * 2


PROGRAM = """\
import os, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
from terraform_stacks import Trial
from constructs_lib.settings.environment import Environment
from moor import deployment_lock
environment = Environment(name="trial", root=Path({folder!r}),
                          settings_file=Path({folder!r}, "environments", "trial.yaml"))
trial = Trial(environment=environment)
with deployment_lock.held(environment) as lock:
    trial.deployment(lock).up(approve=False)
"""


def test_a_killed_command_leaves_a_terraform_that_comes_to_its_end(trial: Trial) -> None:
    folder = trial.environment.root
    started = folder / "started"
    trial.write(aws={"Slow": step(f"test -e {started} || {{ touch {started}; exec sleep 60; }}")})
    program = PROGRAM.format(root=str(ROOT), tests=str(ROOT / "tests"), folder=str(folder))
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.DEVNULL) as command:
        when(started.exists, command.kill).join()
        assert command.wait(DEADLINE_SECONDS) == -signal.SIGKILL
    # The next one waits for it: it holds the lock until it has written its state.
    done = subprocess.run(
        [sys.executable, "-c", program], stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    assert done.returncode == 0
    assert trial.resources("aws") == {"Address": "one", "Slow": "step"}
    assert trial.up() == [UNCHANGED] * 2


def test_a_terminal_that_goes_away_lets_terraform_come_to_its_end(trial: Trial) -> None:
    folder = trial.environment.root
    started = folder / "started"
    trial.write(aws={"Slow": step(f"test -e {started} || {{ touch {started}; exec sleep 60; }}")})
    program = PROGRAM.format(root=str(ROOT), tests=str(ROOT / "tests"), folder=str(folder))
    terminal, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        # The terminal becomes the command's own, which is then told when it goes away.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    ) as command:
        os.close(theirs)
        when(started.exists, lambda: os.close(terminal)).join()
        assert command.wait(DEADLINE_SECONDS) != 0
    assert trial.resources("aws") == {"Address": "one"}
    trial.up()
    assert trial.up() == [UNCHANGED] * 2


def test_a_mark_stays_until_terraform_has_come_to_a_good_end(trial: Trial) -> None:
    recovery.begin(trial.environment, "aws")
    mark = trial.environment.directory / "unfinished-aws"
    assert mark.stat().st_mode & 0o777 == 0o600
    trial.up()
    assert not mark.exists()


def test_a_program_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        Process.start(
            ["/no/such/terraform"],
            name="terraform plan (aws)",
            folder=tmp_path,
            variables={},
            log=tmp_path / "log",
        )
    assert str(caught.value) == (
        "terraform plan (aws): /no/such/terraform: must be a program that runs, got: No such file "
        "or directory; run `make setup`"
    )


def test_what_a_program_prints_is_handed_on_line_by_line(tmp_path: Path) -> None:
    lines: list[str] = []
    process = Process.start(
        ["sh", "-c", "echo one; echo two >&2; printf three"],
        name="sh",
        folder=tmp_path,
        variables=dict(os.environ),
        log=tmp_path / "log",
        on_line=lines.append,
    )
    wait_for([process])
    assert lines == ["one", "two", "three"]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def closing_itself(trial: Trial) -> Path:
    """Let the first stack open what the second one needs: a file. Returns it."""
    file = trial.environment.root / "open"
    api = {
        "provisioner": [{"local-exec": {"command": f"touch {file}"}}],
        "//": {"metadata": {"path": "aws/DockerApi/Resource"}},
    }
    address = "data.terraform_remote_state.aws.outputs.public_ip"
    needs = {
        "condition": f'${{{address} != "" && fileexists("{file}")}}',
        "error_message": "connection refused",
    }
    trial.write(aws={"Api": api}, docker={"Needs": {"lifecycle": {"precondition": [needs]}}})
    return file


def test_an_api_that_its_machine_has_closed_is_opened_again(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = closing_itself(trial)
    trial.up()
    file.unlink()
    with pytest.raises(CommandError, match="connection refused"):
        trial.up()
    monkeypatch.setattr("moor.reopening.is_closed", lambda _session: True)
    assert trial.up() == ["1 to add, 0 to change, 1 to destroy", UNCHANGED]
    assert file.exists()
    assert "aws: the machine has closed its Docker API by itself" in trial.text.getvalue()
    assert trial.up() == [UNCHANGED] * 2


def test_another_failure_of_a_plan_opens_nothing(trial: Trial) -> None:
    file = closing_itself(trial)
    trial.up()
    file.unlink()
    before = trial.state("aws").read_bytes()
    with pytest.raises(CommandError, match="connection refused"):
        trial.up()
    assert trial.state("aws").read_bytes() == before


def test_a_failed_deployment_tells_what_the_console_knows(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def explain(_session: object, stack: Any, _terraform: object) -> str:  # noqa: ANN401
        asked.append(stack.name)
        return "machine i-1: booted without its user data"

    monkeypatch.setattr("moor.first_boot.explanation", explain)
    trial.write(aws={"Api": {"provisioner": [{"local-exec": {"command": "exit 3"}}]}})
    with pytest.raises(CommandError, match=r"goes on from there\nmachine i-1: booted without"):
        trial.up()
    assert asked == ["aws"]
