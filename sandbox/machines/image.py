"""The sandbox's images: built once, and again when what they are made of changes.

An image's tag is a hash of its inputs, so that a tag that exists is current.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests
from docker.errors import ImageNotFound

from sandbox.errors import ENGINE_ERRORS, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker import DockerClient

_HERE: Final = Path(__file__).parent
_DIGEST: Final = "sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f"
_PUBLIC_BASE: Final = f"debian@{_DIGEST}"
"""Debian 13 (trixie-slim) for every architecture, as Docker Hub had it on 2026-10-08. What is
pulled is exactly this: a tag would be whatever somebody made of it since."""

_LOADED_BASE: Final = "debian:trixie-slim"
"""What somebody has loaded into the engine by hand."""

_SUITES: Final = ("trixie", "bookworm")
"""Debian 13 is nearest to Flatcar (systemd 257, Docker 26); an older mirror has Debian 12 only."""

_HUB: Final = "https://registry-1.docker.io/v2/"
_HUB_TIMEOUT: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The names of the images, each with its tag.

    Attributes:
        machine: What machines and the gates in front of them run.
        registry: A registry that holds the sandbox's small images.
    """

    machine: str
    registry: str


def build_images(client: DockerClient, report: Callable[[str], None]) -> Images:
    """Build the images that are not there yet.

    Args:
        client: The engine.
        report: Takes one line of progress for each step that takes seconds.

    Raises:
        SandboxError: A build failed; the text has the end of its output.
    """
    machine_files = _folder("machine_image")
    machine = f"moor-machine:{_digest(machine_files)}"
    registry_files = _folder("registry_image")
    registry = f"moor-registry:{_digest(registry_files, machine)}"
    if not _exists(client, machine):
        base = base_image(client, report)
        build(client, machine, machine_files, base, report)
    if not _exists(client, registry):
        build(client, registry, registry_files, machine, report)
    return Images(machine=machine, registry=registry)


def _folder(name: str) -> dict[str, tuple[bytes, int]]:
    """Read a build's folder: content and mode by path, in a fixed order."""
    folder = _HERE / name
    return {
        str(file.relative_to(folder)): (file.read_bytes(), 0o755 if _executable(file) else 0o644)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }


def _executable(file: Path) -> bool:
    return os.access(file, os.X_OK)


def _digest(files: Mapping[str, tuple[bytes, int]], *more: str) -> str:
    digest = hashlib.sha256()
    for text in more:
        digest.update(text.encode())
    for path, (content, mode) in sorted(files.items()):
        digest.update(f"{path}\0{mode}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def _exists(client: DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def base_image(client: DockerClient, report: Callable[[str], None]) -> str:
    """Get Debian: from the engine, from Docker Hub, or from Debian's own mirror.

    Args:
        client: The engine.
        report: Takes one line of progress for each step that takes seconds.

    Returns:
        The image's name.

    Raises:
        SandboxError: There is no way to have one.
    """
    for name in (_PUBLIC_BASE, _LOADED_BASE, _own_base(_SUITES[0])):
        if _exists(client, name):
            return name
    if _hub_answers():
        begun = time.monotonic()
        try:
            client.images.pull("debian", _DIGEST)
        except ENGINE_ERRORS as error:
            report(f"{_PUBLIC_BASE} cannot be pulled ({_first_line(error)}), making a base image")
        else:
            report(f"{_PUBLIC_BASE} pulled in {time.monotonic() - begun:.0f} s")
            return _PUBLIC_BASE
    return _bootstrap(client, report)


def _own_base(suite: str) -> str:
    return f"moor-base:{suite}"


def _hub_answers() -> bool:
    try:
        # 401 is an answer too: only the network matters here.
        requests.get(_HUB, timeout=_HUB_TIMEOUT).close()
    except requests.RequestException:
        return False
    return True


def _bootstrap(client: DockerClient, report: Callable[[str], None]) -> str:
    """Make a base of the newest suite that the mirror has. Returns its name."""
    if shutil.which("mmdebstrap") is None:
        msg = (
            f"sandbox image: its base must come from somewhere, got no answer from {_HUB} and no "
            f"mmdebstrap here; install the package mmdebstrap, or load {_LOADED_BASE} into "
            "the engine (docker load)"
        )
        raise SandboxError(msg)
    report("Docker Hub does not answer: making a base image from Debian's mirror (about 30 s)")
    failures: list[str] = []
    for suite in _SUITES:
        name = _own_base(suite)
        if _exists(client, name):
            return name
        begun = time.monotonic()
        process = subprocess.run(
            ["mmdebstrap", "--variant=minbase", "--include=ca-certificates", suite, "-"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        if process.returncode == 0:
            repository, _, tag = name.partition(":")
            client.api.import_image_from_data(process.stdout, repository=repository, tag=tag)
            report(f"base image {name} made in {time.monotonic() - begun:.0f} s")
            return name
        lines = process.stderr.decode(errors="replace").splitlines()[-10:]
        failures += [f"{suite}, status {process.returncode}:", *(f"  {line}" for line in lines)]
        report(f"{suite} cannot be had from the mirror")
    msg = "sandbox image: mmdebstrap must succeed, got for " + "\n".join(failures)
    raise SandboxError(msg)


def build(
    client: DockerClient,
    name: str,
    files: Mapping[str, tuple[bytes, int]],
    base: str,
    report: Callable[[str], None],
) -> None:
    """Build an image with the network of this computer.

    Args:
        client: The engine.
        name: The image's name, with its tag.
        files: The content and mode of each file of the context, by its path.
        base: The image that its Dockerfile begins with, as the argument `BASE`.
        report: As `build_images` takes it.

    Raises:
        SandboxError: It failed; the text has the end of its output.
    """
    begun = time.monotonic()
    report(f"building image {name}")
    lines: list[str] = []
    # The classic builder: it needs no plugin, and every engine has it.
    answers = client.api.build(
        fileobj=_archive(files),
        custom_context=True,
        encoding="gzip",
        tag=name,
        buildargs={"BASE": base, **_proxies()},
        network_mode="host",
        rm=True,
        forcerm=True,
        decode=True,
        labels={"moor.image": name.partition(":")[0]},
    )
    answer: dict[str, Any]
    for answer in answers:
        lines += str(answer.get("stream", "")).splitlines()
        if "error" in answer:
            end = "\n".join(f"  {line}" for line in lines[-15:])
            msg = f"sandbox image: {name} must build, got {answer['error']}:\n{end}"
            raise SandboxError(msg)
    report(f"image {name} built in {time.monotonic() - begun:.0f} s")


def _archive(files: Mapping[str, tuple[bytes, int]]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for path, (content, mode) in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            member.mode = mode
            archive.addfile(member, io.BytesIO(content))
    stream.seek(0)
    return stream


def _proxies() -> dict[str, str]:
    """Return the proxy variables that a build needs as much as we do."""
    names = ("http_proxy", "https_proxy", "no_proxy")
    return {
        key: os.environ[key]
        for name in names
        for key in (name, name.upper())
        if os.environ.get(key)
    }


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
