"""Who holds a lock, and who may take it away: with real processes, and a real object store."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from settings_files import document
from typer.testing import CliRunner

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor import deployment_lock
from moor.failure import CommandError
from moor.operation import locks
from moor.program import make_app
from moor.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
HOLDS = """
import sys
from pathlib import Path
from moor import deployment_lock
from constructs_lib.settings.environment import Environment
with deployment_lock.held(Environment.from_variable(Path(sys.argv[1]), {})):
    print("held", flush=True)
    sys.stdin.read()
"""


class Given(Session):
    """A session whose settings are given."""

    settings: Settings = Settings.model_validate(document())


def session(root: Path, settings: Settings | None = None) -> Session:
    made = Given(environment=Environment.from_variable(root, {}))
    object.__setattr__(made, "settings", settings or Given.settings)
    return made


@contextmanager
def another(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold the lock in another process."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(root)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        if process.stdin is not None:
            process.stdin.close()


def test_nobody_works_on_it(tmp_path: Path) -> None:
    assert locks.held(session(tmp_path)) == []
    environment = Environment.from_variable(tmp_path, {})
    with deployment_lock.held(environment):
        pass
    assert not deployment_lock.is_held(environment)
    assert deployment_lock.recorded(environment) == str(os.getpid())


@pytest.mark.parametrize("handling", [signal.SIG_DFL, signal.SIG_IGN], ids=["usual", "by &"])
def test_a_command_at_work_is_told_and_not_ended_unless_that_is_said(
    tmp_path: Path, handling: signal.Handlers
) -> None:
    given = session(tmp_path)
    # A child takes over that it is ignored, and Python makes of the default its own.
    before = signal.signal(signal.SIGINT, handling)
    with another(tmp_path) as process:
        signal.signal(signal.SIGINT, before)
        (lock,) = locks.held(given)
        assert lock.what == "environment sandbox"
        assert lock.who.endswith(f"@{socket.gethostname()}")
        assert lock.here == (process.pid,)
        assert "from moor import deployment_lock" in lock.doing
        assert lock.since is not None
        assert abs((datetime.now(UTC) - lock.since).total_seconds()) < 60
        with pytest.raises(CommandError) as caught:
            locks.release(given, lock, despite=False)
        assert f"(process {process.pid}); wait until it has ended, or end it with " in str(
            caught.value
        )
        assert "lock release --despite sandbox" in str(caught.value)
        assert process.poll() is None
        assert locks.release(given, lock, despite=True) == (
            "environment sandbox: its holder has ended"
        )
        assert process.wait() != 0
    assert locks.held(given) == []


# The lock of a state in S3


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="eu-west-1")
        client.create_bucket(
            Bucket="trial-state", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield client


WITH_S3 = Settings.model_validate(
    document() | {"state": {"s3": {"bucket": "trial-state", "region": "eu-west-1", "prefix": "x"}}}
)
KEY = "x/aws.tfstate.tflock"


def locked(s3: Any, who: str) -> None:  # noqa: ANN401  (boto3 has no types)
    info = {
        "ID": "1f2e",
        "Operation": "OperationTypeApply",
        "Who": who,
        "Created": "2026-11-28T22:40:00.123456789Z",
    }
    s3.put_object(Bucket="trial-state", Key=KEY, Body=json.dumps(info).encode())


def keys(s3: Any) -> list[str]:  # noqa: ANN401  (boto3 has no types)
    return [found["Key"] for found in s3.list_objects_v2(Bucket="trial-state").get("Contents", ())]


def test_a_state_that_a_killed_deployment_of_this_computer_has_left_is_released(
    s3: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    given = session(tmp_path, WITH_S3)
    assert locks.states(given) == []
    locked(s3, f"ann@{socket.gethostname()}")
    (lock,) = locks.held(given)
    assert (lock.what, lock.stack, lock.id) == (f"s3://trial-state/{KEY}", "aws", "1f2e")
    assert lock.since == datetime(2026, 11, 28, 22, 40, tzinfo=UTC)
    assert locks.release(given, lock, despite=False) == f"s3://trial-state/{KEY}: released"
    assert keys(s3) == []


def test_a_state_of_another_computer_is_released_by_name_only(
    s3: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    given = session(tmp_path, WITH_S3)
    locked(s3, "ann@elsewhere")
    (lock,) = locks.held(given)
    with pytest.raises(CommandError, match="got ann@elsewhere, of whom this computer cannot know"):
        locks.release(given, lock, despite=False)
    assert keys(s3) == [KEY]
    with pytest.raises(CommandError, match=r"must be the lock that was looked at \(old\)"):
        locks.release(given, replace(lock, id="old"), despite=True)
    locks.release(given, lock, despite=True)
    assert keys(s3) == []


def test_a_state_of_a_deployment_at_work_here_is_not_released(
    s3: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    given = session(tmp_path, WITH_S3)
    locked(s3, f"ann@{socket.gethostname()}")
    with another(tmp_path) as process:
        own, lock = locks.held(given)
        assert own.here == lock.here == (process.pid,)
        with pytest.raises(CommandError, match="must be held by nobody who is at work"):
            locks.release(given, lock, despite=False)
    assert keys(s3) == [KEY]


def test_a_bucket_that_does_not_tell(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    settings = Settings.model_validate(
        document() | {"state": {"s3": {"bucket": "trial-state", "region": "eu-west-1"}}}
    )
    s3.put_bucket_policy(
        Bucket="trial-state",
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:GetObject",
                        "Resource": "arn:aws:s3:::trial-state/*",
                    }
                ],
            }
        ),
    )
    with pytest.raises(CommandError, match="S3 must tell of the state's lock, got: "):
        locks.states(session(tmp_path, settings))


def test_the_name_must_be_the_environments() -> None:
    done = CliRunner().invoke(make_app(), ["lock", "release", "--despite", "production"])
    assert done.exit_code == 2
    assert "must be the name of this environment, sandbox, got 'production'" in done.stderr
