# ruff: noqa: INP001  # runs in the image, alone
"""Writes small images straight into a registry's storage.

Runs while the registry's image is built, so that no engine has to push anything and the
images are there before the registry starts. Everything in them is fixed, times too: the same
inputs give the same digests.

Source: Docker Registry's storage layout and "Image Manifest V 2, Schema 2".
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image to make: busybox with a few scripts.

    Attributes:
        name: The repository.
        tag: The tag.
        scripts: Stand-ins to put into /usr/local/bin; the first is the entry point.
        port: The TCP port that it listens on; 0 for none.
        volume: The folder of its data; empty for none.
        command: What runs where there is no script.
        programs: Real programs of the system that this runs on, taken over with the libraries that
            they need.
    """

    name: str
    tag: str
    scripts: tuple[str, ...] = ()
    port: int = 0
    volume: str = ""
    command: tuple[str, ...] = field(default=("sh",))
    programs: tuple[str, ...] = ()


IMAGES: Final = (
    Image(name="busybox", tag="1.36"),
    Image(
        name="elasticsearch",
        tag="8.15.3",
        scripts=("elasticsearch",),
        port=9200,
        volume="/usr/share/elasticsearch/data",
    ),
    Image(name="nginx", tag="1.27", scripts=("nginx",), port=80),
    Image(name="redis", tag="7", scripts=("redis", "answer-redis", "redis-cli"), port=6379),
    Image(
        name="postgres",
        tag="16",
        scripts=("postgres", "answer-postgres", "pg_isready"),
        port=5432,
        volume="/var/lib/postgresql/data",
    ),
    Image(
        name="registry",
        tag="2",
        scripts=("registry",),
        port=5000,
        volume="/var/lib/registry",
        # No stand-in for this one: what is built for a swarm goes through it.
        programs=("/usr/bin/docker-registry",),
    ),
)


class Storage:
    """A registry's storage on disk.

    Args:
        root: The registry's root folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root / "docker" / "registry" / "v2"

    def add_blob(self, repository: str, data: bytes, *, layer: bool = True) -> str:
        """Store a blob and link it into a repository. Returns its digest."""
        digest = hashlib.sha256(data).hexdigest()
        file = self._root / "blobs" / "sha256" / digest[:2] / digest / "data"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        if layer:
            self._link(repository, f"_layers/sha256/{digest}", digest)
        return f"sha256:{digest}"

    def tag(self, repository: str, tag: str, manifest: bytes) -> None:
        """Store a manifest and let a tag point at it."""
        digest = self.add_blob(repository, manifest, layer=False).removeprefix("sha256:")
        self._link(repository, f"_manifests/revisions/sha256/{digest}", digest)
        self._link(repository, f"_manifests/tags/{tag}/current", digest)
        self._link(repository, f"_manifests/tags/{tag}/index/sha256/{digest}", digest)

    def _link(self, repository: str, place: str, digest: str) -> None:
        folder = self._root / "repositories" / repository / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "link").write_text(f"sha256:{digest}")


def busybox_layer(busybox: Path) -> bytes:
    """Return a tar of busybox with a link for each of its programs."""
    programs = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder, mode in (
            ("bin", 0o755),
            ("etc", 0o755),
            ("root", 0o700),
            ("tmp", 0o1777),
            ("usr", 0o755),
            ("usr/bin", 0o755),
            ("usr/local", 0o755),
            ("usr/local/bin", 0o755),
            ("var", 0o755),
        ):
            member = tarfile.TarInfo(folder)
            member.type = tarfile.DIRTYPE
            member.mode = mode
            archive.addfile(member)
        _add(archive, "bin/busybox", busybox.read_bytes(), 0o755)
        for program in sorted(set(programs.stdout.split()) - {"busybox"}):
            member = tarfile.TarInfo(f"bin/{program}")
            member.type = tarfile.SYMTYPE
            member.linkname = "busybox"
            archive.addfile(member)
        _add(archive, "usr/bin/env", b'#!/bin/sh\nexec /bin/env "$@"\n', 0o755)
        _add(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        _add(archive, "etc/group", b"root:x:0:\n", 0o644)
    return stream.getvalue()


def scripts_layer(folder: Path, scripts: tuple[str, ...]) -> bytes:
    """Return a tar of stand-ins, in /usr/local/bin."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for script in scripts:
            _add(archive, f"usr/local/bin/{script}", (folder / script).read_bytes(), 0o755)
    return stream.getvalue()


def programs_layer(programs: tuple[str, ...]) -> bytes:
    """Return a tar of programs of this system, at their own paths, and of their libraries."""
    files = sorted({*programs, *(library for p in programs for library in libraries(p))})
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            _add(archive, file.lstrip("/"), Path(file).read_bytes(), 0o755)
    return stream.getvalue()


def libraries(program: str) -> list[str]:
    """Return the libraries that a program needs, the loader among them; none for a static one."""
    done = subprocess.run(["ldd", program], check=False, capture_output=True, text=True)
    return re.findall(r"^\s*(?:\S+ => )?(/\S+) \(0x", done.stdout, re.MULTILINE)


def _add(archive: tarfile.TarFile, path: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(path)
    member.size = len(data)
    member.mode = mode
    archive.addfile(member, io.BytesIO(data))


def write(storage: Storage, image: Image, base: bytes, folder: Path) -> None:
    """Write one image."""
    tars = [base]
    if image.scripts:
        tars.append(scripts_layer(folder, image.scripts))
    if image.programs:
        tars.append(programs_layer(image.programs))
    runtime: dict[str, Any] = {"Env": [_PATH]}
    if image.scripts:
        runtime["Entrypoint"] = [f"/usr/local/bin/{image.scripts[0]}"]
    else:
        runtime["Cmd"] = list(image.command)
    if image.port:
        runtime["ExposedPorts"] = {f"{image.port}/tcp": {}}
    if image.volume:
        runtime["Volumes"] = {image.volume: {}}
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES[platform.machine()],
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": runtime,
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars],
            },
            "history": [
                {"created": "1970-01-01T00:00:00Z", "created_by": "moor stand-in"} for _ in tars
            ],
        }
    ).encode()
    layers = [gzip.compress(tar, mtime=0) for tar in tars]
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {
            "mediaType": _CONFIG,
            "size": len(config),
            "digest": storage.add_blob(image.name, config),
        },
        "layers": [
            {
                "mediaType": _LAYER,
                "size": len(layer),
                "digest": storage.add_blob(image.name, layer),
            }
            for layer in layers
        ],
    }
    storage.tag(image.name, image.tag, json.dumps(manifest).encode())


def main(busybox: str, folder: str, root: str) -> None:
    """Write all images.

    Args:
        busybox: A statically linked busybox.
        folder: The stand-ins.
        root: The registry's root folder.
    """
    storage = Storage(Path(root))
    base = busybox_layer(Path(busybox))
    for image in IMAGES:
        write(storage, image, base, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
