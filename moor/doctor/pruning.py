"""What is removed from an engine to make room: only what loses nothing.

Volumes stay, and so does each image that a container has, running or not; that the last deployment
has deployed, or that was built for a former one, so that `moor rollback` finds it; and that no
registry has.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError

from constructs_lib.docker.reference import familiar, untagged
from moor.history.images import digest_in_registry
from moor.history.store import Store
from moor.operation.containers import ONE_OFF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from docker import DockerClient

    from moor.session import Session

_NONE: Final = "<none>"


def kept(session: Session) -> set[str]:
    """Return the names, digests and ids of images that must stay, whether a container has them.

    Args:
        session: The command.

    Raises:
        CommandError: The records of deployments cannot be read.
        ValueError: The services cannot be read.
    """
    records = Store.of(session).all()
    names = {service.image for service in session.services.services.values() if service.image}
    for record in records:
        for one in record.services.values():
            if one.built or record is records[-1]:
                names |= {one.id, one.digest, *one.tags}
    return {found for name in names if name for found in _spellings(name)}


def prune(client: DockerClient, keep: set[str]) -> None:
    """Remove one-off containers that have ended, the builds' cache, and images that nobody needs.

    Args:
        client: The engine.
        keep: What `kept` has found.
    """
    api: Any = client.api
    api.prune_containers(filters={"label": [f"{ONE_OFF}=True"]})
    api.prune_builds()
    used = {str(container["ImageID"]) for container in api.containers(all=True)}
    for image in api.images():
        if image["Id"] in used or any(name in keep for name in _names(image)):
            continue
        for reference in _removable(client, image):
            # A container that has come since keeps its image: the engine sees to that.
            with contextlib.suppress(APIError):
                api.remove_image(reference)


def _removable(client: DockerClient, image: Mapping[str, Any]) -> Iterable[str]:
    """Return by which names an image goes; none where it could not be had again."""
    tags, digests = _given(image, "RepoTags"), _given(image, "RepoDigests")
    if not tags and not digests:
        return [str(image["Id"])]
    pulled = {untagged(digest) for digest in digests}
    # A name that somebody has given it here is in no registry.
    if any(untagged(tag) not in pulled for tag in tags):
        return []
    if not any(digest_in_registry(client, digest) for digest in digests):
        return []
    return tags or digests


def _names(image: Mapping[str, Any]) -> Iterator[str]:
    yield str(image["Id"])
    for name in (*_given(image, "RepoTags"), *_given(image, "RepoDigests")):
        yield from _spellings(name)


def _spellings(name: str) -> Iterator[str]:
    """Yield what a name is compared by: a digest is the same in each registry."""
    yield familiar(name)
    if "@" in name:
        yield name.partition("@")[2]


def _given(image: Mapping[str, Any], key: str) -> list[str]:
    return [str(name) for name in image.get(key) or () if _NONE not in str(name)]
