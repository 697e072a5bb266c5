"""Writing down a deployment that succeeded."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.origins import origins
from constructs_lib.files.private_file import write_private
from constructs_lib.settings.services import variables_of
from moor import machine_engine
from moor.failure import CommandError
from moor.history import delivered, images, shape
from moor.history.author import Author
from moor.history.record import Record
from moor.history.sealing import digests, seal
from moor.history.store import Store, folder_of, mark_of
from moor.plan import looks_secret
from moor.toolchain.toolchain import ROOT
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.settings.environment import Environment
    from moor.history.record import Deployed
    from moor.session import Session

_KEY_MARK: Final = b"the key of Moor's history"
_DIGITS: Final = 16


def key_of(vault: Vault) -> str:
    """Return what tells the key of the digests, and is none."""
    return vault.digest(_KEY_MARK)[:_DIGITS]


def mark(environment: Environment) -> None:
    """Remember that something was deployed that is not on record yet."""
    write_private(mark_of(environment), b"")


def is_due(session: Session) -> bool:
    """Return whether what is deployed may not be on record.

    Asking Compose, the engine and S3 takes a while, which a deployment without changes need not.

    Args:
        session: The command.
    """
    environment = session.environment
    is_first = session.settings.state.s3 is None and not folder_of(environment).is_dir()
    return is_first or mark_of(environment).exists()


def keep(session: Session, *, is_all: bool, say: Callable[[str], None]) -> None:
    """Write down what is deployed now, unless that is what the last record says.

    It never fails: what was deployed is deployed.

    Args:
        session: The command.
        is_all: Whether all services were deployed, and not only some.
        say: Takes a line for a person.
    """
    try:
        record = made(session, is_all=is_all)
        if record is None:
            say(
                "not recorded for a rollback: some services alone were deployed, and others are "
                "of an older configuration"
            )
            return
        store = Store.of(session)
        last = store.last()
        if last is None or not record.does_the_same(last):
            number = store.add(record).number
            say(f"recorded as deployment {number}")
        mark_of(session.environment).unlink(missing_ok=True)
    except (CommandError, ValueError, OSError, *ENGINE_ERRORS) as error:
        say(f"not recorded for a rollback: {error}")


def made(session: Session, *, is_all: bool = True) -> Record | None:
    """Return the record of what is deployed now; None where that is no whole configuration.

    Args:
        session: The command.
        is_all: Whether all services were deployed, and not only some.

    Raises:
        CommandError: Nothing is deployed, or no manager answers.
        ValueError: The services cannot be read, or have something secret where it cannot stay.
        OSError: A file cannot be read.
    """
    environment, settings, project = session.environment, session.settings, session.services
    running = _running(session, is_all=is_all)
    if running is None:
        return None
    variables = variables_of(environment, settings)
    sealed = seal(
        project.document,
        origins(
            settings.services,
            name=settings.project,
            variables=variables,
            plain=[name for name, value in variables.items() if not looks_secret(name, value)],
        ),
    )
    folder = settings.services[0].parent
    vault = Vault(environment.secrets)
    author = Author.of(folder)
    return Record(
        number=1,
        when=now(),
        by=author.by,
        commit=author.commit,
        changed=author.changed,
        machine=shape.of(settings),
        services=running,
        document=dict(sealed.document),
        key=key_of(vault),
        variables=digests(sealed.variables, vault.digest),
        places=dict(sealed.places),
        sealed=digests(sealed.values, vault.digest),
        contents=digests(project.contents, vault.digest),
        files=delivered.files(project, folder, vault.digest),
    )


def now() -> str:
    """Return the present time as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _running(session: Session, *, is_all: bool) -> dict[str, Deployed] | None:
    project = session.services
    with contextlib.closing(machine_engine.connect(session)) as client:
        if session.settings.is_swarm:
            # A service of a swarm does not tell which configuration it is of.
            return images.of_swarm(client, project) if is_all else None
        if not is_all and images.outdated(client, project):
            return None
        return images.of_machine(client, project)


def by() -> str:
    """Return who deploys, as records have it."""
    return Author.of(ROOT).by
