"""Whether a kernel has IP_VS is looked for among the machine's files."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import APIError, NotFound

from constructs_lib.swarm.ip_vs import is_there

if TYPE_CHECKING:
    from docker import DockerClient

LOADED = "/machine/proc/1/net/ip_vs"
MODULES = "/machine/usr/lib/modules/6.12.0-flatcar/kernel/net/netfilter/ipvs"


class Engine:
    """An engine of a machine that has some files."""

    def __init__(self, *files: str) -> None:
        self.api = self
        self.files = files
        self.left: list[str] = []

    def info(self) -> dict[str, str]:
        """Answer."""
        return {"KernelVersion": "6.12.0-flatcar"}

    def import_image_from_data(self, data: bytes, *, repository: str, tag: str) -> None:
        """Take an image with nothing in it."""
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            assert [(m.name, m.isdir()) for m in archive] == [("machine", True)]
        self.left.append(f"{repository}:{tag}")

    def create_host_config(self, **options: Any) -> dict[str, Any]:  # noqa: ANN401
        """Take the options."""
        return options

    def create_container(
        self, image: str, *, command: str, host_config: dict[str, Any]
    ) -> dict[str, str]:
        """Make a container, which nobody starts."""
        assert (image, command) == ("moor-nothing:1", "nothing")
        assert host_config == {"binds": ["/:/machine:ro"], "network_mode": "none"}
        self.left.append("container")
        return {"Id": "container"}

    def get_archive(self, container: str, path: str) -> tuple[Any, dict[str, str]]:
        """Answer with a file, if there is one."""
        assert container == "container"
        if path == "refused":
            raise APIError(path)
        if path not in self.files:
            raise NotFound(path)
        return iter([b"it"]), {}

    def remove_container(self, container: str, *, force: bool) -> None:
        """Remove a container."""
        assert force
        self.left.remove(container)

    def remove_image(self, name: str) -> None:
        """Remove an image."""
        self.left.remove(name)


@pytest.mark.parametrize(
    ("files", "expected"), [((), False), ((LOADED,), True), ((MODULES,), True)]
)
def test_it_is_there_when_loaded_or_when_there_is_something_to_load(
    files: tuple[str, ...], *, expected: bool
) -> None:
    engine = Engine(*files)
    assert is_there(cast("DockerClient", engine)) is expected
    assert engine.left == []


def test_nothing_is_left_when_the_engine_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("constructs_lib.swarm.ip_vs._LOADED", "refused")
    engine = Engine()
    with pytest.raises(APIError):
        is_there(cast("DockerClient", engine))
    assert engine.left == []
