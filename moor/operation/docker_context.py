"""A context of Docker's own: an address and certificates under a name, for `docker --context`.

The certificates are copied into Docker's store, so that they are old there after each change of
them: all three are written each time.

Source: docker/cli, "cli/context/store": a folder an entry, named by the SHA-256 of its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.files.private_file import PRIVATE_FILE_MODE, write_private, write_public
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moor.session import Session

_FILES: Final = ("ca.pem", "cert.pem", "key.pem")
_MARK: Final = "moor: "
"""What the description of a context begins with that is ours."""

_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerContext:
    """A context that is to be there.

    Attributes:
        name: Its name.
        description: What `docker context ls` says of it.
        docker_host: Where the engine is.
        certificates: The folder with `ca.pem`, `cert.pem` and `key.pem`.
        store: The folder of Docker's contexts.
    """

    name: str
    description: str
    docker_host: str
    certificates: Path
    store: Path

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def meta(self) -> Path:
        """The file that says what it is."""
        return self.store / "meta" / self._digest / "meta.json"

    @property
    def tls(self) -> Path:
        """The folder of its certificates."""
        return self.store / "tls" / self._digest / "docker"

    def write(self, program: str | None) -> bool:
        """Make it, or bring it up to date.

        Args:
            program: The docker program; None to write the store ourselves.

        Returns:
            Whether it is new.

        Raises:
            CommandError: There is one of that name that is not ours, or the program fails.
            OSError: The store cannot be written.
        """
        is_new = not self.meta.exists()
        self._must_be_ours()
        contents = {name: (self.certificates / name).read_bytes() for name in _FILES}
        if program is not None:
            self._with(program, "create" if is_new else "update")
        # The program leaves alone what it takes for unchanged. So the three are written anew in
        # any case, private from the start.
        for name, content in contents.items():
            write_private(self.tls / name, content)
        if program is None:
            write_public(self.meta, json.dumps(self._document()).encode())
        return is_new

    def remove(self) -> bool:
        """Take it away.

        Returns:
            Whether there was one.

        Raises:
            CommandError: It is not ours.
            OSError: The store cannot be written.
        """
        if not self.meta.exists():
            return False
        self._must_be_ours()
        # What is secret goes first.
        shutil.rmtree(self.tls.parent, ignore_errors=True)
        shutil.rmtree(self.meta.parent)
        return True

    def is_current(self) -> bool:
        """Return whether it has the present certificates, and they are private."""
        try:
            return all(
                (self.tls / name).read_bytes() == (self.certificates / name).read_bytes()
                and (self.tls / name).stat().st_mode & 0o777 == PRIVATE_FILE_MODE
                for name in _FILES
            )
        except OSError:
            return False

    def _must_be_ours(self) -> None:
        try:
            document = json.loads(self.meta.read_bytes())
            description = str((document.get("Metadata") or {}).get("Description", ""))
        except FileNotFoundError:
            return
        except (ValueError, AttributeError):
            description = ""
        if not description.startswith(_MARK):
            raise CommandError(
                f"Docker context {self.name}: must be one that this command has made, got "
                f"another's ({description or 'without a description'}); rename that, or remove it "
                f"with `docker context rm {self.name}`"
            )

    def _with(self, program: str, action: str) -> None:
        keys = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
        words = ",".join(
            _quoted(text)
            for text in (
                f"host={self.docker_host}",
                *(f"{key}={self.certificates / name}" for key, name in keys.items()),
            )
        )
        done = subprocess.run(
            [
                *(program, "context", action, self.name),
                *("--description", f"{_MARK}{self.description}", "--docker", words),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env={**os.environ, "DOCKER_CONFIG": str(self.store.parent)},
        )
        if done.returncode:
            said = " ".join(done.stderr.split())
            raise CommandError(f"docker context {action} {self.name}: must succeed, got: {said}")

    def _document(self) -> dict[str, Any]:
        return {
            "Name": self.name,
            "Metadata": {"Description": f"{_MARK}{self.description}"},
            "Endpoints": {"docker": {"Host": self.docker_host, "SkipTLSVerify": False}},
        }


def store(variables: Mapping[str, str]) -> Path:
    """Return the folder of Docker's contexts.

    Args:
        variables: The environment variables.
    """
    folder = variables.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path.home() / ".docker") / "contexts"


def rivals(variables: Mapping[str, str], name: str) -> list[str]:
    """Return what to say of variables that win over the context that one has chosen.

    Args:
        variables: The environment variables.
        name: The context.
    """
    told = []
    if host := variables.get("DOCKER_HOST"):
        told.append(f"DOCKER_HOST is set ({host}), and wins over every context; unset it")
    chosen = variables.get("DOCKER_CONTEXT")
    if chosen and chosen != name:
        told.append(
            f"DOCKER_CONTEXT is set ({chosen}), and wins over `docker context use`; unset it, or "
            f"name this one: docker --context {name}"
        )
    return told


def of(session: Session, docker_host: str = "", certificates: Path | None = None) -> DockerContext:
    """Return the context of an environment, made or not.

    Args:
        session: The command.
        docker_host: Where the engine is; empty where it is only looked at.
        certificates: The folder of certificates that it takes; by default the environment's.
    """
    environment, project = session.environment, session.settings.project
    return DockerContext(
        name=f"{project}-{environment.name}",
        description=f"environment {environment.name} of {project}",
        docker_host=docker_host,
        certificates=certificates or environment.certificates,
        store=store(os.environ),
    )


def _quoted(text: str) -> str:
    """Return a field of the program's list, which is one line of CSV."""
    if not set(text) & set(',"\n'):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
