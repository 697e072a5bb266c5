"""Whether a machine's kernel has IP_VS, which virtual addresses and the routing mesh need.

Without it Swarm says nothing, and they do not work. The engine does not tell; so its files are
looked at, through a container that is never started, of an image with nothing in it.

Source: Linux, `Documentation/networking/ipvs-sysctl.rst`; `/proc/net/ip_vs` is there when the
module is loaded, which the engine does when the swarm's own network comes up.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
from typing import TYPE_CHECKING, Final

from docker.errors import APIError, NotFound

if TYPE_CHECKING:
    from docker import DockerClient

_IMAGE: Final = "moor-nothing"
_TAG: Final = "1"
_ROOT: Final = "/machine"
_LOADED: Final = f"{_ROOT}/proc/1/net/ip_vs"
_MODULES: Final = f"{_ROOT}/usr/lib/modules"


def is_there(client: DockerClient) -> bool:
    """Return whether the machine's kernel has IP_VS, loaded or to be loaded.

    Args:
        client: The machine's engine.

    Raises:
        docker.errors.APIError: The engine refuses to look.
    """
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
        if _exists(client, container["Id"], _LOADED):
            return True
        release = str(client.info().get("KernelVersion") or "")
        modules = f"{_MODULES}/{release}/kernel/net/netfilter/ipvs"
        return _exists(client, container["Id"], modules)
    finally:
        with contextlib.suppress(APIError):
            api.remove_container(container["Id"], force=True)
        with contextlib.suppress(APIError):
            api.remove_image(f"{_IMAGE}:{_TAG}")


def _exists(client: DockerClient, container: str, path: str) -> bool:
    try:
        chunks, _ = client.api.get_archive(container, path)
    except NotFound:
        return False
    # Only whether it is there is asked: nothing more is read.
    close = getattr(chunks, "close", None)
    if close is not None:
        close()
    return True
