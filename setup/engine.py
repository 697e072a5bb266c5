"""What the sandbox needs to have a Docker engine, and to make its machine's image."""

from __future__ import annotations

import os
import re
import socket
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from setup import debian
from setup.errors import SetupError
from setup.step import Context, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT: Final = "unix:///var/run/docker.sock"
HUB: Final = "https://registry-1.docker.io/v2/"
"""Where the Docker Hub's images come from. It asks who is there, and that is an answer."""

_TIMEOUT: Final = 3.0
_START_TIMEOUT: Final = 20.0
"""Seconds that systemd has to start Docker's service after its package was installed."""


class _UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(self._path)


def ping(url: str) -> bool:
    """Return whether a Docker engine answers.

    Args:
        url: `unix://…` or `tcp://…`, the latter without TLS.

    Raises:
        PermissionError: This user may not open the socket.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        connection: HTTPConnection = _UnixConnection(parts.path)
    elif parts.scheme == "tcp" and parts.hostname:
        connection = HTTPConnection(parts.hostname, parts.port or 2375, timeout=_TIMEOUT)
    else:
        return False
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200  # noqa: PLR2004 - OK
    except PermissionError:
        raise
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def hub_answers(url: str = HUB, *, timeout: float = _TIMEOUT) -> bool:
    """Return whether the Docker Hub answers."""
    try:
        with urlopen(url, timeout=timeout):  # noqa: S310 - our own URL
            return True
    except HTTPError as error:
        return error.code == 401  # noqa: PLR2004 - "unauthorized", from the registry itself
    except (URLError, HTTPException, OSError):
        return False


def wants_sandbox(root: Path, variables: Mapping[str, str]) -> bool:
    """Return whether the environment has a sandbox, as far as that can be told without YAML.

    A file that cannot be read has none: the command after set-up says what is wrong with it.

    Args:
        root: The project's folder.
        variables: The environment of the caller.
    """
    name = variables.get("ENVIRONMENT") or "sandbox"
    is_path = name.endswith((".yaml", ".yml"))
    file = root / name if is_path else root / "environments" / f"{name}.yaml"
    try:
        text = file.read_text(errors="replace")
    except OSError:
        return False
    return re.search(r"^[\"']?sandbox[\"']?\s*:", text, re.MULTILINE) is not None


class EnginePrerequisites(Step):
    """A Docker engine that answers, or else the packages to start one.

    Args:
        context: What all steps share.
        default: The engine's socket where nothing names another.
        hub: The URL that tells whether the Docker Hub answers.
    """

    name = "engine"

    def __init__(self, context: Context, *, default: str = DEFAULT, hub: str = HUB) -> None:
        super().__init__(context)
        self._default = default
        self._hub = hub

    def inputs(self) -> Mapping[str, object]:
        """Return nothing: what counts is what is there now."""
        return {}

    def is_intact(self) -> bool:
        """Return whether there is an engine, or all to start one."""
        return self._has_programs() or self._engine_answers()

    def run(self) -> str:
        """Install what is missing."""
        packages = []
        if not self.is_intact():
            if not debian.can_install():
                raise SetupError(self._no_engine())
            packages = ["docker.io", "iptables"]
            if debian.is_known(self, "docker-cli"):
                packages.append("docker-cli")  # a package of its own since Debian 13
        if not self._find("mmdebstrap") and not hub_answers(self._hub):
            if debian.can_install():
                packages.append("mmdebstrap")
            else:
                self.say(
                    "notice: the Docker Hub does not answer and there is no mmdebstrap: the "
                    "sandbox cannot make its machine's image unless the engine has it already"
                )
        if packages:
            debian.install(self, *packages)
        if "docker.io" in packages and Path("/run/systemd/system").is_dir():
            self._await_engine()
        if self._engine_answers():
            return "a Docker engine is there"
        return "no Docker engine answers, but all is there to start one"

    def _find(self, program: str) -> bool:
        return debian.find_program(program, self.context.variables.get("PATH")) is not None

    def _has_programs(self) -> bool:
        return os.geteuid() == 0 and all(
            self._find(program) for program in ("dockerd", "containerd", "iptables")
        )

    def _engine_answers(self) -> bool:
        """Return whether an engine answers, or is named: that one only the sandbox can judge."""
        if self.context.variables.get("DOCKER_HOST"):
            return True
        try:
            if ping(self._default):
                return True
        except PermissionError:
            return False
        url = self._context_url()
        return url is not None and (not url.startswith("unix://") or ping(url))

    def _context_url(self) -> str | None:
        """Return where the current Docker context points, such as to a socket in the home."""
        answer = self.read("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
        url = (answer or "").strip()
        return url if url and url != self._default else None

    def _await_engine(self) -> None:
        """Wait for the service that the package starts."""
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._engine_answers() and time.monotonic() < deadline:
            self.sleep(0.2)

    def _no_engine(self) -> str:
        try:
            ping(self._default)
        except PermissionError:
            return (
                f"docker engine: {self._default.removeprefix('unix://')}: must be open to this "
                "user, got permission denied; join the group docker (sudo usermod -aG docker "
                "$USER) and log in again"
            )
        return (
            f"docker engine: {self._default}: must answer or be installable, got neither; start "
            "Docker, or set DOCKER_HOST to an engine on this machine, or run this as root on "
            "Debian, where it installs docker.io"
        )
