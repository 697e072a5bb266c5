"""When a step runs, and when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from setup.errors import SetupError
from setup.schedule import perform_all
from setup.step import Context, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Copy(Step):
    """Copies a file, and counts."""

    name = "copy"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.runs: list[bool] = []
        self.source = self.project.root / "source"
        self.target = self.project.root / "target"
        self.meanwhile: Callable[[], object] = lambda: None

    def inputs(self) -> Mapping[str, object]:
        """Return the file."""
        return {"source": self.source.read_text()}

    def is_intact(self) -> bool:
        """Return whether there is a copy."""
        return self.target.exists()

    def run(self) -> str:
        """Copy the file."""
        self.runs.append(self.interrupted)
        self.target.write_text(self.source.read_text())
        self.meanwhile()
        return "copied"


@pytest.fixture
def copy(context: Context) -> Copy:
    step = Copy(context)
    step.source.write_text("one")
    return step


def test_it_runs_once(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    perform_all([copy])
    perform_all([copy])

    assert copy.runs == [False]
    first, second = capsys.readouterr().out.splitlines()
    assert first == "set-up  copy             copied (0.0 s)"
    assert second == "set-up  up to date       copy"


def test_it_runs_again_when_an_input_changes(copy: Copy) -> None:
    perform_all([copy])
    copy.source.write_text("two")
    perform_all([copy])

    assert len(copy.runs) == 2
    assert copy.target.read_text() == "two"


def test_it_runs_again_when_its_product_is_gone(copy: Copy) -> None:
    perform_all([copy])
    copy.target.unlink()
    perform_all([copy])

    assert copy.target.exists()


def test_it_runs_again_when_asked_to(copy: Copy) -> None:
    perform_all([copy])
    perform_all([copy], redo=["copy"])

    assert len(copy.runs) == 2


def test_an_input_that_changes_during_the_run_is_noticed(copy: Copy) -> None:
    copy.meanwhile = lambda: copy.source.write_text("two")
    perform_all([copy])

    assert not copy.is_current()


@pytest.mark.parametrize("failure", [SetupError("no"), KeyboardInterrupt(), SystemExit(143)])
def test_one_that_was_cut_off_is_redone_and_knows_it(copy: Copy, failure: BaseException) -> None:
    perform_all([copy])
    copy.source.write_text("two")

    def fail() -> None:
        raise failure

    copy.meanwhile = fail
    with pytest.raises(type(failure)):
        perform_all([copy])
    assert not copy.is_current()

    copy.meanwhile = lambda: None
    perform_all([copy])
    assert copy.runs == [False, False, True]
    assert copy.is_current()
