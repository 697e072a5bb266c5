"""Whether a machine has booted anew: asked over a stand-in for ssh, waited for by a fake clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moor.failure import CommandError
from moor.outputs import Node
from moor.swarm import restart

if TYPE_CHECKING:
    from pathlib import Path


def node(ssh: str = "ssh") -> Node:
    return Node(public_ip="192.0.2.7", private_ip="", instance_id="i-1", ssh=ssh)


def program(folder: Path, script: str) -> str:
    file = folder / "ssh"
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return f"{file} -p 22 core@192.0.2.7"


def test_a_machine_is_asked_without_a_prompt(tmp_path: Path) -> None:
    words = program(tmp_path, f'printf "%s\\n" "$@" > {tmp_path}/words; echo boot-1; echo 17')
    assert restart.mark_of(node(words)) == "boot-1 17"
    assert (tmp_path / "words").read_text(encoding="utf-8").splitlines()[:-1] == [
        *("-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR"),
        *("-p", "22", "core@192.0.2.7"),
    ]


@pytest.mark.parametrize("script", ["echo half; exit 1", "exit 255"])
def test_a_machine_that_fails_says_nothing(tmp_path: Path, script: str) -> None:
    assert restart.mark_of(node(program(tmp_path, script))) == ""


def test_a_machine_that_hangs_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "_ANSWER_SECONDS", 0.2)
    assert restart.mark_of(node(program(tmp_path, "exec sleep 60"))) == ""
    assert restart.mark_of(node("/no/such/ssh core@192.0.2.7")) == ""


def waited(said: list[str], patience: float = 3) -> int:
    """Wait with a clock of one second a look, and return how often was looked."""
    looks: list[str] = []
    now = [0.0]

    def look(_: Node) -> str:
        looks.append("")
        return said[min(len(looks), len(said)) - 1]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    restart.wait(
        node(),
        "boot-1",
        name="web-1",
        patience_seconds=patience,
        look=look,
        clock=lambda: now[0],
        sleep=sleep,
    )
    return len(looks)


def test_another_boot_is_waited_for() -> None:
    assert waited(["boot-1", "", "boot-2"]) == 3


@pytest.mark.parametrize(
    ("said", "got"),
    [(["boot-1"], "the boot that was there before"), ([""], "no answer over SSH")],
)
def test_it_fails_when_there_is_none(said: list[str], got: str) -> None:
    with pytest.raises(CommandError) as caught:
        waited(said)
    assert str(caught.value) == (
        f"node web-1: must have rebooted within 3 s, got {got}; look at its console in AWS, or "
        "replace it: `moor host replace web-1`"
    )
