"""Images straight into a registry's storage: the same inputs give the same digests."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import TYPE_CHECKING

from sandbox.machines.registry_image.make_images import (
    Image,
    Storage,
    libraries,
    scripts_layer,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path


def contents(root: Path) -> dict[str, bytes]:
    return {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()}


def test_an_image_is_what_the_registry_finds_by_its_tag(tmp_path: Path) -> None:
    (tmp_path / "serve").write_text("#!/bin/sh\n")
    image = Image(name="web", tag="1.0", scripts=("serve",), port=80, volume="/data")
    roots = [tmp_path / name for name in ("one", "two")]
    for root in roots:
        write(Storage(root), image, b"a base layer", tmp_path)
    assert contents(roots[0]) == contents(roots[1])

    v2 = roots[0] / "docker" / "registry" / "v2"

    def blob(digest: str) -> bytes:
        name = digest.removeprefix("sha256:")
        return (v2 / "blobs" / "sha256" / name[:2] / name / "data").read_bytes()

    tag = v2 / "repositories" / "web" / "_manifests" / "tags" / "1.0" / "current" / "link"
    manifest = json.loads(blob(tag.read_text()))
    config = json.loads(blob(manifest["config"]["digest"]))
    assert config["config"] == {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Entrypoint": ["/usr/local/bin/serve"],
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
    }
    base, scripts = (gzip.decompress(blob(layer["digest"])) for layer in manifest["layers"])
    assert base == b"a base layer"
    with tarfile.open(fileobj=io.BytesIO(scripts)) as archive:
        (member,) = archive.getmembers()
    assert (member.name, member.mode) == ("usr/local/bin/serve", 0o755)


def test_scripts_keep_their_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    with tarfile.open(fileobj=io.BytesIO(scripts_layer(tmp_path, ("b", "a")))) as archive:
        assert archive.getnames() == ["usr/local/bin/b", "usr/local/bin/a"]


def test_a_program_comes_with_its_loader_and_libraries(tmp_path: Path) -> None:
    image = Image(name="true", tag="1", scripts=("serve",), programs=("/bin/true",))
    (tmp_path / "serve").write_text("#!/bin/sh\n")
    write(Storage(tmp_path / "root"), image, b"a base layer", tmp_path)
    v2 = tmp_path / "root" / "docker" / "registry" / "v2"
    tag = v2 / "repositories" / "true" / "_manifests" / "tags" / "1" / "current" / "link"
    digest = tag.read_text().removeprefix("sha256:")
    manifest = json.loads((v2 / "blobs" / "sha256" / digest[:2] / digest / "data").read_bytes())
    last = manifest["layers"][-1]["digest"].removeprefix("sha256:")
    layer = gzip.decompress((v2 / "blobs" / "sha256" / last[:2] / last / "data").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        names = archive.getnames()
    assert "bin/true" in names
    needed = libraries("/bin/true")
    assert any("ld-linux" in file for file in needed)
    assert any("libc.so" in file for file in needed)
    assert {file.lstrip("/") for file in needed} <= set(names)
