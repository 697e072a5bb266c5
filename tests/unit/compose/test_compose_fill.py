"""Filling folders of the machine: what is copied, and what is left as containers made it.

The machine is a folder here; what the engine does with archives is seen by the tests in a sandbox.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.compose import fill
from constructs_lib.compose.fill import ChangedError, fill_copy, fill_files, fill_folder, main
from constructs_lib.compose.folders import CopiedFile
from constructs_lib.files import tree
from constructs_lib.files.tree import approval, digests, entries_of
from constructs_lib.host import step_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from docker import DockerClient

ENGINE = cast("DockerClient", None)


@dataclass
class Box:
    """A container that never runs, as far as archives go.

    Attributes:
        mounts: Folders of the machine, by their path in the container.
        broken: After how many pieces of an archive the engine is gone; None is never.
    """

    mounts: Mapping[str, Path]
    broken: int | None = None

    def put(self, path: str, archive: Iterable[bytes]) -> None:
        """Unpack an archive, as far as it comes."""
        assert path == "/"
        pieces = list(archive)
        if self.broken is not None:
            pieces = pieces[: self.broken]
        with contextlib.suppress(tarfile.ReadError):
            opened = tarfile.open(fileobj=io.BytesIO(b"".join(pieces)))  # noqa: SIM115
            for member in opened:
                top, _, rest = member.name.partition("/")
                target = self.mounts[f"/{top}"] / rest
                if target.is_symlink() or target.is_file():
                    target.unlink()
                member.name = target.name
                opened.extract(member, target.parent, filter="fully_trusted")
        if self.broken is not None:
            raise OSError("gone")

    def get(self, path: str) -> Iterator[bytes] | None:
        """Pack an archive."""
        _, top, *rest = path.split("/")
        source = self.mounts[f"/{top}"] / "/".join(rest)
        if not os.path.lexists(source):
            return None
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(source, source.name)
        return iter([packed.getvalue()])


class Machine:
    """A folder that stands for the machine's disk.

    Attributes:
        disk: That folder.
        broken: As for `Box`.
    """

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        self.broken: int | None = None

    @contextlib.contextmanager
    def opened(self, _: DockerClient, mounts: Mapping[str, str], *, purpose: str) -> Iterator[Box]:
        """Mount folders."""
        assert purpose
        places = {path: self.disk / source.lstrip("/") for source, path in mounts.items()}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        yield Box(places, self.broken)

    def fill(self, source: Path, place: str = "folders/data") -> str:
        """Fill a folder, as planned right before."""
        approved = approval(digests(source, entries_of(source)))
        return fill_folder(ENGINE, project="moor", place=place, source=source, approved=approved)

    @property
    def data(self) -> Path:
        """The folder that `fill` fills."""
        return self.disk / "var/lib/moor/moor/folders/data"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(tmp_path / "machine")
    monkeypatch.setattr(fill, "opened", found.opened)
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (folder / name).write_text(f"{name} 1")
    (folder / "link").symlink_to("sub/c")
    return folder


def test_everything_is_copied_once_and_nothing_the_second_time(
    machine: Machine, data: Path
) -> None:
    assert machine.fill(data) == "./data: 4 of 4 files copied to the machine"
    assert (machine.data / "link").read_text() == "sub/c 1"
    assert machine.fill(data) == "./data: 0 of 4 files copied to the machine"


def test_a_file_is_copied_where_it_changed_here_and_stays_where_it_changed_there(
    machine: Machine, data: Path
) -> None:
    machine.fill(data)
    for name in ("a", "b", "own"):
        (machine.data / name).write_text("there")
    (machine.data / "sub" / "c").unlink()
    (data / "a").write_text("a 2")
    assert machine.fill(data) == "./data: 1 of 4 files copied to the machine"
    found = {p.name: p.read_text() for p in machine.data.iterdir() if p.is_file()}
    assert found == {"a": "a 2", "b": "there", "own": "there"}
    assert list((machine.data / "sub").iterdir()) == []


def test_a_file_that_is_gone_here_stays_there(machine: Machine, data: Path) -> None:
    machine.fill(data)
    (data / "a").unlink()
    machine.fill(data)
    assert (machine.data / "a").read_text() == "a 1"


def test_another_mode_comes_through_and_keeps_what_a_container_wrote(
    machine: Machine, data: Path
) -> None:
    machine.fill(data)
    (machine.data / "a").write_text("there")
    (machine.data / "b").unlink()
    (machine.data / "sub" / "c").unlink()
    (machine.data / "sub" / "c").mkdir()
    for name in ("a", "b", "sub/c"):
        (data / name).chmod(0o600)
    (data / "sub").chmod(0o700)
    assert machine.fill(data) == "./data: 0 of 4 files copied to the machine"
    assert (machine.data / "a").read_text() == "there"
    assert (machine.data / "a").stat().st_mode & 0o777 == 0o600
    assert (machine.data / "sub").stat().st_mode & 0o777 == 0o700
    assert not (machine.data / "b").exists()
    assert (machine.data / "sub" / "c").is_dir()


def test_which_folder_is_mounted_may_change(machine: Machine, data: Path) -> None:
    machine.fill(data)
    (machine.data / "sub" / "c").write_text("there")
    machine.fill(data / "sub", "folders/data/sub")
    assert (machine.data / "sub" / "c").read_text() == "there"
    (data / "sub" / "c").write_text("c 2")
    machine.fill(data / "sub", "folders/data/sub")
    (machine.data / "sub" / "c").write_text("there again")
    machine.fill(data)
    assert (machine.data / "sub" / "c").read_text() == "there again"


def test_a_folder_that_is_missing_here_is_made(machine: Machine, data: Path) -> None:
    assert machine.fill(data / "gone") == "./data: 0 of 0 files copied to the machine"
    assert machine.data.is_dir()


@pytest.mark.parametrize("pieces", range(1, 12))
def test_a_run_that_is_killed_is_finished_by_the_next(
    machine: Machine, data: Path, pieces: int
) -> None:
    machine.fill(data)
    (machine.data / "b").write_text("there")
    (data / "a").write_text("a 2")
    (data / "new").write_text("new")
    machine.broken = pieces
    with pytest.raises(OSError, match="gone"):
        machine.fill(data)
    machine.broken = None
    machine.fill(data)
    found = {name: (machine.data / name).read_text() for name in ("a", "b", "new", "sub/c")}
    assert found == {"a": "a 2", "b": "there", "new": "new", "sub/c": "sub/c 1"}


def test_a_manifest_that_was_cut_off_leaves_the_one_before(machine: Machine, data: Path) -> None:
    machine.fill(data)
    (data / "a").write_text("a 2")
    machine.fill(data)
    folder = machine.disk / "var/lib/moor/moor/.manifests"
    manifests = sorted(folder.iterdir(), key=lambda f: json.loads(f.read_text())["generation"])
    assert len(manifests) == 2
    manifests[-1].write_text('{"gener')
    (machine.data / "b").write_text("there")
    machine.fill(data)
    assert (machine.data / "b").read_text() == "there"


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["here", "there", "deploy"]),
        st.sampled_from(["x", "y", "d/z"]),
        st.sampled_from(["1", "2", None]),
    ),
    max_size=12,
)


@given(steps=_STEPS)
def test_the_last_change_here_or_what_a_container_made_of_it(
    steps: list[tuple[str, str, str | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("merge")
    machine, source = Machine(root / "machine"), root / "data"
    (source / "d").mkdir(parents=True)
    (machine.data / "d").mkdir(parents=True)
    copied: dict[str, str] = {}
    expected: dict[str, str] = {}
    names = ("x", "y", "d/z")

    def texts(folder: Path) -> dict[str, str]:
        return {n: (folder / n).read_text() for n in names if (folder / n).exists()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fill, "opened", machine.opened)
        for who, name, text in [*steps, ("deploy", "x", None)]:
            if who == "deploy":
                here = texts(source)
                expected |= {n: text for n, text in here.items() if copied.get(n) != text}
                copied = here
                machine.fill(source)
                assert texts(machine.data) == expected
                continue
            file = (source if who == "here" else machine.data) / name
            if text is None:
                file.unlink(missing_ok=True)
            else:
                file.write_text(text)
            if who == "there":
                expected.pop(name, None)
                if text is not None:
                    expected[name] = text


def test_what_changed_since_the_plan_is_refused(machine: Machine, data: Path) -> None:
    approved = approval(digests(data, entries_of(data)))
    (data / "a").write_text("a 2")
    told = f"{data}: must be as it was when the plan was made, got a change; run moor up again"
    with pytest.raises(ChangedError) as caught:
        fill_folder(ENGINE, project="moor", place="folders/x", source=data, approved=approved)
    assert str(caught.value) == told
    with pytest.raises(ChangedError):
        fill_copy(ENGINE, volume="v", source=data, approved=approved)
    assert not machine.disk.exists()


def test_a_copy_is_exact_and_has_room_for_what_is_mounted_in_it(
    machine: Machine, data: Path
) -> None:
    approved = approval(digests(data, entries_of(data)))
    fill_copy(ENGINE, volume="v", source=data, approved=approved, also=["a", "sub/key"])
    found = {p.relative_to(machine.disk / "v").as_posix() for p in (machine.disk / "v").rglob("*")}
    assert found == {"a", "b", "link", "sub", "sub/c", "sub/key"}
    assert (machine.disk / "v" / "a").read_text() == "a 1"
    assert (machine.disk / "v" / "sub" / "key").read_bytes() == b""


def test_files_lie_in_a_folder_of_roots_own(machine: Machine, data: Path) -> None:
    given = [
        CopiedFile(source=str(data / "a"), mode="0640", digest=tree.digest_of_file(data / "a")),
        CopiedFile(source=str(data / "link"), mode="0400"),
    ]
    fill_files(ENGINE, volume="v", given=given)
    volume = machine.disk / "v"
    assert volume.stat().st_mode & 0o777 == 0o700
    assert {p.name: (p.read_text(), p.stat().st_mode & 0o777) for p in volume.iterdir()} == {
        "0": ("a 1", 0o640),
        "1": ("sub/c 1", 0o400),
    }
    (data / "a").write_text("a 2")
    with pytest.raises(ChangedError, match=r"/a: must be as it was"):
        fill_files(ENGINE, volume="v", given=given)


def command(data: Path, *words: str) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", "1", "--certificates", str(data)]
    return [*where, *words]


def test_the_program_says_what_it_has_done(
    machine: Machine,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del machine
    monkeypatch.setattr(step_program, "connect", lambda *_, **__: None)
    approved = approval(digests(data, entries_of(data)))
    words = ["--project", "moor", "--place", "folders/data", "--approved", approved]
    assert main(command(data, *words, "--", str(data))) == 0
    assert main(command(data, "--volume", "v", "--approved", approved, "--", str(data))) == 0
    files = json.dumps([asdict(CopiedFile(source=str(data / "a")))])
    assert main(command(data, "--volume", "w", "--files", "--", files)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "./data: 4 of 4 files copied to the machine",
        f"{data}: 4 files copied to the machine",
        "1 files copied to the machine",
    ]
    assert main(command(data, *words[:-1], "other", "--", str(data))) == 1
    (data / "loop").symlink_to("loop")
    assert main(command(data, *words, "--", str(data))) == 1
    changed, loop = capsys.readouterr().err.splitlines()
    assert "must be as it was when the plan was made" in changed
    assert loop.startswith(f"{data}: must have links that lead somewhere, got one in a circle")


def test_an_engine_that_does_not_answer_is_named(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(data, "--volume", "v", "--", str(data))) == 1
    assert capsys.readouterr().err.startswith(f"{data}: must be copied to 127.0.0.1:1, got: ")
