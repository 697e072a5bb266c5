"""The images: their names follow what they are made of."""

from __future__ import annotations

import subprocess
import tarfile
from typing import Any

import pytest
from docker.errors import ImageNotFound

from sandbox.errors import SandboxError
from sandbox.machines import image
from sandbox.machines.image import build_images

PINNED = f"debian@{image._DIGEST}"


class Engine:
    """Stands for an engine: it has images, and notes what it pulls, imports and builds."""

    def __init__(self, *images: str, error: str = "") -> None:
        self.images = self.api = self
        self.there = set(images)
        self.built: list[dict[str, Any]] = []
        self.pulled: list[tuple[str, str]] = []
        self._error = error

    def pull(self, repository: str, tag: str) -> None:
        """Note a pull. A digest stands where a tag may stand, too."""
        self.pulled.append((repository, tag))
        self.there.add(f"{repository}@{tag}")

    def import_image_from_data(self, data: bytes, *, repository: str, tag: str) -> None:
        """Take an image."""
        assert data == b"tar of " + tag.encode()
        self.there.add(f"{repository}:{tag}")

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
    engine = Engine(PINNED)
    images = build(engine)
    machine, registry = engine.built
    assert (machine["tag"], registry["tag"]) == (images.machine, images.registry)
    assert machine["buildargs"]["BASE"] == PINNED
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
    assert {"Dockerfile", "apply_user_data.py", "cloud_config.py", "sysext/docker.socket"} <= {
        *names
    }
    assert not any("__pycache__" in name for name in names)


def test_a_failed_build_tells_the_end_of_its_output() -> None:
    engine = Engine(PINNED, error="no space left")
    with pytest.raises(SandboxError) as caught:
        build(engine)
    name = engine.built[0]["tag"]
    assert str(caught.value) == (
        f"sandbox image: {name} must build, got no space left:\n  Step 1\n  Step 2"
    )


# Where the base comes from


class Mirror:
    """Stands for mmdebstrap: it can make some suites.

    Args:
        suites: Those.
    """

    def __init__(self, *suites: str) -> None:
        self.suites = suites
        self.asked: list[str] = []

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        """Make a suite, or say that the mirror has none of that name."""
        suite = command[-2]
        self.asked.append(suite)
        if suite in self.suites:
            return subprocess.CompletedProcess(command, 0, b"tar of " + suite.encode(), b"")
        return subprocess.CompletedProcess(command, 25, b"", b"I: trying\nE: no Release file\n")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "_hub_answers", lambda: False)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/mmdebstrap")


def base_of(engine: Engine) -> str:
    base: str = engine.built[0]["buildargs"]["BASE"]
    return base


def test_what_is_pulled_has_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "_hub_answers", lambda: True)
    engine = Engine()
    build(engine)
    assert engine.pulled == [("debian", image._DIGEST)]
    assert base_of(engine) == PINNED
    assert image._DIGEST.startswith("sha256:")
    assert len(image._DIGEST) == len("sha256:") + 64


@pytest.mark.parametrize(
    ("suites", "base", "asked"),
    [
        (("trixie", "bookworm"), "moor-base:trixie", ["trixie"]),
        (("bookworm",), "moor-base:bookworm", ["trixie", "bookworm"]),
    ],
)
@pytest.mark.usefixtures("offline")
def test_the_newest_suite_that_the_mirror_has_is_taken(
    monkeypatch: pytest.MonkeyPatch, suites: tuple[str, ...], base: str, asked: list[str]
) -> None:
    mirror = Mirror(*suites)
    monkeypatch.setattr("subprocess.run", mirror.run)
    engine = Engine()
    build(engine)
    assert base_of(engine) == base
    assert mirror.asked == asked


@pytest.mark.usefixtures("offline")
def test_the_older_base_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = Mirror()
    monkeypatch.setattr("subprocess.run", mirror.run)
    engine = Engine("moor-base:bookworm")
    build(engine)
    assert base_of(engine) == "moor-base:bookworm"
    # The newer one may be there by now, so it is asked for first.
    assert mirror.asked == ["trixie"]


@pytest.mark.usefixtures("offline")
def test_what_somebody_has_loaded_is_taken() -> None:
    engine = Engine("debian:trixie-slim")
    build(engine)
    assert base_of(engine) == "debian:trixie-slim"


@pytest.mark.usefixtures("offline")
def test_it_fails_when_the_mirror_has_no_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", Mirror().run)
    with pytest.raises(SandboxError) as caught:
        build(Engine())
    assert str(caught.value) == (
        "sandbox image: mmdebstrap must succeed, got for trixie, status 25:\n"
        "  I: trying\n  E: no Release file\n"
        "bookworm, status 25:\n  I: trying\n  E: no Release file"
    )


@pytest.mark.usefixtures("offline")
def test_it_fails_when_there_is_nothing_to_make_a_base_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(SandboxError, match=r"install the package mmdebstrap, or load debian:tr"):
        build(Engine())
