"""The step that builds an image."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from constructs_lib.compose import build


def test_no_other_builder_and_no_other_machine_is_meant() -> None:
    given = {"PATH": "/bin", "DOCKER_CONTEXT": "x", "BUILDX_BUILDER": "y", "COMPOSE_FILE": "z",
             "DOCKER_CONFIG": "/c", "SSH_AUTH_SOCK": "/s"}  # fmt: skip
    found = build.variables(
        given, host="tcp://192.0.2.1:2376", certificates=Path("/certs"), state=Path("/state")
    )
    assert found == {
        "PATH": "/bin",
        "SSH_AUTH_SOCK": "/s",
        "DOCKER_CONFIG": "/c",
        "BUILDX_CONFIG": "/state",
        "COMPOSE_ANSI": "never",
        "DOCKER_BUILDKIT": "1",
        "DOCKER_CERT_PATH": "/certs",
        "DOCKER_HOST": "tcp://192.0.2.1:2376",
        "DOCKER_TLS_VERIFY": "1",
    }


def test_a_base_image_is_the_one_that_the_plan_has_seen() -> None:
    document = {
        "services": {"web": {"build": {"context": "/c", "additional_contexts": {"a": "b"}}}}
    }
    done = build.completed(document, ["busybox:1=busybox@sha256:0"])
    assert done["services"]["web"]["build"]["additional_contexts"] == {
        "a": "b",
        "busybox:1": "docker-image://busybox@sha256:0",
    }
    assert build.completed(document, []) == document


def test_a_definition_that_is_gone_is_told(tmp_path: Path) -> None:
    words = ["--host", "h", "--port", "1", "--certificates", "/c", "--", str(tmp_path / "x.json")]
    assert build.main(words) == (
        f"{tmp_path / 'x.json'}: must be readable, got No such file or directory; synthesize again"
    )


def test_what_the_builders_client_remembers_is_not_among_secrets(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\n")
    definition = tmp_path / "vault" / "builds" / "x.json"
    definition.parent.mkdir(parents=True, mode=0o700)
    section = {"image": "x:1", "build": {"context": str(context)}}
    definition.write_text(json.dumps({"name": "p", "services": {"web": section}}))
    # Nothing answers there, and the client finds that out after it has looked after itself.
    words = ["--host", "127.0.0.1", "--port", "1", "--certificates", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "constructs_lib.compose.build", *words, "--", str(definition)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert list(definition.parent.iterdir()) == [definition]
    assert list((tmp_path / "buildx").iterdir()), done.stderr
