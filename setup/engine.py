"""What the sandbox needs to have a Docker engine, and to make its machine's image."""

from __future__ import annotations

import json
import os
import pwd
import re
import socket
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

from setup import debian
from setup.errors import SetupError
from setup.step import Context, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT: Final = "unix:///var/run/docker.sock"
HUB: Final = "https://registry-1.docker.io/v2/"
"""Where the Docker Hub's images come from. It asks who is there, and that is an answer."""

BASES: Final = ("debian:trixie-slim", "moor-base:trixie", "moor-base:bookworm")
"""The images on which the sandbox builds its machine's; `sandbox.machines.image` makes one of the
last two where none is there and the Docker Hub does not answer."""

MACHINE: Final = "moor-machine"
"""The machine's image, which needs no base any more where it is there."""

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
    return _get(url, "/_ping") is not None


def has_image(url: str, *names: str) -> bool | None:
    """Return whether an engine has one of some images; None where it does not say.

    Args:
        url: `unix://…` or `tcp://…`, the latter without TLS.
        *names: The images' names, with or without a tag.

    Raises:
        PermissionError: This user may not open the socket.
    """
    query = urlencode({"filters": json.dumps({"reference": names})})
    try:
        images = json.loads(_get(url, f"/images/json?{query}") or "null")
    except ValueError:
        return None
    return bool(images) if isinstance(images, list) else None


def _get(url: str, path: str) -> bytes | None:
    """Ask a Docker engine; None where it does not answer, or not with the status 200."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        connection: HTTPConnection = _UnixConnection(parts.path)
    elif parts.scheme == "tcp" and parts.hostname:
        connection = HTTPConnection(parts.hostname, parts.port or 2375, timeout=_TIMEOUT)
    else:
        return None
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() if response.status == 200 else None  # noqa: PLR2004 - OK
    except PermissionError:
        raise
    except (OSError, HTTPException):
        return None
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


def has_subordinate_ids(
    user: str, *, files: Sequence[Path] = (Path("/etc/subuid"), Path("/etc/subgid"))
) -> bool:
    """Return whether a user has ids of users and groups for a namespace.

    Args:
        user: The user's name.
        files: Where they are told.
    """
    for file in files:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError:
            return False
        if not any(line.partition(":")[0] == user for line in lines):
            return False
    return True


def _user() -> str:
    """Return this user's name; the number where there is none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


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
        packages += self._packages_for_image()
        if packages:
            debian.install(self, *packages)
        if "docker.io" in packages and Path("/run/systemd/system").is_dir():
            self._await_engine()
        if self._engine_answers():
            return "a Docker engine is there"
        return "no Docker engine answers, but all is there to start one"

    def _packages_for_image(self) -> list[str]:
        """Return what is to be installed so that the machine's image can be built.

        The programs are looked for first, because that takes no time, and the network is asked
        last.

        Raises:
            SetupError: There is no base for it, and this user can neither make nor install one.
        """
        packages = [] if self._find("mmdebstrap") else ["mmdebstrap"]
        ways = []
        # Without root mmdebstrap needs a namespace in which this user is root, or fakechroot.
        if os.geteuid() != 0 and not self._find("fakechroot"):
            if not (self._find("newuidmap") and self._find("newgidmap")):
                packages.append("uidmap")
            if not has_subordinate_ids(_user()):
                ways.append(
                    "give this user subordinate ids (sudo usermod --add-subuids 100000-165535 "
                    f"--add-subgids 100000-165535 {_user()})"
                )
        if packages:
            ways.insert(0, f"sudo apt-get install {' '.join(packages)}")
        if not ways:
            return []
        has_base = self._has_base()
        if has_base or hub_answers(self._hub):
            return []
        if debian.can_install():
            return packages
        msg = (
            f"docker engine: {BASES[0]}: must be an image that it has, that the Docker Hub gives, "
            "or that mmdebstrap makes, got no image, no answer, and no way for this user to run "
            f"mmdebstrap; {' and '.join(ways)}, or give the engine the image (docker pull "
            f"{BASES[0]}, or docker load), or run `make up` once as root"
        )
        if has_base is None:  # The sandbox will know where the engine is, and what it has.
            self.say(f"notice: {msg}")
            return []
        raise SetupError(msg)

    def _has_base(self) -> bool | None:
        """Return whether the engine has what the machine's image is built on, or that itself.

        None where no engine tells.
        """
        named = self.context.variables.get("DOCKER_HOST")
        with suppress(PermissionError):
            found = has_image(named or self._default, *BASES, MACHINE)
            if found is None and not named and (url := self._context_url()):
                found = has_image(url, *BASES, MACHINE)
            return found
        return None

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
