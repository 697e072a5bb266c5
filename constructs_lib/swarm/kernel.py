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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docker import DockerClient

_IMAGE: Final = "moor-nothing"
_TAG: Final = "1"
_ROOT: Final = "/machine"
_CONFIGURATION: Final = "proc/config.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Something that a kernel may have.

    Attributes:
        name: What people call it.
        label: The node's label that says whether it is there: `yes` or `no`.
        loaded: What is there when it is loaded, below the root.
        module: The module's name.
        option: The option that builds it into a kernel.
        asked_for: What a Compose file asks for that takes it.
        otherwise: What to write instead.
    """

    name: str
    label: str
    loaded: str
    module: str
    option: str
    asked_for: str
    otherwise: str

    def lacking(self, nodes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """Return the nodes that lack it, or of which nobody knows, with what is said.

        Args:
            nodes: The nodes' labels, by their names.
        """
        return {
            name: labels.get(self.label, "not known")
            for name, labels in sorted(nodes.items())
            if labels.get(self.label) != "yes"
        }

    def refusal(self, keys: Sequence[str], lacking: Mapping[str, str]) -> str:
        """Return why keys of a Compose file are refused, and what to do.

        Args:
            keys: The keys, in the file's words.
            lacking: What `lacking` found.
        """
        nodes = ", ".join(f"{name} ({said})" for name, said in lacking.items())
        return (
            f"{', '.join(keys)}: must not ask for {self.asked_for} where a node's kernel has no "
            f"{self.name}, without which it silently does not work, got {nodes}; {self.otherwise}"
        )


IP_VS: Final = Feature(
    name="IP_VS",
    label="moor.ip_vs",
    loaded="proc/1/net/ip_vs",
    module="ip_vs",
    option="CONFIG_IP_VS",
    asked_for="a virtual address or the mesh",
    otherwise="use endpoint_mode: dnsrr and mode: host",
)

ESP: Final = Feature(
    name="ESP",
    label="moor.esp",
    loaded="sys/module/esp4",
    module="esp4",
    option="CONFIG_INET_ESP",
    asked_for="encryption between nodes",
    otherwise="leave it out, or choose machines with a kernel that has it",
)

FEATURES: Final = (IP_VS, ESP)


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
