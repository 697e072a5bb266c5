"""The images: their names follow what they are made of."""

from __future__ import annotations

import tarfile
from typing import Any

import pytest
from docker.errors import ImageNotFound

from sandbox.errors import SandboxError
from sandbox.machines import image
from sandbox.machines.image import build_images


class Engine:
    """Stands for an engine: it has images, and notes what it builds."""

    def __init__(self, *images: str, error: str = "") -> None:
        self.images = self.api = self
        self.there = set(images)
        self.built: list[dict[str, Any]] = []
        self._error = error

    def get(self, name: str) -> str:
        """Return an image."""
        if name not in self.there:
            raise ImageNotFound(name)
        return name

    def build(self, **options: Any) -> list[dict[str, str]]:  # noqa: ANN401
        """Note a build."""
        self.built.append(options)
        if self._error:
            return [{"stream": "Step 1\nStep 2"}, {"error": self._error}]
        self.there.add(options["tag"])
        return [{"stream": "Step 1"}]


def build(engine: Engine) -> image.Images:
    return build_images(engine, lambda _: None)  # type: ignore[arg-type]


def test_each_is_built_once() -> None:
    engine = Engine("debian:bookworm-slim")
    images = build(engine)
    machine, registry = engine.built
    assert (machine["tag"], registry["tag"]) == (images.machine, images.registry)
    assert machine["buildargs"]["BASE"] == "debian:bookworm-slim"
    assert registry["buildargs"]["BASE"] == images.machine
    assert build(engine) == images
    assert len(engine.built) == 2


def test_another_content_or_mode_is_another_name() -> None:
    files = {"a": (b"1", 0o644)}
    assert image._digest(files) == image._digest(dict(files))
    assert image._digest(files) != image._digest({"a": (b"2", 0o644)})
    assert image._digest(files) != image._digest({"a": (b"1", 0o755)})
    assert image._digest(files) != image._digest(files, "another base")


def test_the_archive_has_every_file_of_the_folder_that_a_build_copies() -> None:
    files = image._folder("machine_image")
    with tarfile.open(fileobj=image._archive(files)) as archive:
        names = archive.getnames()
    assert sorted(files) == names
    assert {"Dockerfile", "apply_user_data.py", "cloud_config.py", "units/docker.socket"} <= {
        *names
    }
    assert not any("__pycache__" in name for name in names)


def test_a_failed_build_tells_the_end_of_its_output() -> None:
    engine = Engine("debian:bookworm-slim", error="no space left")
    with pytest.raises(SandboxError) as caught:
        build(engine)
    name = engine.built[0]["tag"]
    assert str(caught.value) == (
        f"sandbox image: {name} must build, got no space left:\n  Step 1\n  Step 2"
    )
