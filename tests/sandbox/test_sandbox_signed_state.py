"""Terraform's own requests to S3 and STS, signed as it signs them, with a user's key beside."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
import pytest
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from moor.toolchain.toolchain import Toolchain
from sandbox.api.server import Application, keys
from sandbox.api.signature import Gatekeeper
from sandbox.api.turn import Turn
from sandbox.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class NoMachines:
    """Stands for the emulator: Terraform's state needs no machine."""

    def __init__(self) -> None:
        self.turn = Turn()

    def describe(self) -> NoReturn:
        """Never asked."""
        raise AssertionError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """Serve moto behind a key. Yields the URL, the key's file, and what was refused."""
    credentials = Credentials.new()
    credentials.write(tmp_path / "key" / "credentials")
    log: list[str] = []
    # The application has to know its port, and so comes after.
    none: Any = None
    http = make_server("127.0.0.1", 0, none, threaded=True, request_handler=MotoRequestHandler)
    http.app = Application(
        NoMachines(),  # type: ignore[arg-type]
        DomainDispatcherApplication(create_backend_app),
        Gatekeeper(http.server_port, keys(credentials)),
        log.append,
    )
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{http.server_port}"
    s3 = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
    )
    # moto's books are this process's, and so every server's here.
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(
            Bucket="state", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
    yield url, tmp_path / "key" / "credentials", log
    http.shutdown()
    thread.join()
    http.server_close()


def terraform(folder: Path, backend: dict[str, Any], variables: dict[str, str]) -> str:
    """Initialize, apply and plan. Returns what the plan says."""
    folder.mkdir()
    document = {
        "terraform": {"backend": {"s3": backend}},
        "resource": {"terraform_data": {"x": {"input": "hello"}}},
    }
    (folder / "main.tf.json").write_text(json.dumps(document))
    said = ""
    for words in (["init"], ["apply", "-auto-approve"], ["plan"]):
        done = subprocess.run(
            [str(Toolchain.load().terraform), *words, "-no-color", "-input=false"],
            cwd=folder,
            env=variables,
            check=False,
            capture_output=True,
            text=True,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
    return said


BACKEND = {
    "bucket": "state",
    "key": "a b/aws.tfstate",
    "region": "eu-central-1",
    "encrypt": True,
    "use_lockfile": True,
    "profile": "moor-sandbox",
}


def without_aws() -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return own | {"CHECKPOINT_DISABLE": "1"}


def test_a_state_in_s3_is_read_and_written_with_the_sandboxs_key_and_no_other(
    server: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    url, file, log = server
    backend = BACKEND | {
        "endpoints": {"s3": url, "sts": url, "iam": url},
        "use_path_style": True,
        "shared_credentials_files": [str(file)],
    }
    real = {
        "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
    }
    assert "No changes" in terraform(tmp_path / "stack", backend, without_aws() | real)
    assert log == []


def test_the_variables_that_moor_sets_are_enough(
    server: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    url, file, log = server
    ours = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": url,
        "AWS_PROFILE": "moor-sandbox",
        "AWS_SHARED_CREDENTIALS_FILE": str(file),
    }
    assert "No changes" in terraform(tmp_path / "stack", BACKEND, without_aws() | ours)
    assert log == []
