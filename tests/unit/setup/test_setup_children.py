"""How commands are run."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from setup import children
from setup.errors import SetupError
from setup.lock import exclusive

if TYPE_CHECKING:
    from pathlib import Path

    from setup.project import Project


def run(project: Project, script: str, **variables: str) -> Path:
    log = project.logs / "step.log"
    children.run(["/bin/sh", "-c", script], log=log, cwd=project.root, variables=variables)
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
        children.run(["/no/such/program"], log=project.logs / "log", cwd=project.root, variables={})
    assert str(caught.value) == (
        "/no/such/program: must be a program that runs, got No such file or directory"
    )


def test_an_interrupt_ends_the_command_and_what_it_started(project: Project) -> None:
    file = project.root / "grandchild"
    script = f'sleep 300 & echo $! >"{file}.new"; mv "{file}.new" "{file}"; wait'

    def interrupt() -> None:
        deadline = time.monotonic() + 10
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    # What starts the tests in the background may have left the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(project, script)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)

    assert not is_running(int(file.read_text()))


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
        children.run(
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
        return children.read(command, cwd=project.root, variables={}, timeout=timeout)

    assert read("print('yes')") == "yes\n"
    assert read("raise SystemExit(1)") is None
    assert read("import time; time.sleep(300)", timeout=0.1) is None
    assert children.read(["/no/such"], cwd=project.root, variables={}) is None


def is_running(pid: int) -> bool:
    """Return whether a process lives; one that nobody has waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - no file of ours
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
