"""Folders and files of this computer as resources: steps, volumes and what is mounted."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from synthesis import Json, synth_of

from constructs_lib.compose import data_folders
from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.reader import load_project
from constructs_lib.compose.services import ComposeServices
from constructs_lib.host.endpoint import DockerEndpoint
from constructs_lib.terraform.literal import Expression

if TYPE_CHECKING:
    from cdktf import TerraformStack

    from constructs_lib.compose.model import ComposeProject


def loaded(folder: Path, text: str) -> ComposeProject:
    """Write a Compose file, and read it."""
    file = folder / "compose.yaml"
    file.write_text(text)
    return load_project([file], name="moor", variables={"TOKEN": "geheim"})


def synthesized(folder: Path, text: str, *, machine: Expression | None = None) -> Json:
    """Synthesize a Compose file."""
    return defined(folder, loaded(folder, text), machine=machine)


def defined(folder: Path, project: ComposeProject, *, machine: Expression | None = None) -> Json:
    """Synthesize a project that has been read."""

    def define(stack: TerraformStack) -> None:
        ComposeServices(
            stack,
            "Compose",
            project=project,
            endpoint=DockerEndpoint(
                host="192.0.2.1", port=2376, certificates=Path("/c"), machine=machine
            ),
            vault=Vault(folder / "vault"),
            value_of=lambda _: "geheim",
        )

    return synth_of(define)


def services(**mounts: str) -> str:
    return "services:\n" + "".join(
        f"  {name}: {{image: nginx, pull_policy: missing, volumes: {listed}}}\n"
        for name, listed in mounts.items()
    )


def container(document: Json, name: str) -> Json:
    found: Json = document["resource"]["docker_container"][f"Compose_Services_{name}_1"]
    return found


def words(step: Json) -> list[str]:
    run = step["provisioner"][0]["local-exec"]
    return [*run["interpreter"][2:], run["command"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name in ("data/sub", "conf", "empty"):
        (folder / name).mkdir(parents=True)
    for name in ("data/a", "data/sub/b", "conf/app.ini"):
        (folder / name).write_text(name)
    return folder


def test_a_writable_folder_has_one_step_for_all_that_mount_it(folder: Path) -> None:
    document = synthesized(
        folder,
        services(
            app="['./data:/data', './gone:/gone']", reader="['./data/sub:/sub:ro']", other="[]"
        ),
        machine=Expression("${aws_instance.X.id}"),
    )
    steps = document["resource"]["terraform_data"]
    step = steps.pop("Compose_Folders_data")
    assert steps == {}
    assert words(step)[:-1] == [
        "constructs_lib.compose.fill",
        *("--host", "192.0.2.1", "--port", "2376", "--certificates", "/c"),
        *("--project", "moor", "--place", "folders/data"),
        *("--approved", words(step)[-3], "--"),
    ]
    assert words(step)[-1] == str(folder / "data")
    triggers = step["triggers_replace"]
    assert triggers.pop("machine") == "${aws_instance.X.id}"
    assert triggers.keys() == {"./data", "./data/a", "./data/sub", "./data/sub/b"}
    root = "/var/lib/moor/moor/folders"
    assert container(document, "app")["volumes"] == [
        {"host_path": f"{root}/data", "container_path": "/data", "read_only": False},
        {"host_path": f"{root}/gone", "container_path": "/gone", "read_only": False},
    ]
    assert container(document, "reader")["volumes"] == [
        {"host_path": f"{root}/data/sub", "container_path": "/sub", "read_only": True}
    ]
    for name in ("app", "reader"):
        assert container(document, name)["depends_on"] == ["terraform_data.Compose_Folders_data"]
        assert container(document, name)["lifecycle"] == {
            "replace_triggered_by": ["terraform_data.Compose_Folders_data.id"]
        }
    assert "lifecycle" not in container(document, "other")
    assert "docker_volume" not in document["resource"]


def test_a_changed_file_is_a_changed_trigger_of_its_own(folder: Path) -> None:
    def triggers() -> dict[str, str]:
        document = synthesized(folder, services(app="['./data:/data']"))
        found: dict[str, str] = document["resource"]["terraform_data"]["Compose_Folders_data"][
            "triggers_replace"
        ]
        return found

    before = triggers()
    assert triggers() == before
    (folder / "data" / "a").write_text("changed")
    now = triggers()
    assert [name for name in before if before[name] != now[name]] == ["./data/a"]


def test_a_folder_is_listed_once_and_what_was_checked_is_what_is_planned(folder: Path) -> None:
    project = loaded(folder, services(app="['./data:/data']", reader="['./conf:/conf:ro']"))
    for name in ("data/late", "conf/late"):
        (folder / name).touch()
    steps = defined(folder, project)["resource"]["terraform_data"]
    planned = {path for step in steps.values() for path in step["triggers_replace"]}
    assert planned == {
        *("./data", "./data/a", "./data/sub", "./data/sub/b"),
        *("./conf", "./conf/app.ini", "volume"),
    }


def test_many_files_are_one_trigger_and_take_seconds(folder: Path) -> None:
    for number in range(5000):
        (folder / "data" / str(number)).write_text(str(number))
    begin = time.process_time()
    document = synthesized(folder, services(app="['./data:/data']", b="['./data:/data:ro']"))
    assert time.process_time() - begin < 5
    (step,) = document["resource"]["terraform_data"].values()
    ((name, value),) = step["triggers_replace"].items()
    assert (name, value.partition(", ")[0]) == ("./data", "5004 files and folders")


def test_a_folder_that_is_only_read_is_a_volume_named_by_its_content(folder: Path) -> None:
    text = services(app="['./conf:/etc/app:ro']", b="['./conf:/conf:ro']")
    document = synthesized(folder, text)
    ((name, volume),) = document["resource"]["docker_volume"].items()
    assert name == "Compose_Folders_confro_Volume"
    assert volume["labels"] == [{"label": "moor.copy-of", "value": "./conf"}]
    ((_, step),) = document["resource"]["terraform_data"].items()
    assert step["triggers_replace"].keys() == {"volume", "./conf", "./conf/app.ini"}
    assert step["triggers_replace"]["volume"] == f"${{docker_volume.{name}.id}}"
    assert words(step)[7:9] == ["--volume", f"${{docker_volume.{name}.name}}"]
    assert container(document, "app")["volumes"] == [
        {
            "volume_name": f"${{docker_volume.{name}.id}}",
            "container_path": "/etc/app",
            "read_only": True,
        }
    ]
    assert container(document, "app")["depends_on"] == [
        "terraform_data.Compose_Folders_confro_Filled"
    ]
    (folder / "conf" / "app.ini").write_text("changed")
    ((_, other),) = synthesized(folder, text)["resource"]["docker_volume"].items()
    assert other["name"] != volume["name"]


READ_ONLY = """
services:
  app:
    image: nginx
    pull_policy: missing
    read_only: true
    volumes: ['./conf/app.ini:/etc/app.ini:ro', './data/a:/a']
    configs: [{source: motd, target: /etc/motd, mode: 0440}]
    secrets: [{source: token, uid: '33', gid: '34', mode: 0400}]
configs: {motd: {content: hello}}
secrets: {token: {environment: TOKEN}}
"""


def test_a_read_only_container_gets_its_files_mounted(folder: Path) -> None:
    document = synthesized(folder, READ_ONLY)
    found = container(document, "app")
    assert "upload" not in found
    ((name, volume),) = document["resource"]["docker_volume"].items()
    assert name == "Compose_Services_app_Files_Volume"
    assert volume["name"].startswith("moor_app_files_")
    place = f"${{docker_volume.{name}.mountpoint}}"
    mounts = found["volumes"]
    assert [(m["host_path"], m["container_path"], m["read_only"]) for m in mounts] == [
        (f"{place}/0", "/etc/app.ini", True),
        (f"{place}/1", "/a", False),
        (f"{place}/2", "/etc/motd", True),
        (f"{place}/3", "/run/secrets/token", True),
    ]
    step = document["resource"]["terraform_data"]["Compose_Services_app_Files_Filled"]
    files = json.loads(words(step)[-1])
    assert [(f["mode"], f["uid"], f["gid"]) for f in files] == [
        ("0644", 0, 0),
        ("0644", 0, 0),
        ("0440", 0, 0),
        ("0400", 33, 34),
    ]
    assert [Path(f["source"]).read_text() for f in files] == [
        "conf/app.ini",
        "data/a",
        "hello",
        "geheim",
    ]
    text = json.dumps(document)
    assert "geheim" not in text
    assert hashlib.sha256(b"geheim").hexdigest()[:16] not in text
    assert [f["digest"] for f in files[2:]] == ["", ""]


def test_what_a_read_only_folder_has_mounted_in_it_has_a_place_there(folder: Path) -> None:
    text = """
    services:
      app:
        image: nginx
        pull_policy: missing
        volumes: ['./conf:/etc/app:ro']
        configs: [{source: motd, target: /etc/app/motd}]
    configs: {motd: {content: hello}}
    """
    document = synthesized(folder, text)
    step = document["resource"]["terraform_data"]["Compose_Folders_confro_Filled"]
    assert "--also=motd" in words(step)
    assert "upload" not in container(document, "app")


def test_the_folder_of_a_volume_is_filled_before_its_containers_start(folder: Path) -> None:
    text = services(app="['vol:/data']") + (
        "volumes: {vol: {driver_opts: {type: none, o: bind, device: ./empty}}}\n"
    )
    document = synthesized(folder, text)
    volume = document["resource"]["docker_volume"]["Compose_Volumes_vol"]
    assert volume["driver_opts"]["device"] == "/var/lib/moor/moor/folders/empty"
    assert container(document, "app")["depends_on"] == ["terraform_data.Compose_Folders_empty"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("./data", "data"), ("./a/b", "a-b-"), ("./a--b", "a--b"), (".", ""), ("../x", "x-")],
)
def test_each_folder_has_an_id_of_its_own(name: str, expected: str) -> None:
    found = data_folders._id(name)
    assert found.startswith(expected)
    assert len(found) == len(expected) + (0 if expected in ("data", "a--b") else 8)


@pytest.mark.parametrize("name", ["my data", "#{TfToken[TOKEN.0]}", "${x}", "a--b", "ü", "-x"])
def test_any_name_is_a_folder(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    (folder / name / name).write_text("x")
    (folder / "a").mkdir(exist_ok=True)
    (folder / "a" / "b").mkdir()
    mounts: list[dict[str, Any]] = [
        {"type": "bind", "source": f"./{source}".replace("$", "$$"), "target": f"/{number}"}
        for number, source in enumerate((name, "a/b"))
    ]
    document = synthesized(folder, services(app=json.dumps(mounts), b=json.dumps(mounts)))
    assert len(document["resource"]["terraform_data"]) == 2
