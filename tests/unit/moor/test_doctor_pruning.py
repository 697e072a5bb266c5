"""What goes from a full disk, and what stays whoever needs it or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import APIError

from moor.doctor import pruning

if TYPE_CHECKING:
    from docker import DockerClient

REGISTRY = "registry.example/"


class Engine:
    """An engine with images, one of which a container has."""

    def __init__(self, *images: dict[str, Any], registry: tuple[str, ...] = ()) -> None:
        self.api, self.images = self, self
        self._images, self._registry = images, registry
        self.removed: list[str] = []
        self.pruned: list[object] = []

    def __call__(self) -> list[dict[str, Any]]:
        """List them."""
        return list(self._images)

    def get_registry_data(self, reference: str) -> Any:  # noqa: ANN401  (the SDK's)
        """Ask the registry."""
        if reference not in self._registry:
            raise APIError("not found")

        class Data:
            attrs = {"Descriptor": {"digest": "sha256:1"}}  # noqa: RUF012  (the SDK's)

        return Data

    def containers(self, *, all: bool) -> list[dict[str, str]]:  # noqa: A002  (the SDK's)
        """List the one that is stopped."""
        assert all
        return [{"ImageID": "sha256:stopped"}]

    def prune_containers(self, filters: object) -> None:
        """Note it."""
        self.pruned.append(filters)

    def prune_builds(self) -> None:
        """Note it."""
        self.pruned.append("builds")

    def remove_image(self, reference: str) -> None:
        """Note it, but for what a container has."""
        if reference == "sha256:raced":
            raise APIError("conflict: a container uses it")
        self.removed.append(reference)


def image(identity: str, tags: tuple[str, ...] = (), digests: tuple[str, ...] = ()) -> Any:  # noqa: ANN401
    return {"Id": f"sha256:{identity}", "RepoTags": list(tags), "RepoDigests": list(digests)}


PULLED = f"{REGISTRY}one@sha256:one"


@pytest.mark.parametrize(
    ("there", "goes"),
    [
        (image("nameless"), ["sha256:nameless"]),
        (image("nameless", ("<none>:<none>",), ("<none>@<none>",)), ["sha256:nameless"]),
        (image("pulled", (f"{REGISTRY}one:1",), (PULLED,)), [f"{REGISTRY}one:1"]),
        (image("pulled", (), (PULLED,)), [PULLED]),
        # A container has it, though it does not run.
        (image("stopped", (f"{REGISTRY}one:1",), (PULLED,)), []),
        # Somebody has made or named it here, or the registry has lost it.
        (image("made", ("made:1",)), []),
        (image("named", (f"{REGISTRY}one:1", "mine:1"), (PULLED,)), []),
        (image("lost", (), (f"{REGISTRY}one@sha256:lost",)), []),
        # A deployment has it, by its name, its id, or its digest in whatever registry.
        (image("deployed", (), (PULLED.replace("one@", "two@").replace("one", "kept"),)), []),
        (image("kept-id"), []),
        (image("x", (f"{REGISTRY}web:1",), (PULLED,)), []),
        # A container has come for it meanwhile.
        (image("raced"), []),
    ],
)
def test_an_image_goes_only_where_nothing_is_lost(there: dict[str, Any], goes: list[str]) -> None:
    engine = Engine(there, registry=(PULLED,))
    keep = {"sha256:kept", "sha256:kept-id", f"{REGISTRY}web:1"}
    pruning.prune(cast("DockerClient", engine), keep)
    assert engine.removed == goes
    assert engine.pruned == [{"label": ["com.docker.compose.oneoff=True"]}, "builds"]
