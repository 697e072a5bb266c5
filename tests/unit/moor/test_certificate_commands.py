"""`moor certs`, `share`, `unshare` and `ssh`: what they prepare, say, and refuse."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from constructs_lib.settings.certificates import pki_of
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor import program, session
from moor.operation import ssh
from moor.program import make_app

PROJECT = Path(program.__file__).resolve().parents[1]
HOST = "tcp://192.0.2.7:2376"
SSH = (
    "ssh -p 22 -i /env/id -o UserKnownHostsFile=/env/hosts/i-1/known_hosts -o HostKeyAlias=i-1 "
    "-o StrictHostKeyChecking=yes core@192.0.2.7"
)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Return an environment that was deployed once."""
    monkeypatch.setattr(session, "ROOT", tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "")
    (tmp_path / "environments").mkdir()
    shutil.copytree(PROJECT / "services", tmp_path / "services")
    file = tmp_path / "environments" / "sandbox.yaml"
    shutil.copy(PROJECT / "environments" / "sandbox.yaml", file)
    made = Environment(name="sandbox", settings_file=file, root=tmp_path)
    pki_of(made, load_settings(file)).ensure()
    outputs = {"public_ip": "192.0.2.7", "docker_host": HOST, "ssh": SSH}
    (made.directory / "outputs.json").write_text(json.dumps({"aws": outputs}))
    return made


def run(*words: str) -> str:
    result = CliRunner().invoke(make_app(), words, env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    return result.stdout


def failed(*words: str) -> str:
    result = CliRunner().invoke(make_app(), words)
    assert result.exit_code == 1
    return result.stderr


def test_a_rotation_is_prepared_and_says_what_comes_next(environment: Environment) -> None:
    pki = pki_of(environment, load_settings(environment.settings_file))
    before = pki.clients_fingerprint, pki.request_fingerprint
    out = run("certs", "rotate", "client")
    assert out == ("prepared: client; what there was works until it is installed\nnext: make up\n")
    assert pki.is_prepared
    assert pki.clients_fingerprint != before[0]
    assert pki.request_fingerprint == before[1]
    run("certs", "rotate", "server")
    assert pki.request_fingerprint != before[1]


def test_people_are_told_of_a_new_authority(environment: Environment) -> None:
    run("share", "alice")
    assert "alice" not in run("certs", "rotate", "client")
    out = run("certs", "rotate", "authority")
    assert f"after that, alice need the new {environment.certificates}/ca.pem" in out


def test_what_a_person_types_is_printed(environment: Environment) -> None:
    out = run("share", "alice", "--days", "3")
    assert f"the folder {environment.shared}/alice over" in out
    assert out.splitlines()[-2:] == [
        f"export DOCKER_HOST={HOST} DOCKER_TLS_VERIFY=1",
        'export DOCKER_CERT_PATH="$PWD/alice"',
    ]
    files = sorted(f.name for f in (environment.shared / "alice").iterdir())
    assert files == ["ca.pem", "cert.pem", "key.pem"]
    assert "PRIVATE KEY" not in out


def test_who_has_access_is_listed(environment: Environment) -> None:
    assert run("share") == "nobody but this computer has access\n"
    run("share", "alice", "--days", "3")
    out = run("share")
    assert out.startswith("alice: until 20")
    assert out.count("\n") == 1
    assert run("unshare", "alice") == (
        "alice is refused from the next deployment on, not before; next: make up\n"
    )
    assert run("share") == "nobody but this computer has access\n"
    assert not (environment.shared / "alice").exists()


@pytest.mark.usefixtures("environment")
def test_what_cannot_be_is_one_error() -> None:
    assert failed("unshare", "alice") == (
        "error: unshare: name: must be of somebody who has access, got alice; it is shared with "
        "nobody\n"
    )
    assert failed("share", "../alice").startswith("error: share: name: must be 1 to 32 ")
    assert CliRunner().invoke(make_app(), ["share", "alice", "--days", "398"]).exit_code == 2
    assert CliRunner().invoke(make_app(), ["certs", "rotate", "nothing"]).exit_code == 2


def test_nothing_is_shared_of_what_is_not_deployed(environment: Environment) -> None:
    (environment.directory / "outputs.json").unlink()
    assert failed("share", "alice") == (
        "error: environment sandbox: nothing is deployed; run make up first\n"
    )
    assert not environment.shared.exists()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return what would have been run, on machines of which nobody looks whether they are there."""
    words: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, own: words.append(own))
    monkeypatch.setattr(ssh, "must_be_there", lambda *_: None)
    return words


def test_a_shell_asks_for_the_machines_own_key(
    environment: Environment, ran: list[list[str]]
) -> None:
    run("ssh")
    assert ran == [SSH.split()]
    # What the version before has left takes any key at first.
    outputs = {"public_ip": "192.0.2.7", "docker_host": HOST, "ssh": "ssh core@192.0.2.7"}
    (environment.directory / "outputs.json").write_text(json.dumps({"aws": outputs}))
    assert failed("ssh") == (
        "error: ssh: the machine's host keys must be known, got a deployment of the version "
        "before, which did not ask for them; run make up first\n"
    )
    assert len(ran) == 1


def test_a_shell_opens_on_a_node_of_a_swarm(environment: Environment, ran: list[list[str]]) -> None:
    there = SSH.replace("i-1", "i-2").replace("192.0.2.7", "192.0.2.8")
    node = {"public_ip": "192.0.2.8", "private_ip": "10.0.0.8", "instance_id": "i-2", "ssh": there}
    outputs = {"public_ip": "192.0.2.7", "docker_host": HOST, "ssh": SSH, "nodes": {"web-1": node}}
    (environment.directory / "outputs.json").write_text(json.dumps({"aws": outputs}))
    run("ssh", "web-1")
    assert ran == [there.split()]
    result = CliRunner().invoke(make_app(), ["ssh", "web-2"])
    assert (result.exit_code, result.stderr) == (
        2,
        "error: node: must be the name of one, got 'web-2'; did you mean web-1?\n",
    )
