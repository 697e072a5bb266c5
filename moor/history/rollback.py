"""Going back to a former deployment: its services, with the images that they had."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.reader import environ_of, values_of
from constructs_lib.files.private_file import write_private
from constructs_lib.settings.services import FORMER, variables_of
from moor import machine_engine
from moor.failure import CommandError
from moor.history import delivered, images, restored, shape
from moor.history.pins import Pins
from moor.history.recording import key_of
from moor.history.sealing import at, digests
from moor.toolchain.toolchain import ROOT
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from moor.history.record import Record
    from moor.history.store import Store
    from moor.session import Session

_PRIVATE: Final = ("cdktf.out", ".moor", ".terraform")


def chosen(session: Session, store: Store, number: int | None) -> Record:
    """Return the record to go back to.

    Without a number that is the one before the last: but where something else runs than what is
    on record, such as a deployment that failed, it is the last one.

    Args:
        session: The command.
        store: The records.
        number: A record's number, or None.

    Raises:
        WrongUseError: There is none of that number, or nothing to go back to.
        CommandError: The machine does not answer.
    """
    last = store.last() if number is None else None
    if last is None:
        return store.chosen(number)
    is_swarm = session.settings.is_swarm
    try:
        with contextlib.closing(machine_engine.connect(session)) as client:
            there = images.running(client, session.settings.project, is_swarm=is_swarm)
    except ENGINE_ERRORS as error:
        raise _silent(error) from None
    meant = {
        name: {(one.id, "" if is_swarm else one.configuration)}
        for name, one in last.services.items()
    }
    own = {name: what for name, what in there.items() if name in meant or not is_swarm}
    return last if own != meant else store.chosen(None)


def _silent(error: Exception) -> CommandError:
    return CommandError(
        f"rollback: the machine's Docker API must answer, got: {error}; look with: moor status"
    )


@contextlib.contextmanager
def former(session: Session, record: Record) -> Iterator[Session]:
    """Yield a session whose services are those of a record.

    Args:
        session: The command.
        record: The record.

    Raises:
        CommandError: They cannot be had back; with everything that differs.
        ValueError: The present services cannot be read.
    """
    vault = Vault(session.environment.secrets)
    place = session.environment.secrets / "former"
    try:
        values, problems = _values(session, record, vault)
        document = _with_images(session, record, problems)
        document = _with_files(document, session, record, problems)
        write_private(place / "services.json", json.dumps(document).encode())
        found = replace(session, former={FORMER: str(place / "services.json"), **values})
        # Loaded once already, and the same.
        found.__dict__["settings"] = session.settings
        if not problems:
            problems += _problems_of(found, record, session)
        if problems:
            raise CommandError(_refusal(record, problems))
        yield found
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _refusal(record: Record, problems: list[str]) -> str:
    head = f"rollback to {record.number}: must find what was deployed then, got what differs:"
    return "\n".join([head, *(f"  {problem}" for problem in problems)])


def _values(session: Session, record: Record, vault: Vault) -> tuple[dict[str, str], list[str]]:
    """Return the values that are in no record, and what is another one than it was."""
    problems = list(shape.differences(record.machine, shape.of(session.settings)))
    if record.key != key_of(vault) and (
        record.variables or record.sealed or record.contents or record.files
    ):
        problems.append(
            f"what is in no record: must have digests of this computer's key, got those of "
            f"{record.by}; go back there, or take {session.environment.secrets / 'digest-key'} "
            "from there"
        )
        return {}, problems
    folder = session.settings.services[0].parent.resolve()
    environ = environ_of(variables_of(session.environment, session.settings))
    outside = (
        values_of(sorted(record.variables), session.settings.project, folder, environ)
        if record.variables
        else {}
    )
    problems += _changed(record.variables, digests(outside, vault.digest), "variable")
    found = {
        name: text
        for name, path in record.places.items()
        if (text := at(session.services.document, path)) is not None
    }
    same = digests(found, vault.digest)
    for name, path in sorted(record.places.items(), key=lambda item: item[1]):
        if same.get(name) != record.sealed[name]:
            got = "another one" if name in found else "nothing"
            problems.append(
                f"{'.'.join(path)}: must be what it was, got {got}; it is secret, so no record "
                "keeps it: put it back into the file that it came from"
            )
    return found, problems


def _changed(then: Mapping[str, str], now: Mapping[str, str], what: str) -> list[str]:
    return [
        f"{what} {name}: must be what it was, got "
        f"{'another value' if name in now else 'nothing'}; it is in no file of the project, so "
        "no record keeps it: set it as it was"
        for name, digest in then.items()
        if now.get(name) != digest
    ]


def _with_files(
    document: Mapping[str, Any], session: Session, record: Record, problems: list[str]
) -> Mapping[str, Any]:
    """Return a document whose files are what was deployed; what is not to be had is a problem."""
    digest = Vault(session.environment.secrets).digest
    if record.key != key_of(Vault(session.environment.secrets)):
        return document
    folder = session.settings.services[0].parent
    changed = {
        path: wanted
        for path, wanted in record.files.items()
        if delivered.digest_of(folder / path, digest) != wanted
    }
    files = restored.from_git(
        changed,
        commit=record.commit,
        folder=folder,
        into=session.environment.secrets / "former",
        digest=digest,
    )
    problems += [
        delivered.told(path, folder=folder, commit=record.commit)
        for path in sorted(changed.keys() - files.keys())
    ]
    return restored.put_into(document, files, folder)


def _with_images(session: Session, record: Record, problems: list[str]) -> Mapping[str, Any]:
    """Return the record's document with its images; what is not to be had is a problem."""
    is_swarm, project = session.settings.is_swarm, session.services
    try:
        with contextlib.closing(machine_engine.connect(session)) as client:
            running = {} if is_swarm else images.of_machine(client, project)
            pins = Pins(
                client=client,
                present=project,
                running=running,
                private=[
                    *(ROOT / name for name in _PRIVATE),
                    session.environment.output.resolve(),
                ],
                is_swarm=is_swarm,
            )
            document = pins.document(record)
    except ENGINE_ERRORS as error:
        raise _silent(error) from None
    problems += pins.problems
    return document


def _problems_of(found: Session, record: Record, present: Session) -> list[str]:
    """Say what the services of a record would get that is not what they got."""
    vault = Vault(found.environment.secrets)
    try:
        project = found.services
    except ComposeError as error:
        file = os.path.relpath(found.former[FORMER])
        return [problem.replace(f"{file}: ", "") for problem in error.problems]
    return [
        *shape.volume_differences(project.volumes, present.services.volumes),
        *_changed(record.contents, digests(project.contents, vault.digest), "variable"),
    ]
