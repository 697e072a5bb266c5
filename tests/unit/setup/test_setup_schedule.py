"""Which steps run side by side, and how all of them end."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from setup.errors import SetupError, StoppedError
from setup.schedule import perform_all
from setup.step import Context, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Noted(Step):
    """Notes when it runs, and does what the test says."""

    def __init__(
        self,
        context: Context,
        name: str,
        *,
        after: tuple[str, ...] = (),
        action: Callable[[Noted], object] = lambda _step: None,
    ) -> None:
        super().__init__(context)
        self.name = name  # type: ignore[misc]
        self.after = after  # type: ignore[misc]
        self.ran = False
        self.failure: BaseException | None = None
        self._action = action

    def inputs(self) -> Mapping[str, object]:
        """Return nothing."""
        return {}

    def is_intact(self) -> bool:
        """Return true."""
        return True

    def run(self) -> str:
        """Do what the test says."""
        try:
            self._action(self)
        except BaseException as error:
            self.failure = error
            raise
        self.ran = True
        return "done"


def sleep(step: Noted) -> None:
    """Run a command that does not end by itself."""
    step.doing("sleeping")
    step.command("/bin/sleep", "300")


def fail(_step: Noted) -> None:
    raise SetupError("no")


def test_steps_that_need_nothing_of_each_other_run_side_by_side(context: Context) -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meet(_step: Noted) -> None:
        meeting.wait()

    perform_all([Noted(context, name, action=meet) for name in ("a", "b", "c")])


def test_a_step_waits_for_those_that_it_needs(context: Context) -> None:
    order: list[str] = []

    def note(step: Noted) -> None:
        order.append(step.name)

    def note_late(step: Noted) -> None:
        time.sleep(0.05)
        note(step)

    perform_all(
        [
            Noted(context, "last", after=("middle",), action=note),
            Noted(context, "middle", after=("first", "not among them"), action=note_late),
            Noted(context, "first", action=note_late),
        ]
    )
    assert order == ["first", "middle", "last"]


def test_a_failure_ends_those_that_run_and_starts_no_others(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = threading.Event()

    def begin(step: Noted) -> None:
        begun.set()
        sleep(step)

    def fail_later(_step: Noted) -> None:
        begun.wait(10)
        raise SetupError("no")

    running = Noted(context, "running", action=begin)
    failing = Noted(context, "failing", action=fail_later)
    after = Noted(context, "after", after=("failing",))
    before = time.monotonic()
    with pytest.raises(SetupError, match=r"^no$"):
        perform_all([running, failing, after])

    assert time.monotonic() - before < 10
    assert isinstance(running.failure, StoppedError)
    assert not after.ran
    for step in (running, failing, after):
        assert not step.is_current()
    assert "done" not in capsys.readouterr().out
    renewed = Noted(context_like(context), "running")
    renewed.perform()
    assert renewed.interrupted  # so that it does not build on what is half there


def test_a_step_that_waits_for_its_turn_ends_too(context: Context) -> None:
    lock = threading.Lock()

    def wait(step: Noted) -> None:
        with step.turn(lock):
            pass

    waiting = Noted(context, "waiting", action=wait)
    with lock, pytest.raises(SetupError, match=r"^no$"):
        perform_all([waiting, Noted(context, "failing", action=fail)])
    assert isinstance(waiting.failure, StoppedError)


def test_waiting_for_a_turn_is_not_part_of_a_steps_time(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = threading.Lock()
    lock.acquire()
    threading.Timer(0.3, lock.release).start()

    def wait(step: Noted) -> None:
        with step.turn(lock):
            pass

    perform_all([Noted(context, "waiting", action=wait)])

    assert capsys.readouterr().out == (
        "set-up  waiting          waiting for its turn\nset-up  waiting          done (0.0 s)\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_commands(context: Context, number: signal.Signals) -> None:
    def terminate(_number: int, _frame: object) -> None:
        raise SystemExit(143)

    begun = threading.Barrier(3, timeout=10)

    def begin(step: Noted) -> None:
        begun.wait()
        sleep(step)

    def send() -> None:
        begun.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, number)

    steps = [Noted(context, name, action=begin) for name in ("a", "b")]
    # What starts the tests in the background may have left the signal ignored.
    handler = signal.default_int_handler if number == signal.SIGINT else terminate
    former = signal.signal(number, handler)
    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            perform_all(steps)
    finally:
        thread.join()
        signal.signal(number, former)

    assert [type(step.failure) for step in steps] == [StoppedError, StoppedError]


def test_what_is_current_is_told_in_one_line(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [Noted(context, name) for name in ("a", "b", "c")]
    perform_all(steps)
    capsys.readouterr()
    perform_all(steps, redo=["b"])

    assert capsys.readouterr().out == (
        "set-up  b                done (0.0 s)\nset-up  up to date       a, c\n"
    )


def test_which_steps_run_side_by_side_is_told(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    told = threading.Event()

    def first(step: Noted) -> None:
        step.doing("thinking")
        told.set()
        second_done.wait(10)
        step.doing("writing")

    second_done = threading.Event()

    def second(step: Noted) -> None:
        told.wait(10)
        step.doing("reading")
        second_done.set()

    perform_all([Noted(context, "first", action=first), Noted(context, "second", action=second)])

    lines = capsys.readouterr().out.splitlines()
    assert "set-up  second           reading, beside first" in lines
    assert "set-up  first            writing" in lines


def context_like(context: Context) -> Context:
    """Return the context of the next set-up."""
    return Context(project=context.project, variables=context.variables)
