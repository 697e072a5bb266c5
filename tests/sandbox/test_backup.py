"""Snapshots of a data volume, for real: made under a writer, listed, tried, restored, let go.

The tests share one deployment and run in the order of the file. What writes numbers each row by how
many there are, and says so when the row is on the disk: a gap shows, and so does a lost row.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tarfile
import time
from typing import TYPE_CHECKING, Any

import pytest
from limited_user import limited_user
from test_deploy import UNCHANGED, Deployment
from trial_deployment import deployed_once
from trial_sandbox import wait_for

from constructs_lib.aws.permissions import BACKUPS, DATA_VOLUME, policy, without_conditions
from constructs_lib.host import engine as machine_engine
from constructs_lib.settings.load import load_settings
from moor import deployment_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient
    from docker.models.containers import Container

SETTINGS = """
project: backup
aws:
  region: eu-central-1
  ssh: {port: 2222, cidrs: [127.0.0.0/8]}
  docker_api: {cidrs: [127.0.0.0/8]}
  data_volume: {size_gib: 2, snapshots: {keep: 2}}
services: compose.yaml
variables: {BUSYBOX: "172.30.48.1:5000/busybox:1.36"}
sandbox: {api_port: 4648, addresses: 127.48.0.0/24, subnet: 172.30.48.0/24}
"""

SERVICES = """
services:
  writer:
    image: ${BUSYBOX}
    restart: unless-stopped
    volumes: [rows:/data]
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        n=$$(cat /data/rows 2>/dev/null | wc -l)
        while :; do
          n=$$((n + 1)); echo "$$n" >> /data/rows; sync; echo "$$n" > /data/told; sleep 0.1
        done
    healthcheck: {test: ["CMD", "test", "-f", "/data/told"], interval: 1s}
  told:
    image: ${BUSYBOX}
    restart: unless-stopped
    volumes: [log:/data]
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"]
    x-backup: {pre: "echo pre >> /data/log", post: "echo post >> /data/log"}
volumes: {rows: {}, log: {}}
"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deploy once for all tests, and leave nothing behind."""
    folder = tmp_path_factory.mktemp("environments")
    with deployed_once(folder, "backup-test", settings=SETTINGS, services=SERVICES) as made:
        yield made


@pytest.fixture
def snapshot(deployed: Deployment) -> None:
    """Have a snapshot that knows how many rows there were, whichever tests were chosen."""
    if deployed.container("writer").exec_run(["test", "-e", "/data/before"]).exit_code:
        sh(deployed, "cat /data/told > /data/before")
        said(deployed, "create")


def said(deployed: Deployment, *words: str, status: int = 0) -> str:
    """Run `moor backup WORDS`, and return all that it said."""
    done = deployed.run("backup", *words)
    text = done.stdout + done.stderr
    assert done.returncode == status, text
    return text


def listed(deployed: Deployment) -> list[dict[str, Any]]:
    """Return the snapshots, the newest first."""
    return list(json.loads(said(deployed, "ls", "--json"))["snapshots"])


def read(container: Container, path: str) -> str:
    status, output = container.exec_run(["cat", path])
    assert status == 0, output
    assert isinstance(output, bytes)
    return output.decode()


def rows(deployed: Deployment) -> list[int]:
    """Return the rows, which are numbered without a gap."""
    found = [int(line) for line in read(deployed.container("writer"), "/data/rows").split()]
    assert found == list(range(1, len(found) + 1))
    return found


def acknowledged(deployed: Deployment) -> int:
    """Return how many rows the writer has said to be on the disk."""
    return int(read(deployed.container("writer"), "/data/told"))


def running(deployed: Deployment) -> list[str]:
    """Return the services whose containers run."""
    return [name for name in ("writer", "told") if deployed.container(name).status == "running"]


def sh(deployed: Deployment, command: str) -> None:
    """Run a command in the writer's container."""
    status, output = deployed.container("writer").exec_run(["sh", "-c", command])
    assert status == 0, output


def mark(deployed: Deployment) -> int:
    """Leave something behind that no snapshot has; returns how many rows there are."""
    sh(deployed, "touch /data/since")
    return len(rows(deployed))


def must_be_of_the_snapshot(deployed: Deployment) -> None:
    """See that the rows are there that were acknowledged before, and nothing of the time since."""
    assert len(rows(deployed)) >= int(read(deployed.container("writer"), "/data/before"))
    sh(deployed, "test ! -e /data/since")


def test_a_snapshot_is_made_while_what_writes_stands_still(deployed: Deployment) -> None:
    sh(deployed, "cat /data/told > /data/before")
    before = acknowledged(deployed)
    text = said(deployed, "create")
    assert re.search(r"snapshot snap-[0-9a-f]+ of manager-1, 2 GiB, .* UTC: complete", text)
    assert re.search(r"stopped for \d+\.\d s: backup-writer-1\n", text)
    assert "not stopped, since they have x-backup: backup-told-1\n" in text
    (one,) = listed(deployed)
    assert f"backup verify {one['id']}" in text
    assert (one["state"], one["node"], one["size_gib"], one["kept"]) == (
        "completed",
        "manager-1",
        2,
        True,
    )
    assert sorted(one["images"]) == ["told", "writer"]
    assert running(deployed) == ["writer", "told"]
    assert read(deployed.container("told"), "/data/log").split() == ["pre", "post"]
    wait_for(lambda: acknowledged(deployed) > before, "the writer goes on")


def test_a_command_that_fails_leaves_no_snapshot_and_everything_running(
    deployed: Deployment,
) -> None:
    file = deployed.environment.settings_file.with_name("compose.yaml")
    file.write_text(SERVICES.replace('pre: "echo pre', 'pre: "echo no room; exit 3; echo pre'))
    try:
        text = said(deployed, "create", status=1)
    finally:
        file.write_text(SERVICES, encoding="utf-8")
    assert "backup-told-1: x-backup.pre must succeed, got status 3:" in text
    assert "no room" in text
    assert len(listed(deployed)) == 1
    assert read(deployed.container("told"), "/data/log").split()[-1] == "post"
    assert running(deployed) == ["writer", "told"]


def test_a_snapshot_is_restored_and_terraform_agrees(deployed: Deployment) -> None:
    (one,) = listed(deployed)
    assert mark(deployed) > int(read(deployed.container("writer"), "/data/before"))
    text = said(deployed, "restore", "newest")
    must_be_of_the_snapshot(deployed)
    former = re.search(r"the former volume (vol-[0-9a-f]+) is kept; `(.*)` loses it", text)
    assert former, text
    assert re.search(r"services were down for \d+ s", text)
    assert one["id"] in text
    assert running(deployed) == ["writer", "told"]
    assert UNCHANGED in deployed.up()
    assert former[1] in said(deployed, "ls")
    assert f"deleted volume {former[1]}" in said(deployed, "discard", former[1])
    assert "former volume: must be the name of one" in said(
        deployed, "discard", former[1], status=2
    )


def test_a_snapshot_is_tried_and_nothing_of_the_trial_is_left(deployed: Deployment) -> None:
    begin = time.monotonic()
    text = said(deployed, "verify", "newest", "--within", "300")
    assert re.search(r"backup-writer-1 +running \(healthy\)", text), text
    assert re.search(r"snapshot snap-[0-9a-f]+ .*: its services are well", text)
    assert time.monotonic() - begin < 300
    assert_no_trial(deployed)


def assert_no_trial(deployed: Deployment) -> None:
    ec2 = deployed.ec2()
    (machine,) = [i for i in deployed.sandbox().status().instances if i.state == "running"]
    assert machine.address == deployed.outputs.public_ip
    assert [a["PublicIp"] for a in ec2.describe_addresses()["Addresses"]] == [machine.address]
    tried = ec2.describe_volumes(Filters=[{"Name": "tag-key", "Values": ["throw-away"]}])
    assert tried["Volumes"] == []
    assert [folder.name for folder in deployed.environment.hosts.iterdir()] == [machine.id]


def test_old_ones_go_and_never_those_of_others(deployed: Deployment) -> None:
    ec2 = deployed.ec2()
    volume = deployed.ec2().describe_volumes(
        Filters=[{"Name": "tag-key", "Values": ["data-volume"]}]
    )["Volumes"][0]["VolumeId"]
    others = ec2.create_snapshot(VolumeId=volume, Description="somebody's")["SnapshotId"]
    for _ in range(2):
        said(deployed, "create")
    third, second, first = listed(deployed)
    assert [one["kept"] for one in (third, second, first)] == [True, True, False]
    text = said(deployed, "prune")
    assert f"goes: snapshot {first['id']}" in text
    assert "1 deleted, 2 kept" in text
    assert [one["id"] for one in listed(deployed)] == [third["id"], second["id"]]
    assert "nothing goes: 2 kept" in said(deployed, "prune")
    assert ec2.describe_snapshots(SnapshotIds=[others])["Snapshots"]
    text = said(deployed, "restore", others, status=1)
    assert (
        f"snapshot {others}: must be of a data volume of this environment, with the tags "
        "project=backup, environment=backup-test, managed-by=moor, got none of them"
    ) in text


def test_what_cannot_be_restored_is_told_and_nothing_is_stopped(deployed: Deployment) -> None:
    text = said(deployed, "restore", "snap-0123456789abcdef0", status=2)
    assert "snapshot: must be the name of one, got 'snap-0123456789abcdef0'" in text
    ec2 = deployed.ec2()
    tags = {
        "project": "backup",
        "environment": "backup-test",
        "managed-by": "moor",
        "data-volume": "manager-1",
    }
    large = ec2.create_volume(Size=3, AvailabilityZone="eu-central-1a")["VolumeId"]
    snapshot = ec2.create_snapshot(
        VolumeId=large,
        TagSpecifications=[
            {
                "ResourceType": "snapshot",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
    )["SnapshotId"]
    try:
        text = said(deployed, "restore", snapshot, status=1)
        assert (
            f"aws.data_volume.size_gib: must be at least 3, the size of {snapshot}, got 2; "
            "a volume never shrinks"
        ) in text
    finally:
        ec2.delete_snapshot(SnapshotId=snapshot)
        ec2.delete_volume(VolumeId=large)
    assert running(deployed) == ["writer", "told"]


@pytest.mark.parametrize("words", [("create",), ("prune",), ("restore", "newest")])
def test_two_operators_at_once_are_refused(deployed: Deployment, words: tuple[str, ...]) -> None:
    with deployment_lock.held(deployed.environment):
        text = said(deployed, *words, status=1)
    assert "environment backup-test: must have one command at a time" in text


def test_a_full_volume_is_told_stops_nothing_and_gets_what_nobody_needs_back(
    deployed: Deployment,
) -> None:
    before = deployed.container("writer").attrs["State"]["StartedAt"]
    host, certificates = deployed.outputs.docker_host, deployed.environment.certificates
    with contextlib.closing(machine_engine.connect(host, certificates)) as engine:
        nameless = add_image(engine, 200)
        named = add_image(engine, 1, "mine:1")
        used = {str(image.id) for image in engine.images.list()} - {nameless, named}
        engine.containers.get("backup-told-1").stop()
        # All but what the writer goes on with, whose rows must have no gap.
        left = "$(($(df -m /data | tail -n 1 | awk '{print $4}') - 5))"
        sh(deployed, f"dd if=/dev/zero of=/data/full bs=1M count={left} 2>/dev/null")
        found = json.loads(deployed.run("status", "--json").stdout)
        (disk,) = [one for one in found["machines"][0]["disks"] if one["percent"] >= 95]
        assert re.fullmatch(
            r"volumes 1\.\d GiB \(backup_rows 1\.\d GiB.*\), images 2\d\d MiB", disk["filled_by"]
        )
        assert [p for p in found["problems"] if disk["filled_by"] in p and "moor doctor" in p]
        text = said(deployed, "create", status=1)
        assert re.search(r"data volume: must have 8 MiB free, got [1-6]: what is stopped", text)
        assert "nothing was stopped" in text
        assert deployed.container("writer").attrs["State"]["StartedAt"] == before
        with deployment_lock.held(deployed.environment):
            busy = deployed.run("doctor", "--fix")
        assert "could not be mended: environment backup-test: must have one command" in busy.stdout
        assert "doctor --fix` removes images that nothing uses" in busy.stdout
        assert nameless in {image.id for image in engine.images.list(all=True)}
        fixed = deployed.run("doctor", "--fix")
        assert re.search(r"docker: (pruned, |could not be mended: )2\d\d MiB", fixed.stdout)
        # A stopped service's image, one that somebody has named, and the volumes are all there.
        there = {str(image.id) for image in engine.images.list(all=True)}
        assert there == used | {named}
        assert {"backup_rows", "backup_log"} <= {str(v.name) for v in engine.volumes.list()}
        sh(deployed, "rm /data/full")
        engine.images.remove("mine:1")
        engine.containers.get("backup-told-1").start()
    assert rows(deployed)
    assert json.loads(deployed.run("status", "--json").stdout)["problems"] == []


def add_image(engine: DockerClient, mib: int, name: str = "") -> str:
    """Put an image onto a machine that no registry has, and return its id."""
    content = os.urandom(mib * 2**20)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("content")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    api: Any = engine.api
    repository, _, tag = name.partition(":")
    answer = api.import_image_from_data(
        archive.getvalue(), repository=repository or None, tag=tag or None
    )
    return str(json.loads(answer.splitlines()[-1])["status"])


@pytest.mark.long
def test_the_policy_is_all_that_backups_need(deployed: Deployment) -> None:
    settings = load_settings(deployed.environment.settings_file)
    document = without_conditions(policy(settings, environment=deployed.environment.name))
    with limited_user(deployed.environment, deployed.sandbox(), document) as allow:
        for _ in range(3):
            said(deployed, "create")
        assert "deleted, 2 kept" in said(deployed, "prune")
        assert len(listed(deployed)) == 2
        assert "its services are well" in said(deployed, "verify", "newest")
        former = re.search(r"volume (vol-[0-9a-f]+) is kept", said(deployed, "restore", "newest"))
        assert former
        said(deployed, "discard", former[1])
        asked = set(deployed.sandbox().status().permissions)
        for statement in (*DATA_VOLUME, *BACKUPS):
            assert set(statement.actions) <= asked, statement.sid
        rest = [one for one in document["Statement"] if one["Sid"] != "MakeSnapshots"]
        allow({**document, "Statement": rest})
        text = said(deployed, "create", status=1)
        assert "a snapshot must begin" in text
        assert "UnauthorizedOperation" in text
    assert running(deployed) == ["writer", "told"]


@pytest.mark.long
def test_a_backup_that_is_killed_leaves_services_to_the_next_command(deployed: Deployment) -> None:
    there, status, text = deployed.killed(("backup", "create"), "stops for a moment", "moor")
    assert there, text
    assert status == -9
    before = acknowledged_or_zero(deployed)
    text = said(deployed, "create")
    assert "backup-writer-1: started again, since a backup that was killed had stopped it" in text
    assert running(deployed) == ["writer", "told"]
    wait_for(lambda: acknowledged(deployed) > before, "the writer goes on")


def acknowledged_or_zero(deployed: Deployment) -> int:
    container = deployed.container("writer")
    return acknowledged(deployed) if container.status == "running" else 0


@pytest.mark.long
@pytest.mark.usefixtures("snapshot")
@pytest.mark.parametrize("phase", ["is put in", "Terraform takes note", "Docker starts with it"])
def test_a_restore_that_is_killed_is_gone_on_with_by_up(deployed: Deployment, phase: str) -> None:
    mark(deployed)
    there, _, text = deployed.killed(("backup", "restore", "newest"), phase, "moor")
    assert there, text
    text = deployed.up()
    assert "was cut short: it goes on" in text, text
    must_be_of_the_snapshot(deployed)
    assert UNCHANGED in deployed.up()


@pytest.mark.long
@pytest.mark.usefixtures("snapshot")
def test_a_restore_that_is_killed_can_go_back(deployed: Deployment) -> None:
    """And soon again: systemd lets Docker's socket start five times in ten seconds, no more."""
    for _ in range(2):
        before = mark(deployed)
        there, _, text = deployed.killed(
            ("backup", "restore", "newest"), "Terraform takes note", "moor"
        )
        assert there, text
        text = said(deployed, "restore", "--back")
        assert "as before the restore" in text
        assert len(rows(deployed)) >= before
        sh(deployed, "rm /data/since")
    assert UNCHANGED in deployed.up()


@pytest.mark.long
def test_a_snapshot_without_its_services_health_is_no_good_one(deployed: Deployment) -> None:
    sh(deployed, "until rm -f /data/told && mkdir /data/told; do :; done")
    said(deployed, "create")
    text = said(deployed, "verify", "newest", "--within", "60", status=1)
    assert "each service must be well, got otherwise from backup-writer-1" in text
    assert_no_trial(deployed)
    sh(deployed, "rmdir /data/told; echo 0 > /data/told")
