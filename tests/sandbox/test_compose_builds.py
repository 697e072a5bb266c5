"""Ways to build an image that the corpus has not, on a real machine; of `make test-long`.

A Git context is not among them: the machine would have to fetch it, and a sandbox has no network.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hosted import StandIn
from stand_ins import StandIns
from test_compose_equivalence import machine, project  # noqa: F401  (the fixtures)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from compose_machine import ComposeMachine

pytestmark = pytest.mark.long

KEEP = "    command: sleep 100000\n    stop_signal: SIGKILL\n"

WITH_AGENT = f"""
services:
  app:
    build:
      context: .
      args: {{REGISTRY: "${{REGISTRY}}"}}
      ssh: [default]
      dockerfile_inline: |
        ARG REGISTRY
        FROM $${{REGISTRY}}/busybox:1.36
        COPY tools /tools
        RUN --mount=type=ssh /tools/ld.so --library-path /tools /tools/ssh-add -L > /keys
{KEEP}"""

MOVING = f"""
x-build: &build
  context: .
  args: {{REGISTRY: "${{REGISTRY}}"}}
services:
  asks:
    build:
      <<: *build
      dockerfile_inline: |
        ARG REGISTRY
        FROM $${{REGISTRY}}/moving/base:1
        RUN touch /asks
{KEEP}
  keeps:
    pull_policy: never
    build:
      <<: *build
      dockerfile_inline: |
        ARG REGISTRY
        FROM $${{REGISTRY}}/moving/base:1
        RUN touch /keeps
{KEEP}"""


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start an SSH agent with one key. Returns its public key."""
    key, place = tmp_path / "key", tmp_path / "agent"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "of the agent", "-f", str(key)]
    subprocess.run(words, check=True)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # It says where it is once it listens there.
        assert str(place).encode() in process.stdout.readline()
        try:
            subprocess.run(["ssh-add", "-q", str(key)], check=True)
            yield key.with_suffix(".pub").read_text(encoding="utf-8").strip()
        finally:
            process.terminate()


def _own(machine: ComposeMachine, text: str) -> Path:  # noqa: F811
    folder = machine.folder / "built"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    file = folder / "compose.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def _put_program(name: str, folder: Path) -> None:
    """Copy a program of this computer, and what it is linked with: no image here has SSH's."""
    folder.mkdir()
    program = shutil.which(name)
    assert program is not None
    shutil.copy(program, folder)
    said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for line in said.splitlines():
        words = [word for word in line.split() if word.startswith("/")]
        for word in words:
            shutil.copy(word, folder / ("ld.so" if "=>" not in line else word.rpartition("/")[2]))


def test_an_agent_of_this_computer_is_there_for_a_build_and_nothing_of_it_stays(
    machine: ComposeMachine,  # noqa: F811
    project: str,  # noqa: F811
    agent: str,
) -> None:
    file = _own(machine, WITH_AGENT)
    _put_program("ssh-add", file.parent / "tools")
    machine.apply(file, project)
    ((text, _, _),) = machine.contents([(f"{project}-app-1", "/keys")]).values()
    assert text.strip() == agent
    container = machine.client.containers.get(f"{project}-app-1")
    assert "SSH_AUTH_SOCK" not in json.dumps(container.attrs["Config"]["Env"])
    assert machine.plan(file, project) == {}


def _base(machine: ComposeMachine, port: int) -> None:  # noqa: F811
    """Put an image under a tag that tells by its environment which one it is."""
    stand_in = StandIn({port}, set(), set(), set())
    StandIns(machine.registry).put("moving/base", "1", stand_in)


def _port_of_base(machine: ComposeMachine, name: str) -> str:  # noqa: F811
    environment = machine.client.containers.get(name).attrs["Config"]["Env"]
    (found,) = [word for word in environment if word.startswith("STAND_IN_PORTS=")]
    return str(found.partition("=")[2])


def _changed_triggers(machine: ComposeMachine) -> dict[str, list[str]]:  # noqa: F811
    """Return what a plan that was made says has changed of builds, by their addresses."""
    document: dict[str, Any] = json.loads(machine.terraform("show", "-json", "plan"))
    found = {}
    for change in document["resource_changes"]:
        old, new = (change["change"][side] for side in ("before", "after"))
        if change["type"] == "terraform_data" and change["change"]["actions"] != ["no-op"]:
            before, after = old["triggers_replace"], new["triggers_replace"]
            found[change["address"]] = [key for key in after if before.get(key) != after[key]]
    return found


def test_a_base_that_moved_builds_again_and_says_so_unless_nobody_is_to_be_asked(
    machine: ComposeMachine,  # noqa: F811
    project: str,  # noqa: F811
) -> None:
    asks, keeps = f"{project}-asks-1", f"{project}-keeps-1"
    file = _own(machine, MOVING)
    _base(machine, 1)
    machine.apply(file, project)
    assert machine.plan(file, project) == {}
    assert [_port_of_base(machine, name) for name in (asks, keeps)] == ["1", "1"]
    _base(machine, 2)
    changed = machine.plan(file, project)
    assert sorted(address.partition(".")[0] for address in changed) == [
        "docker_container",
        "docker_image",
        "terraform_data",
    ]
    ((address, why),) = _changed_triggers(machine).items()
    assert address in changed
    assert why == [f"base {machine.registry}/moving/base:1"]
    kept = machine.client.containers.get(keeps).id
    machine.apply(file, project)
    assert [_port_of_base(machine, name) for name in (asks, keeps)] == ["2", "1"]
    assert machine.client.containers.get(keeps).id == kept
    assert machine.plan(file, project) == {}
