"""What the kernel of a node has of what Swarm silently does without.

Virtual addresses and the routing mesh take IP_VS, and an encrypted overlay takes ESP. Without them
Swarm says nothing: tasks run, and nobody reaches them. The engine does not tell; so its files are
looked at, through a container that is never started, of an image with nothing in it.

Source: Linux, `Documentation/networking/ipvs-sysctl.rst`, and `proc(5)`; modprobe.d's
`modules.dep(5)`. The engine loads IP_VS when the swarm's own network comes up, and the kernel loads
ESP when the first key is set.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError, NotFound

from constructs_lib.swarm.kernel_feature import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

_IMAGE: Final = "moor-nothing"
_TAG: Final = "1"
_ROOT: Final = "/machine"
_CONFIGURATION: Final = "proc/config.gz"


def found(client: DockerClient) -> dict[str, str]:
    """Look at a machine's kernel.

    Args:
        client: The machine's engine.

    Returns:
        The labels of the features, each with `yes` where it is loaded or to be loaded.

    Raises:
        docker.errors.APIError: The engine refuses to look.
    """
    with _files(client) as files:
        release = str(client.info().get("KernelVersion") or "")
        modules = f"usr/lib/modules/{release}"
        # What can be loaded, and what needs not be, as modprobe knows it.
        known = files.read(f"{modules}/modules.dep") + files.read(f"{modules}/modules.builtin")
        with contextlib.suppress(OSError, EOFError, zlib.error):
            known += gzip.decompress(files.read(_CONFIGURATION))
        return {
            feature.label: "yes"
            if f"/{feature.module}.ko".encode() in known
            or f"\n{feature.option}=y\n".encode() in known
            or files.has(feature.loaded)
            else "no"
            for feature in FEATURES
        }


@dataclass(frozen=True, slots=True)
class _Files:
    """A machine's files, in a container's eyes."""

    api: Any
    container: str

    def has(self, path: str) -> bool:
        """Tell whether something is there."""
        chunks = self._opened(path)
        if chunks is None:
            return False
        # Only whether it is there is asked: nothing more is read.
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
        return True

    def read(self, path: str) -> bytes:
        """Return the content of a file; nothing of what is not there, or is no file."""
        chunks = self._opened(path)
        if chunks is None:
            return b""
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            member = archive.next()
            file = archive.extractfile(member) if member is not None and member.isreg() else None
            return b"" if file is None else file.read()

    def _opened(self, path: str) -> Iterator[bytes] | None:
        try:
            chunks, _ = self.api.get_archive(self.container, f"{_ROOT}/{path}")
        except NotFound:
            return None
        return chunks  # type: ignore[no-any-return]  # the SDK has no types


@contextlib.contextmanager
def _files(client: DockerClient) -> Iterator[_Files]:
    api = client.api
    nothing = io.BytesIO()
    with tarfile.open(fileobj=nothing, mode="w") as archive:
        folder = tarfile.TarInfo(_ROOT.lstrip("/"))
        folder.type = tarfile.DIRTYPE
        folder.mode = 0o755
        archive.addfile(folder)
    api.import_image_from_data(nothing.getvalue(), repository=_IMAGE, tag=_TAG)
    options = api.create_host_config(binds=[f"/:{_ROOT}:ro"], network_mode="none")
    container = api.create_container(f"{_IMAGE}:{_TAG}", command="nothing", host_config=options)
    try:
        yield _Files(api, container["Id"])
    finally:
        with contextlib.suppress(APIError):
            api.remove_container(container["Id"], force=True)
        with contextlib.suppress(APIError):
            api.remove_image(f"{_IMAGE}:{_TAG}")
