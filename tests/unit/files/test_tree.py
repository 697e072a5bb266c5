"""Folders of this computer, listed, digested and archived as the machine is to have them."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.files import tree
from constructs_lib.files.tree import Entry, TreeError, archive, content, digests, scan

if TYPE_CHECKING:
    from collections.abc import Iterable


def unpacked(pieces: Iterable[bytes]) -> dict[str, tuple[str, int, int, int, str, bytes]]:
    """Read an archive with the standard library."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as opened:
        for member in opened:
            file = opened.extractfile(member) if member.isreg() else None
            found[member.name] = (
                {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "folder"}.get(member.type, "link"),
                member.mode,
                member.uid,
                member.gid,
                member.linkname,
                file.read() if file else b"",
            )
    return found


def problems(folder: Path, **how: int) -> tuple[str, ...]:
    with pytest.raises(TreeError) as caught:
        scan(folder, **how)
    return caught.value.problems


def test_an_archive_has_contents_modes_owners_links_and_empty_folders(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "empty").mkdir(parents=True)
    (data / "a").write_bytes(b"a" * 1000)
    (data / "a").chmod(0o4750)
    (data / "empty").chmod(0o1777)
    (data / "none").touch()
    (data / "l").symlink_to("a")
    (data / "s").symlink_to("empty")
    data.chmod(0o700)
    found = unpacked(archive(data, scan(data)))
    me = os.geteuid(), os.getegid()
    assert found == {
        ".": ("folder", 0o700, *me, "", b""),
        "a": ("file", 0o4750, *me, "", b"a" * 1000),
        "empty": ("folder", 0o1777, *me, "", b""),
        "l": ("link", 0o755, *me, "a", b""),
        "none": ("file", 0o644, *me, "", b""),
        "s": ("link", 0o755, *me, "empty", b""),
    }


def test_owners_are_those_of_here(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    if os.geteuid():
        pytest.skip("only root gives files to others")
    os.chown(tmp_path / "a", 1234, 5678)
    assert scan(tmp_path)[1].rights.endswith(" 1234:5678")


@given(name=st.text("aé/ \n'\"\\.", min_size=1, max_size=90), data=st.binary(max_size=3000))
def test_any_name_and_content_come_through(
    name: str, data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("names")
    file = folder / f"x{name.replace('/', '-')}"[:100]
    file.write_bytes(data)
    assert unpacked(archive(folder, scan(folder)))[file.name][5] == data


def test_links_inside_stay_links_and_absolute_ones_become_relative(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "sub" / "file").write_text("x")
    (data / "sub" / "up").symlink_to("../plain")
    (data / "plain").symlink_to("sub/file")
    (data / "folder").symlink_to("sub")
    (data / "absolute").symlink_to(data / "sub" / "file")
    (data / "sub" / "around").symlink_to("../../data/sub/file")
    links = {entry.path: entry.target for entry in scan(data) if entry.kind == "link"}
    assert links == {
        "absolute": "sub/file",
        "folder": "sub",
        "plain": "sub/file",
        "sub/around": "file",
        "sub/up": "../plain",
    }


def test_a_folder_that_is_a_link_is_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("x")
    (tmp_path / "data").symlink_to("real")
    assert [entry.path for entry in scan(tmp_path / "data")] == [".", "a"]


def test_links_that_lead_out_nowhere_or_in_a_circle_are_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (tmp_path / "outside").write_text("secret")
    (data / "broken").symlink_to("gone")
    (data / "loop").symlink_to("loop")
    (data / "sub" / "out").symlink_to("../../outside")
    assert problems(data) == (
        (f"must have links that lead somewhere, got one nowhere: {data}/broken -> gone; remove it"),
        (
            "must have links that lead somewhere, got one in a circle: "
            f"{data}/loop -> loop; remove it"
        ),
        (
            f"must have links that stay inside of it, got {data}/sub/out -> ../../outside; put "
            "what it leads to into the folder, or mount that, too"
        ),
    )


def test_names_that_are_not_utf_8_are_named(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff"))).touch()
    (tmp_path / "link").symlink_to(os.fsdecode(b"a\xff"))
    assert problems(tmp_path) == (
        rf"must have names in UTF-8, got {tmp_path}/a\xff; rename it",
        (
            rf"must have names in UTF-8, got the link {tmp_path}/link -> a\xff; rename what it "
            "leads to"
        ),
    )


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert problems(tmp_path) == (
        f"must be readable, got no access to {tmp_path}/a; {tree._READABLE}",
    )


def test_size_is_limited_and_number_is_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(1024 * 1024))
    (tmp_path / "b").write_bytes(b"1")
    (problem,) = problems(tmp_path, limit=1024 * 1024)
    assert problem.startswith(f"must have at most 1 MiB, got 2 MiB in {tmp_path}; put it onto")
    assert len(scan(tmp_path, limit=1024 * 1024 + 1)) == 3


def test_sockets_and_this_projects_own_folders_stay_here(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "sub" / ".moor").mkdir(parents=True)
    (tmp_path / "sub" / ".moor" / "key").touch()
    (tmp_path / "cdktf.out").mkdir()
    assert [entry.path for entry in scan(tmp_path)] == [".", "sub"]


def test_a_digest_follows_content_mode_and_target(tmp_path: Path) -> None:
    file = tmp_path / "a"
    seen = set()
    for text, mode in (("1", 0o644), ("2", 0o644), ("2", 0o600)):
        file.write_text(text)
        file.chmod(mode)
        seen.add(digests(tmp_path, scan(tmp_path))["a"])
    file.unlink()
    file.symlink_to(".")
    seen.add(digests(tmp_path, scan(tmp_path))["a"])
    assert len(seen) == 4


def test_content_says_nothing_of_rights(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    found = {content(tmp_path, Entry(path="a", kind="file", mode=mode)) for mode in (0o644, 0o600)}
    assert len(found) == 1


def test_a_file_that_shrinks_while_it_is_copied_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    with pytest.raises(OSError, match=r"/a: must stay as it is while it is copied"):
        list(archive(tmp_path, [Entry(path="a", kind="file", size=2)]))


def test_five_thousand_files_take_seconds(tmp_path: Path) -> None:
    for number in range(5000):
        (tmp_path / str(number)).touch()
    begin = time.process_time()
    found = digests(tmp_path, scan(tmp_path))
    assert len(found) == 5001
    assert time.process_time() - begin < 5
