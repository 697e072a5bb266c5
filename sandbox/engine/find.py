"""Which Docker engine the sandbox uses: the user's own, or else a private one.

A private engine is started where there is none and the caller is root with `dockerd` and
`containerd` installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from sandbox.engine.connect import connect
from sandbox.engine.private import NO_ENGINE, PrivateEngine
from sandbox.errors import ENGINE_ERRORS, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import docker

DEFAULT_URL: Final = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A Docker engine that answers.

    Attributes:
        client: The connected client.
        url: Where it answers: `unix://…`.
        private: The private engine behind it, where it is one of ours.
    """

    client: docker.DockerClient
    url: str
    private: PrivateEngine | None


def find_engine(
    *,
    directory: Path,
    addresses: IPv4Network,
    variables: Mapping[str, str],
    report: Callable[[str], None],
    start: bool = True,
) -> Engine | None:
    """Find the engine to use, and start a private one where there is none.

    The order: `DOCKER_HOST`; the private engine of this network, whichever checkout of this user
    started it; the current Docker context; the default socket; a private engine of our own. One
    that merely runs here is nobody's word that it may be used.

    Args:
        directory: The folder of the private engine that this checkout would start.
        addresses: The sandbox's own public addresses. A `DOCKER_HOST` among them is a machine
            of the sandbox, not the engine beneath it, and is passed over.
        variables: Usually `os.environ`.
        report: Takes one line of progress.
        start: Whether a private engine may be started.

    Returns:
        The engine; None only where `start` is false and none is running.

    Raises:
        SandboxError: No engine can be used.
    """
    explicit = variables.get("DOCKER_HOST", "")
    private = PrivateEngine.here(directory)
    if explicit and not _is_machine(explicit, addresses):
        return _named_engine(explicit, private)
    if private.is_running():
        return Engine(client=connect(private.url), url=private.url, private=private)
    urls = [url for url in (_context_url(variables), DEFAULT_URL) if url is not None]
    if (found := _users_engine(urls)) is not None:
        return found
    if not start:
        return None
    if os.geteuid() != 0:
        raise SandboxError(NO_ENGINE)
    private.start(report)
    return Engine(client=connect(private.url), url=private.url, private=private)


def _users_engine(urls: list[str]) -> Engine | None:
    """Return the first engine that answers; None where none is there.

    Raises:
        SandboxError: One is there, and this user may not use it.
    """
    denied = ""
    for url in urls:
        if not url.startswith("unix://"):
            continue
        try:
            client = connect(url)
        except ENGINE_ERRORS as error:
            if "Permission denied" in str(error):
                denied = denied or url
            continue
        _check(client, url)
        return Engine(client=client, url=url, private=None)
    if denied:
        msg = (
            f"docker engine: {denied.removeprefix('unix://')}: must be open to this user, got "
            "permission denied; join the group docker (sudo usermod -aG docker $USER) and log in "
            "again"
        )
        raise SandboxError(msg)
    return None


def _is_machine(url: str, addresses: IPv4Network) -> bool:
    try:
        return ip_address(urlsplit(url).hostname or "") in addresses
    except ValueError:
        return False


def _named_engine(url: str, private: PrivateEngine) -> Engine:
    host = urlsplit(url).hostname or ""
    if not url.startswith("unix://"):
        local = host == "localhost"
        with contextlib.suppress(ValueError):
            local = local or ip_address(host).is_loopback
        if not local or not url.startswith("tcp://"):
            msg = (
                f"DOCKER_HOST: must be an engine on this machine, got {url}; unset it, or name a "
                "local socket such as unix:///var/run/docker.sock"
            )
            raise SandboxError(msg)
    try:
        client = connect(url)
    except ENGINE_ERRORS as error:
        if "Permission denied" in str(error):
            msg = (
                f"DOCKER_HOST: must be open to this user, got permission denied on {url}; join "
                "the group docker (sudo usermod -aG docker $USER) and log in again"
            )
        else:
            msg = (
                f"DOCKER_HOST: must be an engine that answers, got {url}; start it or unset the "
                "variable"
            )
        raise SandboxError(msg) from error
    _check(client, url)
    ours = url == private.url and private.is_running()
    return Engine(client=client, url=url, private=private if ours else None)


def _context_url(variables: Mapping[str, str]) -> str | None:
    """Return where the current Docker context points; None where there is none."""
    config = Path(variables.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        current = json.loads((config / "config.json").read_text())
        name = variables.get("DOCKER_CONTEXT") or current.get("currentContext") or "default"
        if name == "default":
            return None
        folder = hashlib.sha256(name.encode()).hexdigest()
        meta = json.loads((config / "contexts" / "meta" / folder / "meta.json").read_text())
        return str(meta["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _check(client: docker.DockerClient, url: str) -> None:
    """Refuse an engine on which the machines could not run."""
    info: dict[str, Any] = client.info()
    if any("rootless" in option for option in info.get("SecurityOptions") or ()):
        msg = (
            f"docker engine: must not be rootless, got a rootless one at {url}: it can neither "
            "give machines addresses of their own nor open low ports; set DOCKER_HOST to an "
            "engine that runs as root"
        )
        raise SandboxError(msg)
    if info.get("OSType") != "linux":
        msg = f"docker engine: must run Linux containers, got {info.get('OSType')!r} at {url}"
        raise SandboxError(msg)
