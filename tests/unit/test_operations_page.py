"""docs/operations.md: what its maker does with what commands print."""

from __future__ import annotations

import re

import pytest

from benchmarks.operations.page import Ended, page
from benchmarks.operations.steps import PARTS, Part, Step
from benchmarks.operations.transcript import normalised
from moor.toolchain.toolchain import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ORDER = ["Create", "Verify", "Change", "Look", "Back up", "Replace", "Rotate", "Destroy"]


@pytest.mark.parametrize(
    ("printed", "constant"),
    [
        ("everything runs (12.3 s)", "everything runs (… s)"),
        ("machine i-0123abcd4567ef890 is new", "machine i-0123… is new"),
        ("until 2027-02-26 20:00:00 UTC", "until 2026-01-02 03:04"),
        ("until 2027-02-26", "until 2026-01-02"),
        (f"SHA256:{'a' * 43} (ED25519)", "SHA256:0123… (ED25519)"),
        (f"image@sha256:{'0' * 64}", "image@sha256:0123…"),
        ("running  14 s   http", "running  1 min   http"),
        ("/ 53% of 1006 GiB, kernel 6.6.1-x", "/ 10% of 20 GiB, kernel 6.12.0"),
        ("web-1  Up 48 seconds  80->8080", "web-1  Up 2 minutes  80->8080"),
        ("web | [::ffff:172.30.33.5]:59562: 200", "web | [::ffff:172.30.33.5]:50000: 200"),
        ("back to 1, by root@host", "back to 1, by ada@desk"),
        ("os-release      100%  286    91.1KB/s   00:00  ", "os-release  100%"),
        ("rebooted in 12.3 s, then 5.1 min", "rebooted in … s, then … min"),
        ("build: 19a41e1b-8d1e-c1fd-9a4b-0123456789ab ->", "build: 0123… ->"),
        (f"certificate: {'9a' * 18}… -> (known", "certificate: 0123… -> (known"),
        ("4 GiB in eu-central-1c: kept", "4 GiB in eu-central-1a: kept"),
        ("arn:aws:sts::123456789012:user", "arn:aws:sts::123456789012:user"),
        ('"Version": "2012-10-17",', '"Version": "2012-10-17",'),
        ("/home/x/environments/shop.yaml: aws", "environments/shop.yaml: aws"),
        ("0.0952 a GiB, 3000", "0.0952 a GiB, 3000"),
        (f"prices of 2022-09-03: blob/{'a' * 40}", f"prices of 2022-09-03: blob/{'a' * 40}"),
    ],
)
def test_what_is_another_one_each_time_is_a_constant(printed: str, constant: str) -> None:
    assert normalised(printed, {"/home/x/": ""}) == constant


def test_a_table_is_as_wide_as_its_constants() -> None:
    printed = (
        "no.  when                  by                   commit     what was new\n"
        "  2  2026-11-29 03:04 UTC  root@host.elsewhere  0a1b2c3d+  web: its configuration\n"
    )
    assert normalised(printed, {}).splitlines() == [
        "no.  when              by        commit    what was new",
        "  2  2026-01-02 03:04  ada@desk  0123abcd  web: its configuration",
    ]
    printed = (
        "service  state              ports           id\n"
        "all-1    Up About a minute  9200->9200/tcp  c0ffee123456\n"
        "web-1    Up 48 seconds      80->8080/tcp    0123456789ab\n"
        "error: web-1: must run, got exited (137); look with: moor logs web\n"
    )
    assert normalised(printed, {}).splitlines() == [
        "service  state         ports           id",
        "all-1    Up 2 minutes  9200->9200/tcp  0123456789ab",
        "web-1    Up 2 minutes  80->8080/tcp    0123456789ab",
        "error: web-1: must run, got exited (137); look with: moor logs web",
    ]


@pytest.mark.parametrize("used", [("13.9%", "8.0 GiB"), (" 0.0%", " 52 KiB")])
def test_what_is_used_is_the_same_each_time(used: tuple[str, str]) -> None:
    printed = (
        "            cpu   memory      net in      out  disk read  written  full\n"
        f"machine   {used[0]}  {used[1]}  8%  5.5 B/s  6.8 B/s    4.0 B/s  7.9 B/s   99%\n"
        f"web-1     {used[0]}  {used[1]}  0%    0 B/s    0 B/s      0 B/s    0 B/s      \n"
    )
    assert normalised(printed, {}).splitlines() == [
        "           cpu   memory        net in        out  disk read    written  full",
        "machine    1.0%  100 MiB  1%  1.0 KiB/s  1.0 KiB/s      0 B/s  1.0 KiB/s  10%",
        "web-1      1.0%  100 MiB  1%  1.0 KiB/s  1.0 KiB/s      0 B/s  1.0 KiB/s",
    ]


def test_what_is_under_way_is_one_line_whatever_its_order() -> None:
    first = "plan\naws: machine a: created (1.0 s)\naws: rule b: created (0.2 s)\n\ndone  \n"
    other = "plan\naws: rule b: created (0.1 s)\naws: machine a: created (2.0 s)\n\ndone\n"
    assert normalised(first, {}) == normalised(other, {}) == "plan\n…\n\ndone"


def test_what_this_computer_has_to_begin_first_is_left_out() -> None:
    printed = "synthesis (0.2 s)\ndocker engine started in 0.9 s\nplan (2.1 s)"
    assert normalised(printed, {}) == "synthesis (… s)\nplan (… s)"


def test_a_step_is_a_transcript_with_what_is_said_before_it() -> None:
    part = Part(
        title="Look",
        text="It is there.",
        steps=(
            Step(command="moor status", text="One screen."),
            Step(command="moor plan", status=3),
        ),
    )
    assert page([part], [Ended("machine  up", 0), Ended("", 3)]).partition("## ")[2] == (
        "Look\n"
        "\n"
        "It is there.\n"
        "\n"
        "One screen.\n"
        "\n"
        "```console\n"
        "$ moor status\n"
        "machine  up\n"
        "```\n"
        "\n"
        "```console\n"
        "$ moor plan\n"
        "(exit status 3)\n"
        "```\n"
    )


def test_the_parts_are_in_the_order_of_an_operators_days() -> None:
    titles = [part.title for part in PARTS]
    assert titles == [title for title in ORDER if title in titles]


def test_the_page_shows_commands_of_the_list_in_its_order() -> None:
    """`python -m benchmarks.operations` writes it; a command that is new is not there yet."""
    steps = iter([step.command for part in PARTS for step in part.steps])
    shown = re.findall(r"^```console\n\$ (.*)$", PAGE, re.MULTILINE)
    assert len(shown) >= 20
    assert [command for command in shown if command not in steps] == []
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == [part.title for part in PARTS]
