"""Terraform itself, and an emulated S3: the settings' role is assumed for the state, too."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import boto3
import pytest
from cdktf import TerraformStack
from moto.server import ThreadedMotoServer
from moto.sts.models import sts_backends
from synthesis import ROOT, new_app, synth

from constructs_lib.settings.environment import Environment
from constructs_lib.terraform.state_backend import S3State
from moor.toolchain.toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


ROLE = "arn:aws:iam::123456789012:role/deploy"
REGION = "eu-central-1"


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def test_the_role_is_assumed_for_the_state(tmp_path: Path, endpoint: str) -> None:
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name=REGION, **keys)
    s3.create_bucket(Bucket="states", CreateBucketConfiguration={"LocationConstraint": REGION})
    stack = TerraformStack(new_app(), "aws")
    S3State(bucket="states", region=REGION, prefix="moor", role_arn=ROLE).attach(stack, "aws")
    document = synth(stack)
    # An address of this computer has no names below it.
    document["terraform"]["backend"]["s3"]["use_path_style"] = True
    (tmp_path / "cdk.tf.json").write_text(json.dumps(document), encoding="utf-8")
    toolchain = Toolchain.load()
    variables = toolchain.variables(Environment.from_variable(ROOT, {})) | {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ENDPOINT_URL_STS": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = len(assumed())
    for words in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
        done = subprocess.run(
            [toolchain.terraform, *words, "-no-color"],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # A deprecated spelling would be told.
        assert "Warning" not in done.stdout
    assert assumed()[before:]
    assert set(assumed()[before:]) == {ROLE}


def assumed() -> list[str]:
    return [
        str(role.role_arn)
        for regions in sts_backends.values()
        for backend in regions.values()
        for role in backend.assumed_roles
    ]
