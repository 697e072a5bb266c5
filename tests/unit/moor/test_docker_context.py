"""A context of Docker's own, written by its program where there is one, and without it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from constructs_lib.identity.certificate_authority import CertificateAuthority, issue_client
from moor.failure import CommandError
from moor.operation.docker_context import DockerContext, rivals, store

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("ca.pem", "cert.pem", "key.pem")
PROGRAM = shutil.which("docker")


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    folder = tmp_path / "certificates, of mine"
    folder.mkdir()
    renew(folder)
    return folder


def renew(folder: Path) -> None:
    """Write other certificates: Docker's program takes real ones only."""
    client = issue_client("trial client")
    authority = CertificateAuthority.create("trial")
    contents = (authority.certificate_pem, client.certificate_pem, client.private_key_pem)
    for name, content in zip(NAMES, contents, strict=True):
        (folder / name).write_bytes(content)


def context(
    tmp_path: Path, certificates: Path, host: str = "tcp://192.0.2.7:2376"
) -> DockerContext:
    return DockerContext(
        name="moor-trial",
        description="environment trial of moor",
        docker_host=host,
        certificates=certificates,
        store=tmp_path / "docker" / "contexts",
    )


@pytest.mark.parametrize(
    "program",
    [
        None,
        pytest.param(PROGRAM, marks=pytest.mark.skipif(PROGRAM is None, reason="no docker here")),
    ],
)
def test_it_is_made_and_brought_up_to_date_whole(
    tmp_path: Path, certificates: Path, program: str | None
) -> None:
    wanted = context(tmp_path, certificates)
    assert wanted.write(program)
    assert wanted.is_current()
    renew(certificates)
    assert not wanted.is_current()
    wanted = context(tmp_path, certificates, "tcp://192.0.2.8:2376")
    assert not wanted.write(program)
    assert wanted.is_current()
    assert {(wanted.tls / name).stat().st_mode & 0o777 for name in NAMES} == {0o600}
    document = json.loads(wanted.meta.read_text())
    assert document["Name"] == "moor-trial"
    assert document["Metadata"]["Description"] == "moor: environment trial of moor"
    assert document["Endpoints"]["docker"] == {
        "Host": "tcp://192.0.2.8:2376",
        "SkipTLSVerify": False,
    }
    assert wanted.remove()
    assert not wanted.remove()
    assert [path for path in wanted.store.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(PROGRAM is None, reason="no docker here")
def test_dockers_own_program_reads_what_we_write(tmp_path: Path, certificates: Path) -> None:
    wanted = context(tmp_path, certificates)
    wanted.write(None)
    done = subprocess.run(
        [str(PROGRAM), "context", "inspect", "moor-trial"],
        env={**os.environ, "DOCKER_CONFIG": str(wanted.store.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    (found,) = json.loads(done.stdout)
    assert found["Endpoints"]["docker"]["Host"] == "tcp://192.0.2.7:2376"
    assert found["TLSMaterial"] == {"docker": ["ca.pem", "cert.pem", "key.pem"]}


def test_one_that_others_can_read_is_not_current(tmp_path: Path, certificates: Path) -> None:
    wanted = context(tmp_path, certificates)
    wanted.write(None)
    (wanted.tls / "key.pem").chmod(0o644)
    assert not wanted.is_current()


def test_anothers_context_of_that_name_is_left_alone(tmp_path: Path, certificates: Path) -> None:
    wanted = context(tmp_path, certificates)
    wanted.meta.parent.mkdir(parents=True)
    wanted.meta.write_text(json.dumps({"Name": "moor-trial", "Metadata": {"Description": "mine"}}))
    with pytest.raises(CommandError, match=r"got another's \(mine\); rename that"):
        wanted.write(None)
    with pytest.raises(CommandError, match=r"got another's \(mine\); rename that"):
        wanted.remove()
    assert not wanted.tls.exists()


def test_what_wins_over_a_context_is_told() -> None:
    assert rivals({}, "moor-trial") == []
    assert rivals({"DOCKER_CONTEXT": "moor-trial"}, "moor-trial") == []
    assert rivals({"DOCKER_HOST": "tcp://x", "DOCKER_CONTEXT": "other"}, "moor-trial") == [
        "DOCKER_HOST is set (tcp://x), and wins over every context; unset it",
        (
            "DOCKER_CONTEXT is set (other), and wins over `docker context use`; unset it, or name "
            "this one: docker --context moor-trial"
        ),
    ]


def test_the_store_is_where_docker_looks(tmp_path: Path) -> None:
    assert store({"DOCKER_CONFIG": str(tmp_path)}) == tmp_path / "contexts"
    assert store({}).parts[-2:] == (".docker", "contexts")
