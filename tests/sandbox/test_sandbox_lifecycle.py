"""Starting, stopping and losing a sandbox."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import boto3
import pytest
from botocore.exceptions import ClientError
from trial_sandbox import (
    OTHER_SETTINGS,
    ROOT,
    SETTINGS,
    as_nobody,
    client,
    footprint,
    is_open,
    make_sandbox,
    needs_root,
    running,
    wait_for,
)

from moor.toolchain.toolchain import Toolchain
from sandbox.engine.connect import connect
from sandbox.engine.record import EngineRecord
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.lifecycle import Sandbox

# What is there before and after is compared, of the whole computer.
pytestmark = pytest.mark.alone

NAME = "sandbox-test"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return a sandbox that is down, and leave none behind."""
    made = make_sandbox()
    made.stop()
    yield made
    made.stop()


def emulator_process() -> int:
    file = ROOT / ".moor" / NAME / "sandbox" / "process.json"
    pid: int = json.loads(file.read_text())["pid"]
    return pid


def run_instance(sandbox: Sandbox, **more: object) -> str:
    ec2 = client(sandbox, "ec2")
    image = ec2.describe_images(Owners=["075585003325"])["Images"][0]["ImageId"]
    answer = ec2.run_instances(
        ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1, **more
    )
    instance: str = answer["Instances"][0]["InstanceId"]
    return instance


def containers(sandbox: Sandbox) -> list[str]:
    docker = connect(sandbox.status().engine_url)
    found = docker.api.containers(all=True, filters={"label": f"moor.environment={NAME}"})
    docker.close()
    return sorted(c["Names"][0].lstrip("/") for c in found)


def test_stopping_leaves_nothing(sandbox: Sandbox) -> None:
    before = footprint(sandbox)
    sandbox.start()
    run_instance(sandbox)
    assert footprint(sandbox) != before
    sandbox.stop()
    assert footprint(sandbox) == before
    assert not (ROOT / ".moor" / NAME / "sandbox").exists()
    sandbox.stop()
    assert footprint(sandbox) == before


def test_starting_again_changes_nothing_and_is_quick(sandbox: Sandbox) -> None:
    first = sandbox.start()
    begun = time.monotonic()
    second = sandbox.start()
    assert time.monotonic() - begun < 0.5
    assert second == first
    assert sandbox.status() == first


def test_a_stopped_sandbox_says_so(sandbox: Sandbox) -> None:
    status = sandbox.status()
    assert not status.running
    assert status.generation == ""


def test_a_killed_emulator_is_replaced_and_its_machines_are_removed(sandbox: Sandbox) -> None:
    first = sandbox.start()
    instance = run_instance(sandbox)
    assert f"moor-{NAME}-{instance}" in containers(sandbox)
    os.kill(emulator_process(), signal.SIGKILL)
    second = sandbox.start()
    assert second.generation != first.generation
    assert second.instances == ()
    assert containers(sandbox) == [f"moor-{NAME}-registry"]


def test_a_killed_emulators_sandbox_can_be_stopped(sandbox: Sandbox) -> None:
    before = footprint(sandbox)
    sandbox.start()
    run_instance(sandbox)
    os.kill(emulator_process(), signal.SIGKILL)
    sandbox.stop()
    assert footprint(sandbox) == before


def test_a_lost_registry_is_started_again(sandbox: Sandbox) -> None:
    first = sandbox.start()
    docker = connect(first.engine_url)
    docker.api.remove_container(f"moor-{NAME}-registry", force=True)
    docker.close()
    second = sandbox.start()
    assert second.generation == first.generation
    assert second.changes == ("the registry was down; started",)
    assert is_open(str(SETTINGS.addresses[1]), SETTINGS.registry_port)


def test_changed_settings_start_it_anew(sandbox: Sandbox) -> None:
    first = sandbox.start()
    changed = make_sandbox(settings=SETTINGS.model_copy(update={"api_port": 4697}))
    second = changed.start()
    assert second.generation != first.generation
    assert second.endpoint_url == "http://127.0.0.1:4697"
    assert not is_open("127.0.0.1", SETTINGS.api_port)


def test_two_sandboxes_run_side_by_side(sandbox: Sandbox) -> None:
    with running(make_sandbox("sandbox-other", OTHER_SETTINGS)) as other:
        sandbox.start()
        mine = run_instance(sandbox)
        theirs = run_instance(other)
        assert [i.id for i in sandbox.status().instances] == [mine]
        assert [i.id for i in other.status().instances] == [theirs]
        sandbox.stop()
        assert other.status().running
        assert other.start().changes == ()


@needs_root
def test_two_clones_share_an_engine_which_the_last_one_stops(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    # The engine of the first one has the images already.
    (one / ".tools").mkdir(parents=True)
    (one / ".tools" / "engine").symlink_to((ROOT / ".tools" / "engine").resolve())
    first = make_sandbox("first-clone", SETTINGS, one)
    before, was_there = footprint(first), EngineRecord.read() is not None
    second = make_sandbox("second-clone", OTHER_SETTINGS, two)
    with running(second), running(first):
        urls = {sandbox.status().engine_url for sandbox in (first, second)}
        assert len(urls) == 1
        mine, theirs = run_instance(first), run_instance(second)
        first.stop()
        assert [i.id for i in second.status().instances] == [theirs]
        assert second.start().changes == ()
        assert mine != theirs
    assert footprint(first) == before
    # Where somebody else's sandbox is on it, it stays.
    assert (EngineRecord.read() is not None) is was_there


@needs_root
def test_an_engine_that_runs_here_is_not_used_unless_it_is_named(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    if sandbox._find_engine(start=False) is not None:
        pytest.skip("an engine of this computer's user is there")
    program = tmp_path / "dockerd"
    shutil.copy2(shutil.which("sleep") or "sleep", program)
    with subprocess.Popen([program, "600"]) as theirs:
        with pytest.raises(SandboxError, match=rf"got another dockerd \(process {theirs.pid}\)"):
            sandbox.start()
        sandbox.stop()
        assert theirs.poll() is None
        theirs.kill()


def listening(address: str, port: int) -> socket.socket:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind((address, port))
    taken.listen()
    return taken


def test_starting_fails_when_the_api_port_is_taken(sandbox: Sandbox) -> None:
    before = footprint(sandbox)
    with listening("127.0.0.1", SETTINGS.api_port), pytest.raises(SandboxError) as caught:
        sandbox.start()
    assert str(caught.value) == (
        f"environments/{NAME}.yaml: sandbox.api_port: must be free on 127.0.0.1, got "
        f"{SETTINGS.api_port}, on which another program listens; choose another port or stop it "
        "(Address already in use)"
    )
    assert footprint(sandbox) == before


def test_starting_fails_when_the_registry_port_is_taken(sandbox: Sandbox) -> None:
    before = footprint(sandbox)
    address, port = str(SETTINGS.addresses[1]), SETTINGS.registry_port
    with listening(address, port), pytest.raises(SandboxError) as caught:
        sandbox.start()
    assert str(caught.value) == (
        f"environments/{NAME}.yaml: sandbox.registry_port: must be a free port on "
        f"{SETTINGS.subnet[1]} and {address}, got {port}, on which another program listens; "
        "choose another (Address already in use)"
    )
    assert footprint(sandbox) == before


def test_starting_fails_when_the_subnet_is_in_use(sandbox: Sandbox) -> None:
    settings = OTHER_SETTINGS.model_copy(update={"subnet": SETTINGS.subnet})
    sandbox.start()
    other = make_sandbox("sandbox-other", settings)
    before = footprint(sandbox)
    with pytest.raises(SandboxError) as caught:
        other.start()
    assert str(caught.value) == (
        "environments/sandbox-other.yaml: sandbox.subnet: must not overlap a network of this "
        f"computer, got {SETTINGS.subnet}, which overlaps {SETTINGS.subnet} of network "
        f"moor-{NAME}; choose another"
    )
    assert footprint(sandbox) == before


def ask(sandbox: Sandbox, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Ask without the key."""
    request = urllib.request.Request(f"{sandbox.endpoint_url}{path}", body, headers=headers)  # noqa: S310  # our own address
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # the same
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_api_is_for_this_computer_and_not_for_web_pages(sandbox: Sandbox) -> None:
    sandbox.start()
    assert ask(sandbox, "/moor-sandbox", Origin="http://example.test")[0] == 403
    assert ask(sandbox, "/moor-sandbox", Host="example.test:4699")[0] == 403
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Sends nothing: it only asks the kernel for this computer's own address.
        probe.connect(("192.0.2.1", 9))
        own = probe.getsockname()[0]
    assert not is_open(own, SETTINGS.api_port)


def test_nothing_is_told_or_started_without_the_sandboxs_key(sandbox: Sandbox) -> None:
    sandbox.start()
    before = containers(sandbox)
    script = b64encode(b"#!/bin/sh\ntouch /pwned\n").decode()
    run = urlencode(
        {
            "Action": "RunInstances",
            "ImageId": "ami-0f1a7ca4f1a7ca001",
            "InstanceType": "t3.small",
            "MinCount": 1,
            "MaxCount": 1,
            "UserData": script,
            "Version": "2016-11-15",
        }
    ).encode()
    code, text = ask(sandbox, "/", run)
    assert (code, "MissingAuthenticationToken" in text) == (403, True)
    assert ask(sandbox, "/moor-sandbox")[0] == 403
    assert ask(sandbox, "/moor-sandbox/reconcile", b"")[0] == 403
    assert ask(sandbox, "/moto-api/reset", b"")[0] == 403
    guess = boto3.client(
        "ec2",
        endpoint_url=sandbox.endpoint_url,
        region_name="eu-central-1",
        aws_access_key_id="moor-sandbox",
        aws_secret_access_key="moor-sandbox",
    )
    with pytest.raises(ClientError, match="AuthFailure"):
        guess.describe_instances()
    assert containers(sandbox) == before


def test_the_keys_owner_may_have_a_script_run(sandbox: Sandbox) -> None:
    sandbox.start()
    instance = run_instance(sandbox, UserData="#!/bin/sh\ntouch /ran\n")
    docker = connect(sandbox.status().engine_url)
    container = docker.containers.get(f"moor-{NAME}-{instance}")
    wait_for(lambda: container.exec_run(["test", "-e", "/ran"])[0] == 0, "the script runs")
    docker.close()


@needs_root
def test_a_plain_user_of_the_computer_gets_nothing(sandbox: Sandbox) -> None:
    status = sandbox.start()
    instance = run_instance(sandbox)
    (machine,) = (i for i in sandbox.status().instances if i.id == instance)
    folder = ROOT / ".moor" / NAME / "sandbox"
    assert as_nobody("cat", str(folder / "credentials")).returncode != 0
    assert as_nobody("ls", str(folder)).returncode != 0
    api = as_nobody("curl", "-sS", "-w", "%{http_code}", f"{status.endpoint_url}/moor-sandbox")
    assert api.stdout.endswith("403"), api.stdout + api.stderr
    engine = status.engine_url.removeprefix("unix://")
    assert as_nobody("curl", "-sS", "--unix-socket", engine, "http://e/info").returncode != 0
    catalogue = f"http://{status.registry}/v2/_catalog"
    mine = subprocess.run(["curl", "-sS", catalogue], check=False, capture_output=True, text=True)
    assert "busybox" in mine.stdout, mine.stderr
    inside = str(SETTINGS.subnet[2])
    for address in (status.registry, f"{SETTINGS.addresses[1]}:5019", f"{inside}:5000"):
        theirs = as_nobody("curl", "-sS", "--max-time", "3", f"http://{address}/v2/_catalog")
        assert (theirs.returncode != 0, theirs.stdout) == (True, ""), address
    for port in (22, 111, 2375):
        url = f"telnet://{machine.private_address}:{port}"
        assert as_nobody("curl", "-sS", "--max-time", "2", url).stdout == "", port


def test_a_key_of_the_users_own_account_is_never_told(sandbox: Sandbox, tmp_path: Path) -> None:
    """The provider's arguments are those of stacks/aws.py, whose own test says that it has them."""
    sandbox.start()
    provider = {
        "region": "eu-central-1",
        "profile": "moor-sandbox",
        "shared_credentials_files": [str(sandbox._environment.sandbox_credentials)],
        "endpoints": [{"sts": sandbox.endpoint_url}],
        "skip_metadata_api_check": "true",
        "skip_credentials_validation": True,
    }
    (tmp_path / "main.tf.json").write_text(
        json.dumps(
            {
                "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
                "provider": {"aws": [provider]},
                "data": {"aws_caller_identity": {"me": {}}},
                "output": {"account": {"value": "${data.aws_caller_identity.me.account_id}"}},
            }
        )
    )
    toolchain = Toolchain.load()
    variables = toolchain.variables(sandbox._environment) | {
        "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_PROFILE": "work",
    }
    for words in (["init"], ["apply", "-auto-approve"]):
        done = subprocess.run(
            [str(toolchain.terraform), *words, "-no-color", "-input=false"],
            cwd=tmp_path,
            env=variables,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert 'account = "123456789012"' in done.stdout
    # Of this sandbox, not of former ones.
    log = sandbox.log_file.read_text().rpartition("serving on")[2]
    assert "refused" not in log
    assert not [f for f in tmp_path.rglob("*.tfstate") if "MOOR" in f.read_text()]


def test_sts_and_s3_answer_too(sandbox: Sandbox) -> None:
    sandbox.start()
    assert client(sandbox, "sts").get_caller_identity()["Account"] == "123456789012"
    s3 = client(sandbox, "s3")
    where = {"LocationConstraint": "eu-central-1"}
    s3.create_bucket(Bucket="state", CreateBucketConfiguration=where)
    s3.put_object(Bucket="state", Key="a", Body=b"x")
    assert s3.get_object(Bucket="state", Key="a")["Body"].read() == b"x"
