"""The operator's commands: what is told before anything is asked of a machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from moor import session
from moor.commands import ssh as ssh_command
from moor.operation import shell_variables
from moor.operation.hosts import Host
from moor.options import command_line
from moor.program import examples, make_app

if TYPE_CHECKING:
    from pathlib import Path


def host(name: str, private: str = "10.0.0.1") -> Host:
    return Host(
        name=name,
        address="192.0.2.7",
        private_address=private,
        port=2376,
        instance_id="i-1",
        ssh=(),
        certificates=(),
    )


NODES = (host("manager-1"), host("web-1"))


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "")
    monkeypatch.delenv("ENVIRONMENT")
    monkeypatch.setattr(session, "ROOT", tmp_path)
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "sandbox.yaml").touch()
    folder = tmp_path / ".moor" / "sandbox"
    folder.mkdir(parents=True)
    outputs = {"public_ip": "192.0.2.7", "docker_host": "tcp://192.0.2.7:2376", "ssh": "ssh x"}
    (folder / "outputs.json").write_text(json.dumps({"aws": outputs}))


def run(*words: str, login: str = "/bin/sh") -> tuple[int, str, str]:
    done = CliRunner().invoke(make_app(), list(words), env={"SHELL": login, "COLUMNS": "200"})
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "name", "command"),
    [
        ([], "manager-1", []),
        (["web-1"], "web-1", []),
        (["web-1", "df", "-h"], "web-1", ["df", "-h"]),
        (["df", "-h"], "manager-1", ["df", "-h"]),
        (["uptime"], "manager-1", ["uptime"]),
    ],
)
def test_the_first_word_is_a_node_where_it_is_ones_name(
    words: list[str], name: str, command: list[str]
) -> None:
    chosen, rest = ssh_command._chosen(NODES, words)
    assert (chosen.name, list(rest)) == (name, command)


def test_a_machine_alone_has_no_node_to_name() -> None:
    chosen, rest = ssh_command._chosen((host("machine", ""),), ["machine"])
    assert (chosen.name, list(rest)) == ("machine", ["machine"])


@pytest.mark.parametrize(
    ("shell", "first"),
    [
        ("/bin/bash", "export DOCKER_HOST=tcp://192.0.2.7:2376"),
        ("/usr/bin/fish", "set -gx DOCKER_HOST 'tcp://192.0.2.7:2376'"),
        ("/usr/bin/pwsh", "$Env:DOCKER_HOST = 'tcp://192.0.2.7:2376'"),
    ],
)
def test_each_shell_is_told_in_its_own_words(shell: str, first: str) -> None:
    status, told, _ = run("env", login=shell)
    assert (status, told.splitlines()[0], len(told.splitlines())) == (0, first, 3)
    name = shell_variables.guessed({"SHELL": shell})
    assert run("env", "--shell", name, login="/bin/tcsh")[1] == told


def test_what_was_set_is_unset_without_a_deployment(tmp_path: Path) -> None:
    (tmp_path / ".moor" / "sandbox" / "outputs.json").unlink()
    names = ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"]
    assert run("env", "--unset") == (0, "".join(f"unset {name}\n" for name in names), "")
    assert json.loads(run("env", "--unset", "--json")[1]) == names


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-e", "sandbx", "ps"], "did you mean sandbox?"),
        (["doctor", "--security", "--fix"], "doctor: must have --security or --fix, got both"),
        (["port-forward", "web", "x"], "port: must be REMOTE or LOCAL:REMOTE, each 1 to 65535"),
        (["os", "status", "web-1"], "must be left out where there is one machine alone"),
        (
            ["exec", "web", "--"],
            "exec: must have a command after the service, got none; such as sh",
        ),
        (["scp", "a", "b"], "scp: must have paths of one machine, as :PATH or NODE:PATH"),
    ],
)
def test_wrong_use_is_one_error_with_its_remedy(words: list[str], told: str) -> None:
    status, _, error = run(*words)
    assert status == 2
    assert told in error
    assert error.count("error: ") == 1


@pytest.mark.parametrize(
    "words", [["logs"], ["exec"], ["run"], ["ssh"], ["lock", "release"], ["os", "reboot"], ["top"]]
)
def test_help_ends_with_examples(words: list[str]) -> None:
    status, told, _ = run(*words, "--help")
    assert status == 0
    assert "Examples:" in told
    assert f"moor {' '.join(words)}" in told.partition("Examples:")[2]


def test_examples_are_a_line_each() -> None:
    assert examples() is None
    assert examples(("a b", "c"), ("d", "e")) == "Examples:\n\n  a b   # c\n\n  d   # e"


def test_the_options_of_another_program_are_its_own() -> None:
    for name in ("exec", "run", "ssh"):
        command = typer.main.get_command(make_app()).commands[name]  # type: ignore[attr-defined]
        assert command.context_settings == {"allow_interspersed_args": False}


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["ls", "-l"], ["ls", "-l"]),
        (["--", "ls", "-l"], ["ls", "-l"]),
        (["--", "--", "ls"], ["--", "ls"]),
        (["grep", "--", "-x"], ["grep", "--", "-x"]),
        (["--"], []),
        (None, []),
    ],
)
def test_dashes_before_a_command_are_none_of_it(
    words: list[str] | None, command: list[str]
) -> None:
    assert list(command_line(words)) == command
