"""Where folders of this computer are on the machine, and which of them are one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.compose.folders import (
    MachineFolders,
    looks_like_a_file,
    machine_path,
    overlap,
    place_of,
    told,
)
from constructs_lib.compose.model import ComposeProject, FolderMount, Service, VolumeDefinition

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("relative", "place"),
    [
        (".", "folders"),
        ("data", "folders/data"),
        ("data/sub", "folders/data/sub"),
        ("..", "outside/1"),
        ("../x", "outside/1/x"),
        ("../../x/y", "outside/2/x/y"),
    ],
)
def test_a_place_follows_the_path(tmp_path: Path, relative: str, place: str) -> None:
    folder = tmp_path / "a" / "b"
    assert place_of(folder / relative, folder) == place
    assert told(place) == (relative if relative.startswith(".") else f"./{relative}")
    assert machine_path("moor", place) == f"/var/lib/moor/moor/{place}"


_WORDS = st.lists(st.sampled_from(["..", "a", "b", "folders", "outside", "1"]), max_size=5)


@given(one=_WORDS, other=_WORDS)
def test_two_folders_have_one_place_only_where_they_are_one(
    one: list[str], other: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "p" / "q" / "r" / "s" / "t"
    here = [(folder.joinpath(*words)) for words in (one, other)]
    places = [place_of(path, folder) for path in here]
    same = here[0].resolve() == here[1].resolve()
    assert (places[0] == places[1]) is same


def test_places_overlap_by_whole_names() -> None:
    assert overlap("folders/a", "folders/a/b")
    assert overlap("folders/a/b", "folders/a")
    assert not overlap("folders/a", "folders/ab")


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("/p/nginx.conf", "/etc/nginx/nginx.conf", True),
        ("/p/a.yml", "/etc/b.yml", True),
        ("/p/conf.d", "/etc/conf.d", False),
        ("/p/data", "/data", False),
        ("/p/site.conf", "/etc/nginx/conf.d", False),
    ],
)
def test_what_was_meant_to_be_a_file(source: str, target: str, *, expected: bool) -> None:
    assert looks_like_a_file(source, target) is expected


def project(*mounts: FolderMount, volume: VolumeDefinition | None = None) -> ComposeProject:
    service = Service(name="web", image="nginx", folders=mounts)
    volumes = {} if volume is None else {volume.key: volume}
    return ComposeProject(
        name="moor", file="c", services={"web": service}, networks={}, volumes=volumes
    )


def mount(folder: Path, name: str, *, read_only: bool = False) -> FolderMount:
    source = folder / name
    return FolderMount(
        source=source, place=place_of(source, folder), path="/x", read_only=read_only
    )


def test_what_one_writes_and_another_reads_is_one_folder(tmp_path: Path) -> None:
    for name in ("data/sub", "conf", "empty"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data" / "sub" / "a").touch()
    (tmp_path / "conf" / "a").touch()
    written, above, beside, empty, gone = (
        mount(tmp_path, "data/sub"),
        mount(tmp_path, "data", read_only=True),
        mount(tmp_path, "conf", read_only=True),
        mount(tmp_path, "empty", read_only=True),
        mount(tmp_path, "gone", read_only=True),
    )
    found = MachineFolders.of(project(written, above, beside, empty, gone))
    assert [found.has(m) for m in (written, above, beside, empty, gone)] == [
        True,
        True,
        False,
        True,
        True,
    ]
    # One step for what is one folder; what is not here the engine makes.
    assert found.filled == {
        "folders/data": tmp_path / "data",
        "folders/empty": tmp_path / "empty",
    }
    assert found.filled_for("folders/data/sub") == "folders/data"
    assert found.filled_for("folders/gone") is None


def test_the_folder_of_a_volume_is_one_of_the_machine(tmp_path: Path) -> None:
    volume = VolumeDefinition(key="v", name="v", folder=tmp_path / "gone", place="folders/gone")
    reader = mount(tmp_path, "gone/sub", read_only=True)
    (tmp_path / "gone" / "sub").mkdir(parents=True)
    (tmp_path / "gone" / "sub" / "a").touch()
    found = MachineFolders.of(project(reader, volume=volume))
    assert found.has(reader)
    assert found.filled == {"folders/gone": tmp_path / "gone"}
