"""A plan as a person reads it, and as a script does."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from moor.plan import UNKNOWN, Action, AttributeChange, Change, StackPlan
from moor.plan_view import as_json, show_plans
from moor.screen import make_console

DISK = "all that is on its disk is lost"
MACHINE = Change(
    address="aws_instance.Machine_0123ABCD",
    action="replace",
    noun="machine",
    name="moor-[red]",
    lost=DISK,
    attributes=(
        AttributeChange(name="ami", before="ami-1", after=UNKNOWN, replaces=True),
        AttributeChange(name="tags.Name", before="a", after="[b]"),
    ),
)
NETWORK = Change(
    address="docker_network.N_0123ABCD", action="create", noun="network", name="default"
)
PLANS = [
    StackPlan(stack="aws", changes=(MACHINE,), outputs=("cross-stack-output-x", "public_ip")),
    StackPlan(stack="docker", changes=(NETWORK,), assumed="there is no machine"),
]
PLAIN = """\
aws     1 to add, 0 to change, 1 to destroy
  ± machine moor-[red] will be replaced: ALL THAT IS ON ITS DISK IS LOST
      ami        ami-1 -> (known after apply)  (cannot be changed in place)
      tags.Name  a -> [b]
  ~ output public_ip
docker  1 to add, 0 to change, 0 to destroy
  read from the configuration: there is no machine
  + network default will be created
"""


def shown(plans: list[StackPlan], *, width: int = 80, terminal: bool = False) -> str:
    """Return what is printed, without blanks at the ends of lines."""
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        highlight=False,
        soft_wrap=True,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
    )
    show_plans(plans, console)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


@pytest.mark.parametrize("width", [80, 120])
def test_without_a_terminal_it_is_plain_text(width: int) -> None:
    assert shown(PLANS, width=width) == PLAIN


def test_into_a_file_it_is_plain_text() -> None:
    file = io.StringIO()
    show_plans(PLANS, make_console(file))
    lines = file.getvalue().splitlines()
    assert [line.rstrip() for line in lines] == PLAIN.splitlines()
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("width", [80, 120])
def test_at_a_terminal_it_is_the_same_text_in_colours(width: int) -> None:
    text = shown(PLANS, width=width, terminal=True)
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert [line.rstrip() for line in plain.splitlines()] == PLAIN.splitlines()
    first, second, third, *_ = text.splitlines()
    assert first == "\x1b[1maws     \x1b[0m1 to add, 0 to change, 1 to destroy"
    assert "\x1b[1;31m: ALL THAT IS ON ITS DISK IS LOST\x1b[0m" in second
    assert "\x1b[31mami-1\x1b[0m\x1b[2m -> \x1b[0m\x1b[32m(known after apply)\x1b[0m" in third


def test_long_values_are_on_several_lines_and_no_line_is_wider_than_the_screen() -> None:
    long = AttributeChange(name="user_data", before="a" * 72, after="b" * 72, replaces=True)
    plan = StackPlan(stack="aws", changes=(replace(MACHINE, attributes=(long,)),))
    lines = shown([plan], width=80).splitlines()
    assert max(map(len, lines)) <= 80
    text = "".join(line.strip() for line in lines)
    assert text.count("a" * 72) == text.count("b" * 72) == 1


@pytest.mark.parametrize(
    ("action", "line"),
    [
        ("create", "  + network default will be created"),
        ("update", "  ~ network default will be changed"),
        ("replace", "  ± network default will be replaced"),
        ("destroy", "  - network default will be destroyed"),
        ("import", "  = network default will be taken over"),
    ],
)
def test_each_action_has_a_sign_and_words(action: Action, line: str) -> None:
    text = shown([StackPlan(stack="docker", changes=(replace(NETWORK, action=action),))])
    assert text.splitlines()[1:] == [line]


def test_a_stack_that_stays_as_it_is() -> None:
    assert shown([StackPlan(stack="aws")]) == "aws     0 to add, 0 to change, 0 to destroy\n"


def test_a_stack_that_cannot_be_planned_yet_is_told_without_numbers() -> None:
    plan = StackPlan(stack="docker", assumed="it is planned later")
    assert shown([plan]) == "docker  it is planned later\n"


def test_nothing() -> None:
    assert shown([]) == ""
    assert as_json([]) == {}


def test_warnings_stand_below_all_plans_each_in_one_line() -> None:
    warning = f"compose.yaml: services.web.image: {'long ' * 30}[red]"
    warned = [replace(PLANS[0], warnings=(warning,)), PLANS[1]]
    assert shown(warned) == f"{shown(PLANS)}warning: {warning}\n"
    assert as_json(warned)["aws"]["warnings"] == [warning]


def test_json() -> None:
    document = as_json(PLANS)
    assert json.loads(json.dumps(document)) == document
    assert list(document) == ["aws", "docker"]
    assert document == {
        "aws": {
            "assumed": None,
            "add": 1,
            "change": 0,
            "destroy": 1,
            "outputs": ["cross-stack-output-x", "public_ip"],
            "warnings": [],
            "cost": None,
            "changes": [
                {
                    "address": "aws_instance.Machine_0123ABCD",
                    "action": "replace",
                    "kind": "machine",
                    "name": "moor-[red]",
                    "lost": DISK,
                    "kept": None,
                    "attributes": [
                        {
                            "name": "ami",
                            "before": "ami-1",
                            "after": "(known after apply)",
                            "replaces": True,
                        },
                        {"name": "tags.Name", "before": "a", "after": "[b]", "replaces": False},
                    ],
                }
            ],
        },
        "docker": {
            "assumed": "there is no machine",
            "add": 1,
            "change": 0,
            "destroy": 0,
            "outputs": [],
            "warnings": [],
            "cost": None,
            "changes": [
                {
                    "address": "docker_network.N_0123ABCD",
                    "action": "create",
                    "kind": "network",
                    "name": "default",
                    "lost": None,
                    "kept": None,
                    "attributes": [],
                }
            ],
        },
    }


def test_what_a_plan_costs_stands_below_its_changes_and_in_the_json() -> None:
    plan = StackPlan(stack="aws", changes=(MACHINE,), cost="+ 3.20 USD a month (list prices)")
    assert shown([plan]).splitlines()[-1] == "  costs + 3.20 USD a month (list prices)"
    assert as_json([plan])["aws"]["cost"] == "+ 3.20 USD a month (list prices)"
    assert as_json(PLANS)["aws"]["cost"] is None


def test_what_is_kept_is_told_quietly() -> None:
    kept = replace(MACHINE, lost="", kept="data is kept, on the data volume vol-1", attributes=())
    plan = StackPlan(stack="aws", changes=(kept,))
    assert shown([plan]).splitlines()[1] == (
        "  ± machine moor-[red] will be replaced: data is kept, on the data volume vol-1"
    )
