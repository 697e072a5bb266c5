"""The lock: one command at a time, and nothing to clean up after a killed one."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from constructs_lib.settings.environment import Environment
from moor import deployment_lock
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]

_HOLDER = """
import os, sys
from pathlib import Path
from moor import deployment_lock
from constructs_lib.settings.environment import Environment
environment = Environment.from_variable(Path(sys.argv[1]), {})
"""
# Each says `held` when it holds the lock, and ends when its input does.
HOLDS = (
    _HOLDER
    + """
with deployment_lock.held(environment):
    print("held", flush=True)
    sys.stdin.read()
"""
)
BECOMES_ANOTHER_PROGRAM = (
    _HOLDER
    + """
deployment_lock.acquire(environment)
os.execv("/bin/sh", ["sh", "-c", "echo held; read -r line"])
"""
)
LEAVES_A_DAEMON = (
    _HOLDER
    + """
import subprocess
with deployment_lock.held(environment):
    # It outlives this program, until the same input ends.
    subprocess.Popen(["/bin/sh", "-c", "read -r line"], close_fds=False)
print("held", flush=True)
"""
)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment.from_variable(tmp_path, {})


@contextmanager
def another(program: str, environment: Environment) -> Iterator[subprocess.Popen[str]]:
    """Run a program in another process, from when it has said `held`."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(environment.root)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 60)[0], "no word in a minute"
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def refusal(environment: Environment) -> str:
    with (
        pytest.raises(CommandError) as caught,
        deployment_lock.held(environment),
    ):
        pytest.fail("two hold the lock")
    return str(caught.value)


def test_the_second_is_refused_and_told_who_holds_it(environment: Environment) -> None:
    with another(HOLDS, environment) as process:
        assert refusal(environment) == (
            "environment sandbox: must have one command at a time, "
            f"got another at work (process {process.pid}); wait until it has ended; "
            "`moor lock status` tells what it does"
        )


def test_the_second_is_refused_in_the_same_process_too(environment: Environment) -> None:
    with deployment_lock.held(environment):
        assert f"(process {os.getpid()})" in refusal(environment)


def test_a_refused_one_does_not_free_it(environment: Environment) -> None:
    with deployment_lock.held(environment):
        assert refusal(environment) == refusal(environment)


def test_it_is_free_after_the_block(environment: Environment) -> None:
    for _ in range(2):
        with deployment_lock.held(environment):
            pass


def test_it_is_free_after_an_error_in_the_block(environment: Environment) -> None:
    def fail() -> None:
        with deployment_lock.held(environment):
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    with deployment_lock.held(environment):
        pass


def test_a_killed_holder_frees_it(environment: Environment) -> None:
    with another(HOLDS, environment) as process:
        assert "at work" in refusal(environment)
        process.kill()
        process.wait(timeout=60)
        with deployment_lock.held(environment):
            pass


def test_a_program_that_the_holder_becomes_holds_it_on(environment: Environment) -> None:
    with another(BECOMES_ANOTHER_PROGRAM, environment) as process:
        assert f"(process {process.pid})" in refusal(environment)
        process.kill()
        process.wait(timeout=60)
        with deployment_lock.held(environment):
            pass


def test_a_daemon_that_was_started_in_the_block_does_not_hold_it(environment: Environment) -> None:
    with (
        another(LEAVES_A_DAEMON, environment),
        deployment_lock.held(environment),
    ):
        pass


def test_two_environments_do_not_wait_for_each_other(tmp_path: Path) -> None:
    one = Environment.from_variable(tmp_path, {"ENVIRONMENT": "one"})
    other = Environment.from_variable(tmp_path, {"ENVIRONMENT": "other"})
    with deployment_lock.held(one), deployment_lock.held(other):
        pass


def test_the_environments_folder_is_private_from_birth(environment: Environment) -> None:
    previous = os.umask(0)
    try:
        with deployment_lock.held(environment):
            assert environment.directory.stat().st_mode & 0o777 == 0o700
            assert environment.lock.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(previous)


def test_a_holder_that_left_no_name_is_unknown(environment: Environment) -> None:
    with deployment_lock.held(environment):
        environment.lock.write_text("", encoding="utf-8")
        assert "(process unknown)" in refusal(environment)


ORPHAN = """\
import os, subprocess, sys
from pathlib import Path
from constructs_lib.settings.environment import Environment
from moor import deployment_lock
environment = Environment.from_variable(Path(sys.argv[1]), {})
with deployment_lock.held(environment) as lock:
    subprocess.Popen([sys.argv[2], "120"], pass_fds=[lock], stdout=subprocess.DEVNULL)
    os.kill(os.getpid(), 9)
"""


def orphan(environment: Environment, folder: Path, name: str) -> None:
    """Leave a program of that name, which holds the lock of a command that was killed."""
    program = folder / name
    program.symlink_to(shutil.which("sleep") or "/bin/sleep")
    words = [sys.executable, "-c", ORPHAN, str(environment.root), str(program)]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -9


def test_a_provider_that_has_outlived_its_terraform_is_ended(
    environment: Environment, tmp_path: Path
) -> None:
    orphan(environment, tmp_path, "terraform-provider-docker_v4.6.0")
    said: list[str] = []
    with deployment_lock.held(environment, said.append):
        pass
    assert said == []


def test_a_terraform_that_a_killed_command_has_left_is_waited_for(
    environment: Environment, tmp_path: Path
) -> None:
    orphan(environment, tmp_path, "terraform")
    said: list[str] = []

    def end(line: str) -> None:
        said.append(line)
        os.kill(int(line.partition("(process ")[2].partition(")")[0]), 15)

    with deployment_lock.held(environment, end):
        pass
    (line,) = said
    assert re.fullmatch(
        r"waiting for terraform \(process \d+\), which a killed command has left", line
    )
