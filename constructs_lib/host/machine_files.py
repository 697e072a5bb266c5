"""Folders of the machine, read and written through the Docker API alone.

The engine gives out and takes in archives of a container that never runs, and what is mounted into
it counts. So a container of an empty image, with the folders mounted, is a way to them that needs
neither SSH nor a program on the machine.

Source: Docker Engine API 1.40, "Extract an archive of files or folders to a directory in a
container" and "Get an archive of a filesystem resource in a container".
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from docker.errors import APIError, NotFound

from constructs_lib.host.engine import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from docker import DockerClient

_LABEL: Final = "moor.files"
_EMPTY_ARCHIVE: Final = bytes(1024)
_OK: Final = 200
_PATIENCE_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class MachineFiles:
    """A way to folders of the machine.

    Attributes:
        engine: The Docker engine on the machine.
        container: The id of the container that they are mounted into.
    """

    engine: DockerClient
    container: str

    def put(self, path: str, archive: Iterable[bytes]) -> None:
        """Unpack a tar archive. A folder never gives way to a file, nor a file to a folder.

        Args:
            path: The folder, by its path in the container.
            archive: The archive, in pieces.

        Raises:
            docker.errors.APIError: The engine does not take it.
            requests.RequestException: The engine does not answer.
            OSError: A piece cannot be read.
        """
        api = self.engine.api
        # The SDK's own call cannot say what is to happen to what is there.
        answer = api.put(
            f"{api.base_url}/v{API_VERSION}/containers/{self.container}/archive",
            params={"path": path, "noOverwriteDirNonDir": "1"},
            data=iter(archive),
            timeout=_PATIENCE_SECONDS,
        )
        if answer.status_code != _OK:
            told = answer.text
            with contextlib.suppress(ValueError, KeyError, TypeError):
                told = str(answer.json()["message"])
            raise APIError(told, response=answer, explanation=told)

    def get(self, path: str) -> Iterator[bytes] | None:
        """Return a file or folder as a tar archive in pieces; None where there is none.

        Raises:
            docker.errors.APIError: The engine does not give it.
        """
        try:
            pieces: Iterable[bytes] = self.engine.api.get_archive(self.container, path)[0]
        except NotFound:
            return None
        return iter(pieces)


@contextlib.contextmanager
def opened(
    engine: DockerClient, mounts: Mapping[str, str], *, purpose: str
) -> Iterator[MachineFiles]:
    """Open a way to folders of the machine, and close it whatever happens.

    What an earlier run for the same purpose has left, since it was killed, goes too.

    Args:
        engine: The Docker engine on the machine.
        mounts: Folders of the machine, which are made where missing, or names of volumes; and
            the path that each has here.
        purpose: What tells this one from others that are open at the same time.

    Raises:
        docker.errors.APIError: The engine does not do as asked.
    """
    api = engine.api
    for left in api.containers(all=True, filters={"label": f"{_LABEL}={purpose}"}):
        _remove(engine, container=left["Id"])
    key = hashlib.sha256(purpose.encode()).hexdigest()
    for left in api.images(filters={"label": f"{_LABEL}={key}"}):
        _remove(engine, image=left["Id"])
    # Each has an image of its own: several steps are taken at once, and each removes it again.
    answer = api.import_image_from_data(_EMPTY_ARCHIVE, changes=[f"LABEL {_LABEL}={key}"])
    image = json.loads(answer.splitlines()[-1])["status"]
    container = ""
    try:
        container = api.create_container(
            image,
            # It never runs, and an image without a command needs one all the same.
            command=["never"],
            labels={_LABEL: purpose},
            host_config=api.create_host_config(
                binds=[f"{source}:{path}" for source, path in mounts.items()],
                network_mode="none",
            ),
        )["Id"]
        yield MachineFiles(engine, container)
    finally:
        _remove(engine, container=container, image=image)


def _remove(engine: DockerClient, *, container: str = "", image: str = "") -> None:
    if container:
        with contextlib.suppress(NotFound):
            engine.api.remove_container(container, force=True)
    if image:
        with contextlib.suppress(APIError):
            engine.api.remove_image(image, force=True)
