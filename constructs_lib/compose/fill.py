"""Fills folders and volumes of the machine with files of this computer, during a deployment.

Terraform runs it (`python -m constructs_lib.compose.fill`) before the containers start that mount
them. It talks to the Docker API alone.

A folder that services write to is merged. A file is copied where it has changed *here* since it
was last copied, which a manifest on the machine remembers; everything else is as the containers
left it. A run that was killed leaves files that the manifest does not know, and the next one copies
them again.
"""

from __future__ import annotations

import dataclasses
import io
import json
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from constructs_lib.compose.folders import CopiedFile, machine_path, told
from constructs_lib.files import tree
from constructs_lib.files.path import below
from constructs_lib.files.tree import (
    ITSELF,
    Entry,
    TreeError,
    approval,
    archive,
    content,
    digest,
    entries_of,
)
from constructs_lib.host.endpoint import parser_of
from constructs_lib.host.machine_files import opened
from constructs_lib.host.step_program import StepError, run_step

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from docker import DockerClient

    from constructs_lib.host.machine_files import MachineFiles

_DATA: Final = "data"
_MANIFESTS: Final = "manifests"
_ANSWER_SECONDS: Final = 60
_SLOTS: Final = 2


class ChangedError(StepError):
    """What is here is no longer what was planned.

    Args:
        source: The file or folder of this computer.
    """

    def __init__(self, source: Path | str) -> None:
        super().__init__(
            f"{source}: must be as it was when the plan was made, got a change; run moor up again"
        )


def fill_folder(
    engine: DockerClient, *, project: str, place: str, source: Path, approved: str
) -> str:
    """Merge a folder of this computer into one of the machine.

    Args:
        engine: The Docker engine on the machine.
        project: The project's name.
        place: Where the folder is, below the project's.
        source: The folder of this computer, which may be missing: the machine's is made.
        approved: What `approval` said when the plan was made.

    Returns:
        One line that says what has been done.

    Raises:
        ChangedError: It has changed since the plan was made.
        TreeError: It cannot travel as it is.
        docker.errors.DockerException: The engine does not do as asked.
        OSError: A file cannot be read, or the engine does not answer.
    """
    entries, contents = _as_planned(source, approved)
    mounts = {
        machine_path(project, place): f"/{_DATA}",
        machine_path(project, ".manifests"): f"/{_MANIFESTS}",
    }
    with opened(engine, mounts, purpose=f"{project}/{place}") as files:
        known, generation = _known(files, place)
        before = {entry.path: known.get(_key(place, entry.path), ("", "")) for entry in entries}
        sent = [e for e in entries if before[e.path][0] != contents[e.path]]
        # Another owner or mode is no reason to lose what a container wrote into a file.
        same = [e for e in entries if e not in sent and before[e.path][1] != e.rights]
        sent += [entry for entry in same if entry.kind != "file"]
        if sent:
            files.put("/", archive(source, sorted(sent, key=_order), top=_DATA))
        for entry in same:
            if entry.kind == "file":
                _change_rights(files, entry)
        now = {_key(place, e.path): (contents[e.path], e.rights) for e in entries}
        _remember(files, place, now, generation + 1)
    count = sum(entry.kind != "folder" for entry in sent)
    total = sum(entry.kind != "folder" for entry in entries)
    return f"{told(place)}: {count} of {total} files copied to the machine"


def _order(entry: Entry) -> tuple[int, str]:
    return (entry.path != ITSELF, entry.path)


def _as_planned(source: Path, approved: str) -> tuple[list[Entry], dict[str, str]]:
    entries = entries_of(source)
    contents = {entry.path: content(source, entry) for entry in entries}
    found = {entry.path: digest(contents[entry.path], entry.rights) for entry in entries}
    if approval(found) != approved:
        raise ChangedError(source)
    return entries, contents


def _key(place: str, path: str) -> str:
    return place if path == ITSELF else f"{place}/{path}"


def _known(files: MachineFiles, place: str) -> tuple[dict[str, tuple[str, str]], int]:
    """Read what was last copied, of this folder and of those that it is in or that are in it.

    Which folder is mounted may change with the Compose file, and what a container wrote must not
    be lost for it. So the manifests of all are read, the oldest first.
    """
    manifests = sorted(_manifests(files), key=lambda manifest: int(manifest["generation"]))
    known: dict[str, tuple[str, str]] = {}
    for manifest in manifests:
        outer = str(manifest["folder"])
        known = {path: what for path, what in known.items() if below(path, outer) is None}
        known |= {path: (what[0], what[1]) for path, what in manifest["entries"].items()}
    generation = int(manifests[-1]["generation"]) if manifests else 0
    return {path: what for path, what in known.items() if below(path, place)}, generation


def _manifests(files: MachineFiles) -> Iterator[dict[str, Any]]:
    pieces = files.get(f"/{_MANIFESTS}")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces or [tree.END]))) as opened_archive:
        for member in opened_archive:
            file = opened_archive.extractfile(member)
            if file is None:
                continue
            try:
                manifest = json.load(file)
            except ValueError:
                continue  # Written when a run was killed: the one before still counts.
            yield manifest


def _remember(
    files: MachineFiles, place: str, entries: Mapping[str, tuple[str, str]], generation: int
) -> None:
    """Write the manifest, never over the last one: a run may be killed while it writes."""
    text = json.dumps({"folder": place, "generation": generation, "entries": entries}).encode()
    name = f"{_MANIFESTS}/{digest(place)}.{generation % _SLOTS}.json"
    entry = Entry(path=name, kind="file", mode=0o600, size=len(text))
    files.put("/", [tree.header(entry, name), *tree.padded([text], len(text)), tree.END])


def _change_rights(files: MachineFiles, entry: Entry) -> None:
    """Give a file its mode and owner, and leave its content as it is on the machine."""
    parts = files.get(f"/{_DATA}/{entry.path}")
    if parts is None:
        return  # A container removed it.
    with tempfile.TemporaryFile() as spool:
        spool.writelines(parts)
        spool.seek(0)
        with tarfile.open(fileobj=spool) as there:
            member = there.next()
            file = None if member is None or not member.isreg() else there.extractfile(member)
            if member is None or file is None:
                return  # A container made something else of it.
            changed = dataclasses.replace(entry, size=member.size, seconds=int(member.mtime))
            head = tree.header(changed, f"{_DATA}/{entry.path}")
            files.put("/", _one(head, file, member.size))


def _one(head: bytes, file: IO[bytes], size: int) -> Iterator[bytes]:
    yield head
    yield from tree.padded(iter(lambda: file.read(1024 * 1024), b""), size)
    yield tree.END


def fill_copy(
    engine: DockerClient, *, volume: str, source: Path, approved: str, also: Iterable[str] = ()
) -> str:
    """Put an exact copy of a folder of this computer into a volume.

    Args:
        engine: The Docker engine on the machine.
        volume: The volume's name.
        source: The folder of this computer.
        approved: What `approval` said when the plan was made.
        also: Paths in it at which an empty file stands where there is nothing, since something
            else is mounted there.

    Returns:
        One line that says what has been done.

    Raises:
        ChangedError: It has changed since the plan was made.
        TreeError: It cannot travel as it is.
        docker.errors.DockerException: The engine does not do as asked.
        OSError: A file cannot be read, or the engine does not answer.
    """
    entries, _ = _as_planned(source, approved)
    there = {entry.path for entry in entries}
    entries += [Entry(path=path, kind="file", mode=0o444) for path in also if path not in there]
    with opened(engine, {volume: f"/{_DATA}"}, purpose=volume) as files:
        files.put("/", archive(source, entries, top=_DATA))
    return f"{source}: {sum(e.kind != 'folder' for e in entries)} files copied to the machine"


def fill_files(engine: DockerClient, *, volume: str, given: Sequence[CopiedFile]) -> str:
    """Put files of this computer into a volume, the first one as `0`.

    Nobody but root of the machine reaches them there; what each container sees is one of them.

    Args:
        engine: The Docker engine on the machine.
        volume: The volume's name.
        given: The files.

    Returns:
        One line that says what has been done.

    Raises:
        ChangedError: One has changed since the plan was made.
        docker.errors.DockerException: The engine does not do as asked.
        OSError: A file cannot be read, or the engine does not answer.
    """
    for file in given:
        if file.digest and tree.digest_of_file(Path(file.source)) != file.digest:
            raise ChangedError(file.source)
    with opened(engine, {volume: f"/{_DATA}"}, purpose=volume) as files:
        files.put("/", _archive_of_files(given))
    return f"{len(given)} files copied to the machine"


def _archive_of_files(given: Sequence[CopiedFile]) -> Iterator[bytes]:
    yield tree.header(Entry(path=_DATA, kind="folder", mode=0o700), _DATA)
    for number, file in enumerate(given):
        source = Path(file.source)
        size = source.stat().st_size
        entry = Entry(
            path=str(number),
            kind="file",
            mode=int(file.mode, 8),
            uid=file.uid,
            gid=file.gid,
            size=size,
        )
        yield tree.header(entry, f"{_DATA}/{number}")
        yield from tree.padded(tree.pieces(source, size), size)
    yield tree.END


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill a folder or a volume.

    Returns:
        The exit status.
    """
    parser = parser_of("constructs_lib.compose.fill")
    parser.add_argument("--project", default="")
    parser.add_argument("--place", default="")
    parser.add_argument("--volume", default="")
    parser.add_argument("--approved", default="")
    parser.add_argument("--also", action="append", default=[])
    parser.add_argument("--files", action="store_true")
    parser.add_argument("what")
    options = parser.parse_args(arguments)

    def filled(engine: DockerClient) -> list[str]:
        try:
            return [_fill(engine, options)]
        except TreeError as error:
            problems = (f"{options.what}: {problem}" for problem in error.problems)
            raise StepError("\n".join(problems)) from None

    must = f"{options.what}: must be copied to {options.host}:{options.port}"
    return run_step(options, filled, seconds=_ANSWER_SECONDS, must=must)


def _fill(engine: DockerClient, options: argparse.Namespace) -> str:
    if options.files:
        given = [CopiedFile(**file) for file in json.loads(options.what)]
        return fill_files(engine, volume=options.volume, given=given)
    source = Path(options.what)
    if options.volume:
        return fill_copy(
            engine,
            volume=options.volume,
            source=source,
            approved=options.approved,
            also=options.also,
        )
    return fill_folder(
        engine,
        project=options.project,
        place=options.place,
        source=source,
        approved=options.approved,
    )


if __name__ == "__main__":
    sys.exit(main())
