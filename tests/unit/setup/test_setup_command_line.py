"""The command line, the order of the steps, and the variables of commands."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from setup import command_line
from setup.command_line import PURPOSES, REDECIDED, STEPS, closure, main
from setup.variables import child_variables, go_variables, home_of

if TYPE_CHECKING:
    from setup.project import Project


DEVELOPERS = {"bindings", "checkov", "sshd"}


def test_each_step_comes_after_those_that_it_needs() -> None:
    done: set[str] = set()
    for step in STEPS:
        assert done.issuperset(step.after), step.name
        done.add(step.name)
    assert done.issuperset(REDECIDED)


def test_what_the_purposes_need() -> None:
    assert {purpose: closure(names) for purpose, names in PURPOSES.items()} == {
        "up": {step.name for step in STEPS} - DEVELOPERS,
        "test": {step.name for step in STEPS},
        "synth": {"terraform", "pipenv", "packages", "shims", "node", "warm", "compose"},
        "bench": {
            *("terraform", "pipenv", "packages", "shims", "node", "warm", "compose", "bindings"),
        },
        "check": {"pipenv", "packages", "checkov"},
        "graph": {step.name for step in STEPS} - {"engine"} - DEVELOPERS,
    }


def test_a_step_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "everything"])
    assert "invalid choice: 'everything'" in capsys.readouterr().err


def test_everything_that_commands_write_is_in_the_project(project: Project, home: Path) -> None:
    given = {"HOME": str(home), "PIP_CERT": "/ca.pem", "https_proxy": "http://proxy", "PATH": "/"}
    variables = child_variables(project, given) | go_variables(project, given)

    assert {name: variables[name] for name in given} == given
    root = str(project.tools)
    writers = {
        "CDKTF_HOME",
        "GOCACHE",
        "GOMODCACHE",
        "GOPATH",
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT",
        "PIPENV_CACHE_DIR",
        "PIP_CACHE_DIR",
        "RUSTUP_HOME",
        "TMPDIR",
        "VIRTUALENV_OVERRIDE_APP_DATA",
        "XDG_CONFIG_HOME",
        "npm_config_cache",
    }
    assert {name for name, value in variables.items() if value.startswith(root)} == writers
    assert variables["GOENV"] == str(home / ".config" / "go" / "env")


def test_what_would_mix_in_other_packages_is_hidden(project: Project) -> None:
    given = dict.fromkeys(("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER"), "/elsewhere")

    assert not given.keys() & child_variables(project, given).keys()


def test_a_rust_that_is_there_is_used(project: Project, home: Path) -> None:
    (home / ".rustup").mkdir()

    assert "RUSTUP_HOME" not in child_variables(project, {"HOME": str(home)})


def test_a_home_that_may_not_be_searched_is_no_error(
    project: Project, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stat(_self: Path, **_options: bool) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "stat", stat)

    assert "RUSTUP_HOME" in child_variables(project, {"HOME": str(home)})


def test_a_user_without_a_home_has_the_root_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)

    assert home_of({}) == Path("/")
    assert home_of({"HOME": "/home/ada"}) == Path("/home/ada")


def test_files_of_another_user_are_told_in_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied", str(project.lock))

    monkeypatch.setattr(command_line, "exclusive", refuse)

    assert main(["--only", "terraform"]) == 1
    assert capsys.readouterr().err == (
        f"{project.lock}: must be open to this user, got permission denied; where another user "
        "ran set-up here, delete .tools and .venv, or give them to this user (chown -R)\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_that_goes_away_ends_set_up_in_an_orderly_way(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def send(_steps: object, *, redo: object) -> None:
        assert redo == ()
        signal.raise_signal(number)

    monkeypatch.setattr(command_line, "exclusive", lambda _path, _report: nullcontext(0))
    monkeypatch.setattr(command_line, "perform_all", send)
    former = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as caught:
            main(["--only", "terraform"])
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)

    assert caught.value.code == 128 + number
