"""What backups ask of EC2, which moto answers in this process; and what is refused before that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from settings_files import document

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor.backup import backed_up, pruning, restoration, throw_away
from moor.backup.aws import Ec2
from moor.backup.exchange import Exchange, addresses
from moor.backup.restoration import Restoration
from moor.failure import CommandError, WrongUseError
from moor.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION, ZONE = "eu-central-1", "eu-central-1a"
TAGS = {"project": "moor", "environment": "production", "managed-by": "moor"}
OURS = {**TAGS, "data-volume": "manager-1"}


def session_of(folder: Path, **aws: object) -> Session:
    session = Session(environment=Environment.from_variable(folder, {"ENVIRONMENT": "production"}))
    session.__dict__["settings"] = Settings.model_validate(document(**aws))
    return session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return session_of(tmp_path, data_volume={"size_gib": 2, "snapshots": {"keep": 1}})


@pytest.fixture
def ec2(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ec2]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        made = Ec2(session)
        made.__dict__["client"] = boto3.client("ec2", region_name=REGION)
        yield made


def tagged(kind: str, tags: dict[str, str]) -> list[dict[str, Any]]:
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [{"ResourceType": kind, "Tags": pairs}]


def volume(ec2: Ec2, tags: dict[str, str], size: int = 2) -> str:
    made = ec2.client.create_volume(
        Size=size, AvailabilityZone=ZONE, TagSpecifications=tagged("volume", tags)
    )
    return str(made["VolumeId"])


def snapshot(ec2: Ec2, tags: dict[str, str], size: int = 2) -> str:
    of = volume(ec2, {"Name": "of a test"}, size)
    made = ec2.client.create_snapshot(VolumeId=of, TagSpecifications=tagged("snapshot", tags))
    return str(made["SnapshotId"])


def tags_of(ec2: Ec2, volume_id: str) -> set[str]:
    (found,) = ec2.client.describe_volumes(VolumeIds=[volume_id])["Volumes"]
    return {tag["Key"] for tag in found.get("Tags", [])}


def problem(error: type[CommandError], text: str) -> Any:  # noqa: ANN401  (pytest's own)
    return pytest.raises(error, match=f"^{re.escape(text)}$")


def test_only_the_environments_snapshots_are_seen(ec2: Ec2) -> None:
    ours = snapshot(ec2, OURS)
    snapshot(ec2, {**OURS, "environment": "staging"})
    snapshot(ec2, TAGS)
    assert [one.id for one in ec2.snapshots()] == [ours]
    assert ec2.snapshot("newest").id == ours


def test_a_snapshot_that_is_not_ours_is_refused(ec2: Ec2) -> None:
    snapshot(ec2, OURS)
    theirs = snapshot(ec2, {**OURS, "environment": "staging"})
    text = (
        f"snapshot {theirs}: must be of a data volume of this environment, with the tags "
        "project=moor, environment=production, managed-by=moor, got project=moor, "
        "environment=staging, managed-by=moor; nothing was done with it"
    )
    with problem(CommandError, text):
        ec2.snapshot(theirs)


def test_an_unknown_snapshot_is_told_with_those_there_are(ec2: Ec2) -> None:
    ours = snapshot(ec2, OURS)
    with pytest.raises(WrongUseError, match=f"got 'newst'; there are {ours}$"):
        ec2.snapshot("newst")


def test_where_there_is_none_the_next_command_is_told(ec2: Ec2) -> None:
    make = "ENVIRONMENT=production .venv/bin/moor backup create"
    with problem(CommandError, f"snapshot: must be there, got none; `{make}` makes one"):
        ec2.snapshot("newest")


def test_without_a_data_volume_the_setting_is_named(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    text = (
        f"{tmp_path}/environments/production.yaml: aws.data_volume: must be set for backups, got "
        "none; the machine's own disk goes with the machine: add size_gib, and run "
        "ENVIRONMENT=production make up"
    )
    with problem(CommandError, text):
        backed_up.must_have_a_volume(session)
    with problem(CommandError, text):
        backed_up.machine_of(session, "manager-1")


def test_a_machine_without_a_data_volume_is_told_with_those_that_have_one(tmp_path: Path) -> None:
    workers = {"web": {"count": 1, "data_volume": {"size_gib": 3}}, "cache": {"count": 1}}
    session = session_of(tmp_path, machines={"managers": 1, "workers": workers})
    assert backed_up.with_volumes(session) == ["web-1"]
    settings, field = backed_up.wanted(session, "web-1")
    assert (settings.size_gib, field) == (3, "aws.machines.workers.web.data_volume")
    with pytest.raises(WrongUseError, match=r"^machine with a data volume: .*got 'cache-1'.*web-1"):
        backed_up.machine_of(session, "cache-1")


def test_the_field_is_that_of_all_machines_where_a_pool_has_none(tmp_path: Path) -> None:
    machines = {"managers": 1, "workers": {"web": {"count": 1}}}
    session = session_of(tmp_path, data_volume={"size_gib": 2}, machines=machines)
    assert backed_up.with_volumes(session) == ["manager-1", "web-1"]
    assert backed_up.wanted(session, "web-1")[1] == "aws.data_volume"


def test_a_snapshot_that_is_larger_than_the_setting_is_refused(session: Session, ec2: Ec2) -> None:
    large = snapshot(ec2, OURS, size=3)
    text = (
        f"{session.environment.settings_file}: aws.data_volume.size_gib: must be at least 3, the "
        f"size of {large}, got 2; a volume never shrinks"
    )
    with problem(CommandError, text):
        restoration.choose(session, ec2, large)


def test_another_restore_that_is_under_way_comes_first(session: Session, ec2: Ec2) -> None:
    ours = snapshot(ec2, OURS)
    other = Restoration(snapshot="snap-0", old="vol-0", machine="i-0", token="t")
    other.remember(session.environment)
    moor = "ENVIRONMENT=production .venv/bin/moor backup restore"
    text = (
        f"a restore of snap-0 is under way, from volume vol-0: `{moor} snap-0` goes on, "
        f"`{moor} --back` goes back"
    )
    with problem(CommandError, text):
        restoration.choose(session, ec2, ours)


def test_old_snapshots_go_and_nobody_elses(session: Session, ec2: Ec2) -> None:
    theirs = snapshot(ec2, TAGS)
    for _ in range(3):
        snapshot(ec2, OURS)
    fates = pruning.look(session, ec2)
    gone = pruning.remove(ec2, [fate for fate in fates if fate.goes], lambda _: None)
    assert len(gone) == 2
    assert len(ec2.snapshots()) == 1
    assert ec2.client.describe_snapshots(SnapshotIds=[theirs])["Snapshots"]


def test_a_snapshot_that_is_gone_already_is_told_and_the_others_go(
    session: Session, ec2: Ec2
) -> None:
    for _ in range(3):
        snapshot(ec2, OURS)
    going = [fate for fate in pruning.look(session, ec2) if fate.goes]
    ec2.delete_snapshot(going[0].snapshot)
    with pytest.raises(CommandError, match=f"^{going[0].snapshot.told}: must be deleted, got: "):
        pruning.remove(ec2, going, lambda _: None)
    assert len(ec2.snapshots()) == 1


def test_the_tags_tell_which_volume_is_in_use(ec2: Ec2) -> None:
    old = volume(ec2, {**OURS, "snapshot-schedule": "moor-data"})
    new = volume(ec2, {**TAGS, "former-data-volume": "manager-1"})
    swap = Exchange(node="manager-1", machine="i-0", leaving=old, coming=new)
    for _ in range(2):  # the second time there is nothing to do
        swap.tag(ec2)
        assert tags_of(ec2, old) == {*TAGS, "former-data-volume"}
        assert tags_of(ec2, new) == {*TAGS, "data-volume"}
    Exchange(node="manager-1", machine="i-0", leaving=new, coming=old).tag(ec2)
    assert tags_of(ec2, old) == {*TAGS, "data-volume"}


def test_what_a_trial_has_left_is_removed_and_nothing_else(session: Session, ec2: Ec2) -> None:
    image = ec2.client.describe_images()["Images"][0]["ImageId"]
    trial, mine = {**TAGS, "throw-away": "snap-1"}, {**TAGS, "Name": "moor"}
    machines = [
        ec2.client.run_instances(
            ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tagged("instance", tags)
        )["Instances"][0]["InstanceId"]
        for tags in (trial, mine)
    ]
    address = ec2.client.allocate_address(TagSpecifications=tagged("elastic-ip", trial))
    kept = ec2.client.allocate_address(TagSpecifications=tagged("elastic-ip", mine))
    ec2.client.associate_address(AllocationId=address["AllocationId"], InstanceId=machines[0])
    gone, stays = volume(ec2, trial), volume(ec2, OURS)
    said: list[str] = []
    throw_away.remove_all(session, ec2, said.append)
    assert said == [f"a trial has left {machines[0]}: removed"]
    states = {
        one["InstanceId"]: one["State"]["Name"]
        for group in ec2.client.describe_instances()["Reservations"]
        for one in group["Instances"]
    }
    assert states == {machines[0]: "terminated", machines[1]: "running"}
    assert [a["PublicIp"] for a in ec2.client.describe_addresses()["Addresses"]] == [
        kept["PublicIp"]
    ]
    assert ec2.described(gone) is None
    assert ec2.described(stays) is not None


def test_a_note_that_nobody_can_read_is_told(session: Session) -> None:
    file = session.environment.directory / "restore.json"
    file.parent.mkdir(parents=True)
    file.write_text("{", encoding="utf-8")
    text = (
        f"{file}: must tell which restore is under way, got something else; remove it when "
        "`moor backup ls` shows the volume in use that you want"
    )
    with problem(CommandError, text):
        Restoration.under_way(session.environment)


DOCUMENT: dict[str, Any] = {
    "resource": {
        "aws_ebs_volume": {
            "Data_1": {"tags": {"data-volume": "manager-1"}},
            "Data_12": {"tags": {"data-volume": "web-1"}},
        },
        "aws_volume_attachment": {
            "Attachment_B": {"volume_id": "${aws_ebs_volume.Data_12.id}"},
            "Attachment_A": {"volume_id": "${aws_ebs_volume.Data_1.id}"},
        },
    }
}


def test_of_several_machines_each_has_its_own_volume_and_attachment() -> None:
    assert addresses(DOCUMENT, "manager-1") == (
        "aws_ebs_volume.Data_1",
        "aws_volume_attachment.Attachment_A",
    )
    assert addresses(DOCUMENT, "web-1") == (
        "aws_ebs_volume.Data_12",
        "aws_volume_attachment.Attachment_B",
    )
    text = "data volume of web-2: must be among what is deployed, got nothing of it"
    with problem(CommandError, text):
        addresses(DOCUMENT, "web-2")
