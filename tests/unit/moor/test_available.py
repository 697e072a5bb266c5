"""What AWS does not have is refused while the machine is still there; moto answers for EC2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from settings_files import document

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor import available
from moor.failure import WrongUseError
from moor.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def images(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Return an image of each architecture."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        client = boto3.client("ec2", region_name=REGION)
        there = client.describe_images()["Images"]
        yield {str(one["Architecture"]): str(one["ImageId"]) for one in there}


def check(
    folder: Path,
    *,
    image: str | None = None,
    instance_type: str | None = None,
    **aws: Any,  # noqa: ANN401  (any setting)
) -> None:
    environment = Environment.from_variable(folder, {"ENVIRONMENT": "production"})
    session = Session(environment=environment)
    session.__dict__["settings"] = Settings.model_validate(document(**aws))
    available.check(session, ["manager-1"], image=image, instance_type=instance_type)


def test_what_there_is_and_fits_is_taken(tmp_path: Path, images: dict[str, str]) -> None:
    check(tmp_path)
    check(tmp_path, instance_type="t3.large", data_volume={"size_gib": 20})
    check(tmp_path, image=images["x86_64"], instance_type="t3.large")


@pytest.mark.parametrize(
    ("asked", "aws", "message"),
    [
        (
            {"instance_type": "t9.huge"},
            {},
            f"--type: must be an instance type that {REGION} has, got t9.huge",
        ),
        (
            {"image": "ami-0123456789abcdef0"},
            {},
            f"--image: must be an image that {REGION} has, got ami-0123456789abcdef0",
        ),
        (
            {"instance_type": "t4g.small"},
            {},
            (
                "--type: must fit together, instance type and image, got t4g.small for arm64 and "
                "an image for x86_64"
            ),
        ),
        (
            {"instance_type": "t2.small"},
            {"data_volume": {"size_gib": 20}},
            (
                "--type: must be of the Nitro system, since manager-1 has a data volume, got "
                "t2.small, which is not"
            ),
        ),
    ],
)
def test_what_no_machine_could_be_made_of_is_refused(
    tmp_path: Path, asked: dict[str, str], aws: dict[str, Any], message: str
) -> None:
    with pytest.raises(WrongUseError) as caught:
        check(tmp_path, **asked, **aws)
    assert str(caught.value) == message
