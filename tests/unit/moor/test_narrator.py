"""Terraform's events, told in the words of the plan."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from moor.narrator import Narrator
from moor.plan import Change, StackPlan
from moor.screen import Screen, make_console
from moor.toolchain.events import Event, parse

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = "aws_instance.Machine_0123ABCD"
PLAN = StackPlan(
    stack="aws",
    changes=(Change(address=ADDRESS, action="create", noun="machine", name="moor-sandbox"),),
)


def event(kind: str, action: str = "create", address: str = ADDRESS, **hook: Any) -> Event:  # noqa: ANN401
    """Return an event as Terraform spells it."""
    document = {
        "@message": f"{address}: {kind}",
        "type": kind,
        "hook": {"resource": {"addr": address}, "action": action, **hook},
    }
    return parse(json.dumps(document))


def told(*events: Event, verbose: bool = False, plans: tuple[StackPlan, ...] = ()) -> list[str]:
    """Return what is said of some events, without times."""
    file = io.StringIO()
    narrator = Narrator(Screen(make_console(file), verbose=verbose))
    narrator.learn(plans)
    for one in events:
        narrator.take("aws", one)
    lines = [line.partition("s  ")[2] for line in file.getvalue().splitlines()]
    return [re.sub(r"\d+\.\d s", "N s", line) for line in lines]


@pytest.mark.parametrize(
    ("action", "doing", "done"),
    [
        ("create", "creating", "created"),
        ("update", "changing", "changed"),
        ("delete", "destroying", "destroyed"),
        ("replace", "replacing", "replace"),
        ("else", "else", "else"),
    ],
)
def test_the_beginning_and_the_end_of_a_change(action: str, doing: str, done: str) -> None:
    lines = told(event("apply_start", action), event("apply_complete", action), plans=(PLAN,))
    assert lines == [
        f"aws: machine moor-sandbox: {doing} ...",
        f"aws: machine moor-sandbox: {done} (N s)",
    ]


def test_reading_and_refreshing_are_not_told() -> None:
    reads = [event(kind, "read") for kind in ("apply_start", "apply_complete", "apply_errored")]
    others = [event(kind) for kind in ("refresh_start", "refresh_complete", "apply_progress")]
    texts = [Event(kind="text", text="words"), Event(kind="log", text="words")]
    assert told(*reads, *others, *texts) == []


def test_verbose_tells_everything_that_terraform_says() -> None:
    lines = told(
        event("refresh_start"),
        Event(kind="text", text="words [bold]"),
        event("apply_start"),
        verbose=True,
        plans=(PLAN,),
    )
    assert lines == [
        f"aws: {ADDRESS}: refresh_start",
        "aws: words [bold]",
        f"aws: {ADDRESS}: apply_start",
        "aws: machine moor-sandbox: creating ...",
    ]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (ADDRESS, "machine moor-sandbox"),
        ("docker_container.Web_0123ABCD", "Web"),
        ("docker_container.Web_0123abcd", "Web_0123abcd"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_names(address: str, name: str) -> None:
    narrator = Narrator(Screen(make_console(io.StringIO())))
    narrator.learn([PLAN])
    assert narrator.name(address) == name


def test_what_a_later_plan_says_counts() -> None:
    narrator = Narrator(Screen(make_console(io.StringIO())))
    narrator.learn([PLAN])
    change = Change(address=ADDRESS, action="destroy", noun="machine", name="other")
    narrator.learn([StackPlan(stack="aws", changes=(change,))])
    assert narrator.name(ADDRESS) == "machine other"


def test_a_step_that_fails_is_told_with_its_last_words() -> None:
    progress = [event("provision_progress", output=f" line {n}\n") for n in range(20)]
    lines = told(
        event("apply_start"),
        *progress,
        event("provision_progress", output="  "),
        event("provision_progress"),
        event("provision_progress", address="x.y", output="another's"),
        event("apply_errored"),
        plans=(PLAN,),
    )
    assert lines == [
        "aws: machine moor-sandbox: creating ...",
        "aws: machine moor-sandbox: failed after N s",
        *(f"    line {n}" for n in range(5, 20)),
    ]


def test_the_words_of_a_step_that_went_well_are_not_told_of_the_next_one() -> None:
    lines = told(
        event("apply_start"),
        event("provision_progress", output="words"),
        event("apply_complete"),
        event("apply_start", "update"),
        event("apply_errored", "update"),
    )
    assert lines == [
        "aws: Machine: creating ...",
        "aws: Machine: created (N s)",
        "aws: Machine: changing ...",
        "aws: Machine: failed after N s",
    ]


def test_the_same_address_in_two_stacks_is_two_things() -> None:
    file = io.StringIO()
    narrator = Narrator(Screen(make_console(file)))
    narrator.take("aws", event("provision_progress", output="of aws"))
    narrator.take("docker", event("apply_errored"))
    assert "of aws" not in file.getvalue()


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def at_terminal(act: Callable[[Narrator], None]) -> str:
    file = Terminal()
    console = Console(file=file, width=80, height=30, force_terminal=True, highlight=False)
    screen = Screen(console)
    act(Narrator(screen))
    screen.tick(now=True)
    text = file.getvalue()
    screen.close()
    return text


def test_at_a_terminal_what_is_under_way_shows_its_latest_words_and_fits() -> None:
    def act(narrator: Narrator) -> None:
        narrator.take("aws", event("apply_start", address=f"aws_instance.{'a' * 40}"))
        narrator.take(
            "aws",
            event(
                "provision_progress",
                address=f"aws_instance.{'a' * 40}",
                output=f"\x1b[31m{'b' * 100}\x1b[0m",
            ),
        )

    frames = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", at_terminal(act)).replace("\r", "\n").splitlines()
    assert max(map(len, frames)) < 80
    assert re.fullmatch(rf". aws: {'a' * 40}: creating  0 s  b+…", frames[-1])


@pytest.mark.parametrize(
    ("kind", "action", "style", "words"),
    [
        ("apply_complete", "create", "32", "created"),
        ("apply_complete", "update", "33", "changed"),
        ("apply_complete", "delete", "31", "destroyed"),
        ("apply_errored", "create", "1;31", "failed after"),
    ],
)
def test_colours(kind: str, action: str, style: str, words: str) -> None:
    text = at_terminal(lambda narrator: narrator.take("aws", event(kind, action)))
    assert text.startswith(f"\x1b[{style}maws: Machine: {words}")
