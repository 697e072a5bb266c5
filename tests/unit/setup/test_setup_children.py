"""How commands are run."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from setup.children import Children
from setup.errors import SetupError, StoppedError
from setup.lock import exclusive

if TYPE_CHECKING:
    from pathlib import Path

    from setup.project import Project


def run(project: Project, script: str, **variables: str) -> Path:
    log = project.logs / "step.log"
    Children().run(["/bin/sh", "-c", script], log=log, cwd=project.root, variables=variables)
    return log


def test_the_log_has_the_command_and_its_output(project: Project) -> None:
    log = run(project, 'echo "$WORD"; echo wrong >&2', WORD="right")

    assert log.read_text() == ("""$ /bin/sh -c 'echo "$WORD"; echo wrong >&2'\nright\nwrong\n""")


def test_there_is_no_standard_input(project: Project) -> None:
    assert run(project, "wc -c").read_text().endswith("\n0\n")


def test_a_failure_has_the_end_of_its_own_output(project: Project) -> None:
    run(project, "echo earlier")
    with pytest.raises(SetupError) as caught:
        run(project, "seq 1 100; exit 7")

    first, *tail = str(caught.value).splitlines()
    assert first == (
        "/bin/sh -c 'seq 1 100; exit 7': exit status: must be 0, got 7; the log is "
        f"{project.logs / 'step.log'}"
    )
    assert tail == [f"    {number}" for number in range(76, 101)]


def test_a_missing_program_is_an_error(project: Project) -> None:
    with pytest.raises(SetupError) as caught:
        Children().run(
            ["/no/such/program"], log=project.logs / "log", cwd=project.root, variables={}
        )
    assert str(caught.value) == (
        "/no/such/program: must be a program that runs, got No such file or directory"
    )


def test_one_call_ends_commands_and_what_they_started(project: Project) -> None:
    children = Children()
    file = project.root / "grandchild"
    script = f'sleep 300 & echo $! >"{file}.new"; mv "{file}.new" "{file}"; wait'
    raised: list[BaseException] = []

    def run_it() -> None:
        try:
            command = ["/bin/sh", "-c", script]
            children.run(command, log=project.logs / "log", cwd=project.root, variables={})
        except StoppedError as error:
            raised.append(error)

    thread = threading.Thread(target=run_it)
    thread.start()
    await_file(file)
    children.end(all_of_them=True)
    thread.join()

    assert len(raised) == 1
    assert not is_running(int(file.read_text()))
    with pytest.raises(StoppedError):
        children.read(["/bin/true"], cwd=project.root, variables={})


def test_one_that_does_not_listen_is_killed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("setup.children._GRACE", 0.1)
    children = Children()
    file = project.root / "deaf"
    program = f"import signal, time; signal.signal(15, 1); open({str(file)!r}, 'w'); time.sleep(99)"
    answers: list[str | None] = []

    def read_it() -> None:
        with suppress(StoppedError):
            command = [sys.executable, "-c", program]
            answers.append(children.read(command, cwd=project.root, variables={}))

    thread = threading.Thread(target=read_it)
    thread.start()
    await_file(file)
    children.end(all_of_them=True)
    thread.join(10)

    assert not thread.is_alive()
    assert answers == []


@pytest.mark.parametrize("all_of_them", [False, True])
def test_a_spared_one_goes_on_where_another_step_fails(
    project: Project, *, all_of_them: bool
) -> None:
    children = Children()
    begun = project.root / "begun"
    script = f'touch "{begun}"; sleep 0.3; touch "{begun}.done"'
    outcomes: list[str] = []

    def run_it() -> None:
        command = ["/bin/sh", "-c", script]
        log = project.logs / "log"
        try:
            children.run(command, log=log, cwd=project.root, variables={}, spared=True)
        except StoppedError:
            outcomes.append("stopped")
        else:
            outcomes.append("done")

    thread = threading.Thread(target=run_it)
    thread.start()
    await_file(begun)
    children.end(all_of_them=all_of_them)
    thread.join()

    assert outcomes == ["stopped" if all_of_them else "done"]
    assert begun.with_name("begun.done").exists() is not all_of_them


def test_lines_of_progress_are_left_out_of_an_error(project: Project) -> None:
    with pytest.raises(SetupError) as caught:
        Children().run(
            ["/bin/sh", "-c", "echo a/b; echo '# a/b'; echo 'wrong: here'; echo c/d; exit 1"],
            log=project.logs / "log",
            cwd=project.root,
            variables={},
            noise=re.compile(r"[\w/]+"),
        )

    assert str(caught.value).splitlines()[1:] == ["    # a/b", "    wrong: here"]


def test_what_is_left_of_a_killed_set_up_keeps_the_lock(project: Project) -> None:
    said = threading.Event()
    entered = threading.Event()
    reading, writing = os.pipe()

    def next_one() -> None:
        with exclusive(project.lock, lambda _line: said.set()):
            entered.set()

    with exclusive(project.lock, lambda _line: None) as lock:
        program = f"import os; os.fork() or os.read({reading}, 1)"
        command = [sys.executable, "-c", program]
        Children().run(
            command,
            log=project.logs / "log",
            cwd=project.root,
            variables={},
            inherited=(lock, reading),
        )
    thread = threading.Thread(target=next_one)
    thread.start()
    assert said.wait(10)
    assert not entered.is_set()
    os.close(writing)  # the command that was left over ends
    assert entered.wait(10)
    thread.join()
    os.close(reading)


def test_reading_a_command(project: Project) -> None:
    def read(program: str, timeout: float = 30.0) -> str | None:
        command = [sys.executable, "-c", program]
        return Children().read(command, cwd=project.root, variables={}, timeout=timeout)

    assert read("print('yes')") == "yes\n"
    assert read("raise SystemExit(1)") is None
    assert read("import time; time.sleep(300)", timeout=0.1) is None
    assert Children().read(["/no/such"], cwd=project.root, variables={}) is None


def await_file(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Return whether a process lives; one that nobody has waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - no file of ours
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
