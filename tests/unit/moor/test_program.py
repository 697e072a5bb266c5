"""The program `moor`: its commands, its environment, and how each of them ends."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, cast

import pytest
import typer
from typer.testing import CliRunner

from moor import commands, deployment_lock, options, program, session
from moor.commands import plan as plan_command
from moor.failure import CommandError, StoppedError, WrongUseError
from moor.plan import Change, StackPlan
from moor.program import command, ended, make_app
from moor.session import Session
from moor.toolchain.stack import CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(program.__file__).resolve().parents[1]
NAMES = {
    *(
        "backup",
        "certs",
        "context",
        "cost",
        "data",
        "doctor",
        "down",
        "env",
        "exec",
        "graph",
        "history",
        "host",
    ),
    *(
        "host",
        "lock",
        "logs",
        "ls",
        "node",
        "os",
        "permissions",
        "plan",
        "port-forward",
        "providers",
        "ps",
    ),
    *("restart", "rollback", "run", "scp", "share", "ssh", "start", "state", "status", "stop"),
    *("swarm", "synth", "top", "unshare", "up", "watch"),
}

GROUPS = {
    "backup": {"app", "create", "ls", "prune", "restore", "verify", "discard"},
    "certs": {"app", "Part", "rotate"},
    "data": {"app", "give_up"},
    "host": {"app", "replace", "reboot"},
    "lock": {"app", "status", "release"},
    "os": {"app", "status", "update", "reboot"},
    "node": {"app", "ls", "drain", "activate", "promote", "demote", "label", "rm"},
    "state": {"app", "restore", "unlock", "adopt"},
    "swarm": {"app", "recover"},
}
"""The commands that have commands of their own."""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set first, so that it is as before afterwards, even where a command has set it.
    monkeypatch.setenv("ENVIRONMENT", "")
    monkeypatch.delenv("ENVIRONMENT")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project's folder with the environments `sandbox` and `staging`."""
    monkeypatch.setattr(session, "ROOT", tmp_path)
    folder = tmp_path / "environments"
    folder.mkdir()
    for name in ("staging.yaml", "sandbox.yaml", "production.example.yaml", "notes.txt"):
        (folder / name).touch()
    return tmp_path


# The commands


def test_every_file_is_a_command_and_nothing_else() -> None:
    files = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    assert {name.replace("_", "-") for name in files} == NAMES
    for name in files:
        module = importlib.import_module(f"moor.commands.{name}")
        own = {
            key
            for key, value in vars(module).items()
            if not key.startswith("_") and getattr(value, "__module__", "") == module.__name__
        }
        own |= {"app"} if hasattr(module, "app") else set()
        assert own == GROUPS.get(name, {"run"})


def test_the_program_has_a_command_for_each_file() -> None:
    app = make_app()
    assert {c.name for c in app.registered_commands} | {
        g.name for g in app.registered_groups
    } == NAMES


@pytest.mark.parametrize("words", [[], ["--help"], ["state"], ["certs"], ["node"], ["host"]])
def test_help(words: list[str]) -> None:
    result = CliRunner().invoke(make_app(), words)
    assert result.exit_code == (0 if "--help" in words else 2)
    assert "Usage: " in result.output


@pytest.mark.parametrize("name", sorted(NAMES - set(GROUPS)))
def test_each_command_has_a_help_and_an_environment(name: str) -> None:
    result = CliRunner().invoke(make_app(), [name, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    first = importlib.import_module(
        f"moor.commands.{name.replace('-', '_')}"
    ).run.__doc__.splitlines()[0]
    assert first in result.output
    assert "--environment" in result.output


@pytest.mark.parametrize("words", [["nosuch"], ["env", "--nosuch"], ["env", "surplus"]])
def test_what_nobody_knows_is_wrong_use(words: list[str]) -> None:
    assert CliRunner().invoke(make_app(), words).exit_code == 2


# How commands end


def failing(error: BaseException) -> Callable[[], object]:
    def action() -> object:
        raise error

    return action


@pytest.mark.parametrize(
    ("action", "status", "told"),
    [
        (lambda: None, 0, ""),
        (lambda: 3, 3, ""),
        (lambda: "text", 0, ""),
        (failing(CommandError("it: must be, got not")), 1, "error: it: must be, got not\n"),
        (failing(CommandError("one\n  more\ntwo")), 1, "error: one\n         more\nerror: two\n"),
        (failing(CommandError("")), 1, "error: failed\n"),
        (failing(CommandError("[bold]x[/] \\")), 1, "error: [bold]x[/] \\\n"),
        (failing(ValueError("bad")), 1, "error: bad\n"),
        (
            failing(FileNotFoundError(2, "No such file or directory", "x")),
            1,
            "error: [Errno 2] No such file or directory: 'x'\n",
        ),
        (failing(WrongUseError("no such")), 2, "error: no such\n"),
        (failing(StoppedError()), 130, "error: interrupted: nothing was changed\n"),
        (
            failing(StoppedError(signal.SIGTERM, killed=True, state="half")),
            143,
            "error: killed: half\n",
        ),
        (failing(KeyboardInterrupt()), 130, "error: interrupted\n"),
    ],
)
def test_exit_codes(
    capsys: pytest.CaptureFixture[str], action: Callable[[], object], status: int, told: str
) -> None:
    assert ended(action) == status
    assert capsys.readouterr() == ("", told)


def test_a_long_message_into_a_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    ended(failing(CommandError("x " * 300 + "x")))
    assert capsys.readouterr().err == f"error: {'x ' * 300}x\n"


def test_an_error_of_ours_is_a_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        ended(lambda: 1 / 0)


class Gone:
    """A terminal that is gone."""

    def write(self, _: str) -> int:
        """Fail."""
        raise OSError(5, "Input/output error")

    def flush(self) -> None:
        """Fail."""
        raise OSError(5, "Input/output error")

    def isatty(self) -> bool:
        """Say that it was one."""
        return True


def test_the_exit_code_is_right_even_where_nobody_can_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", Gone())
    assert ended(failing(StoppedError(signal.SIGHUP))) == 129


# The environment


def ran(words: list[str], **variables: str) -> list[tuple[str, str]]:
    """Run a command `look`, and return the environment and the word that it was given."""
    seen = []

    def run(session: Session, word: Annotated[str, typer.Argument()] = "") -> None:
        """Look."""
        seen.append((str(session.environment.settings_file), word))

    app = typer.Typer(callback=program._before_the_command)
    app.command(name="look")(command(run))
    result = CliRunner().invoke(app, words, env=dict(variables), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return seen


@pytest.mark.parametrize(
    "words",
    [
        ["look", "w", "--environment", "staging"],
        ["look", "--environment", "staging", "w"],
        ["look", "-e", "staging", "w"],
        ["--environment", "staging", "look", "w"],
        ["-e", "staging", "look", "w"],
        ["-e", "other", "look", "w", "-e", "staging"],
    ],
)
@pytest.mark.parametrize("variables", [{}, {"ENVIRONMENT": "sandbox"}])
def test_the_environment_before_and_after(
    root: Path, words: list[str], variables: dict[str, str]
) -> None:
    assert ran(words, **variables) == [(str(root / "environments" / "staging.yaml"), "w")]


@pytest.mark.parametrize(("variable", "name"), [("staging", "staging"), ("", "sandbox")])
def test_the_environment_in_a_variable(root: Path, variable: str, name: str) -> None:
    settings = str(root / "environments" / f"{name}.yaml")
    assert ran(["look"], ENVIRONMENT=variable) == [(settings, "")]


def test_a_path_is_relative_to_the_present_folder_or_else_to_the_project(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    usual = root / "environments" / "staging.yaml"
    assert ran(["look", "-e", "environments/staging.yaml"]) == [(str(usual), "")]
    (here / "environments").mkdir()
    own = here / "environments" / "staging.yaml"
    own.touch()
    assert ran(["look", "-e", "environments/staging.yaml"]) == [(str(own), "")]
    assert ran(["look"], ENVIRONMENT="./environments/staging.yaml") == [(str(own), "")]
    (here / "mine.yml").touch()
    assert ran(["look", "-e", str(here / "mine.yml")]) == [(str(here / "mine.yml"), "")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "stagng",
            (
                "environment: must be the name of one, got 'stagng'; did you mean staging?; "
                "a new one begins with its settings, {root}/environments/stagng.yaml"
            ),
        ),
        (
            "x",
            (
                "environment: must be the name of one, got 'x'; there are sandbox, staging; "
                "a new one begins with its settings, {root}/environments/x.yaml"
            ),
        ),
        ("x.yaml", "x.yaml: must be a settings file, got nothing of that name"),
    ],
)
def test_it_fails_when_there_is_no_such_environment(root: Path, value: str, message: str) -> None:
    with pytest.raises(WrongUseError) as caught:
        Session.of(value)
    assert str(caught.value) == message.format(root=root)
    result = CliRunner().invoke(make_app(), ["env", "-e", value])
    assert (result.exit_code, result.stderr) == (2, f"error: {message.format(root=root)}\n")


def test_it_fails_when_a_name_cannot_be_one(root: Path) -> None:
    with pytest.raises(ValueError, match="environment name: must be 1 to 31 lower-case letters"):
        Session.of("Bad_Name")
    assert root.is_dir()


# The plan's exit code


CHANGED = StackPlan(
    stack="docker",
    changes=(Change(address="docker_network.N", action="create", noun="network", name="n"),),
)


@pytest.mark.parametrize(
    ("plan", "words", "status"),
    [
        (CHANGED, ["--detailed-exitcode"], 3),
        (CHANGED, [], 0),
        (StackPlan(stack="docker"), ["--detailed-exitcode"], 0),
        (StackPlan(stack="docker", outputs=("url",)), ["--detailed-exitcode"], 3),
        (StackPlan(stack="docker", assumed="why"), ["--detailed-exitcode"], 3),
    ],
)
@pytest.mark.usefixtures("root")
def test_pending_changes_have_an_exit_code_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, plan: StackPlan, words: list[str], status: int
) -> None:
    asked = planned(monkeypatch, plan)
    result = CliRunner().invoke(make_app(), ["plan", "web", "api", *words])
    assert (result.exit_code, result.stderr) == (status, "")
    assert result.stdout.startswith("docker  ")
    assert asked == [["web", "api"]]


@pytest.mark.usefixtures("root")
def test_a_plan_for_a_script_is_json_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    planned(monkeypatch, CHANGED)
    result = CliRunner().invoke(make_app(), ["plan", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["docker"]["add"] == 1
    assert "waiting" in result.stderr


def planned(monkeypatch: pytest.MonkeyPatch, plan: StackPlan) -> list[list[str]]:
    """Let the command `plan` find a plan; return what is asked for."""
    asked: list[list[str]] = []

    @contextlib.contextmanager
    def deploying(_: Session, screen: Any, *__: Any, **___: Any) -> Iterator[SimpleNamespace]:  # noqa: ANN401
        if screen.console.file.isatty() or screen.console.file.name != sys.stdout.name:
            screen.say("waiting")

        def found(*, services: list[str]) -> list[StackPlan]:
            asked.append(services)
            return [plan]

        yield SimpleNamespace(plan=found)

    @contextlib.contextmanager
    def held(*_: object) -> Iterator[int]:
        yield 0

    monkeypatch.setattr(plan_command, "deploying", deploying)
    monkeypatch.setattr(deployment_lock, "held", held)
    return asked


# Completion


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("incomplete", "names"), [("", ["sandbox", "staging"]), ("st", ["staging"]), ("x", [])]
)
def test_environments_are_completed(incomplete: str, names: list[str]) -> None:
    assert program._names(incomplete) == names


def test_services_are_completed_from_the_last_synthesis(root: Path) -> None:
    output = root / "cdktf.out" / "staging"
    stacks = output / "stacks" / "docker"
    stacks.mkdir(parents=True)
    manifest = {"stacks": {"docker": {"workingDirectory": "stacks/docker", "dependencies": []}}}
    (output / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    resources = {
        f"R{number}": {"//": {"metadata": {"path": f"docker/Compose/{path}"}}}
        for number, path in enumerate(
            (
                "Services/web/1/Resource",
                "Services/web/2/Resource",
                "Services/api/Image",
                "Networks/n",
            )
        )
    }
    document = {"resource": {"docker_container": resources}}
    (stacks / CONFIGURATION).write_text(json.dumps(document), encoding="utf-8")

    def complete(incomplete: str, environment: str | None) -> list[str]:
        context = SimpleNamespace(params={"environment": environment})
        return options.complete_service(cast("typer.Context", context), incomplete)

    assert complete("", "staging") == ["api", "web"]
    assert complete("w", "staging") == ["web"]
    for nothing in (None, "sandbox", "nosuch", "Bad_Name"):
        assert complete("", nothing) == []


def test_nodes_are_completed_from_the_last_deployment(root: Path) -> None:
    folder = root / ".moor" / "staging"
    folder.mkdir(parents=True)
    node = {"public_ip": "", "private_ip": "", "instance_id": "", "ssh": ""}
    nodes = {"web-1": node, "manager-1": node}
    aws = {"public_ip": "", "docker_host": "", "ssh": "", "nodes": nodes}
    (folder / "outputs.json").write_text(json.dumps({"aws": aws}), encoding="utf-8")

    def complete(incomplete: str, environment: str | None) -> list[str]:
        context = SimpleNamespace(params={"environment": environment})
        return options.complete_node(cast("typer.Context", context), incomplete)

    assert complete("", "staging") == ["manager-1", "web-1"]
    assert complete("w", "staging") == ["web-1"]
    for nothing in (None, "sandbox", "nosuch", "Bad_Name"):
        assert complete("", nothing) == []


# From any folder


def moor(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `moor` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "moor", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_works_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "trial-of-tests.yaml").touch()
    done = moor(tmp_path, "env", "-e", "trial-of-tests.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: environment trial-of-tests: nothing is deployed; run "
        f"ENVIRONMENT={tmp_path / 'trial-of-tests.yaml'} make up first\n"
    )
    wrong = moor(tmp_path, "status", "-e", "nosuch")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: environment: must be the name of one, got 'nosuch'; ")
    assert wrong.stderr.count("\n") == 1


def test_bad_settings_are_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "trial-of-tests.yaml").write_text("aws: {region: 1}\n", encoding="utf-8")
    done = moor(tmp_path, "state", "restore", "aws", ENVIRONMENT="trial-of-tests.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: trial-of-tests.yaml: aws.region: must be text, got 1",
        "error: trial-of-tests.yaml: aws.ssh: must be set; add it",
        "error: trial-of-tests.yaml: aws.docker_api: must be set; add it",
    ]


def test_completion_of_a_shell(tmp_path: Path) -> None:
    done = moor(
        tmp_path,
        _MOOR_COMPLETE="complete_bash",
        COMP_WORDS="moor up -e sand",
        COMP_CWORD="3",
    )
    assert (done.returncode, done.stdout.split()) == (0, ["sandbox"])
