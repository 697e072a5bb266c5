"""The images of a former deployment in its document: the same ones, whatever their tags are now.

A service whose image is still the one that runs keeps its reference, so that nothing of it changes.
Any other one is named by what nobody can move: its digest, or what lies on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from constructs_lib.compose import builds
from constructs_lib.docker.build_context import ContextError
from moor.history import images
from moor.history.sealing import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from docker import DockerClient

    from constructs_lib.compose.model import ComposeProject
    from moor.history.record import Deployed, Record


@dataclass(kw_only=True)
class Pins:
    """Puts the images of a record into its document.

    Attributes:
        client: The engine that the services run on.
        present: The services as the files have them now.
        running: What the services run now.
        private: Folders that no builder gets.
        is_swarm: Whether the services run in a swarm.
        problems: What cannot be had any more, one line each.
    """

    client: DockerClient
    present: ComposeProject
    running: Mapping[str, Deployed]
    private: Sequence[Path]
    is_swarm: bool
    problems: list[str] = field(default_factory=list)

    def document(self, record: Record) -> dict[str, Any]:
        """Return a record's document with the images that were deployed.

        Args:
            record: The record.
        """
        services = {}
        for name, body in record.document.get("services", {}).items():
            image = self._image(name, record.services.get(name))
            # What says when to build again is of no use to what is not built.
            kept = {k: v for k, v in body.items() if k != "develop" or "image" not in image}
            services[name] = {**kept, **image}
        return {**record.document, "services": services}

    def _image(self, name: str, was: Deployed | None) -> dict[str, Any]:
        if was is None:
            # It had no container: any image will do for none.
            return {} if self._recipe(name) is None else {"build": self._build(name)}
        if self.is_swarm:
            return self._by_digest(name, was)
        now = self.running.get(name)
        if now is not None and now.id == was.id:
            if was.built and self._recipe(name) in {tag.rpartition(":")[2] for tag in was.tags}:
                return {"build": self._build(name)}
            if not was.built and self._still_stands_for(name, was):
                return {}
        for reference in (was.digest, *was.tags, was.id):
            if reference and images.is_there(self.client, reference) == was.id:
                return {"image": reference, "pull_policy": "never"}
        return self._by_digest(name, was)

    def _by_digest(self, name: str, was: Deployed) -> dict[str, Any]:
        if was.digest and images.digest_in_registry(self.client, was.digest):
            # Missing, so that no tag is asked for; a swarm pulls by itself.
            return {"image": was.digest, **({} if self.is_swarm else {"pull_policy": "missing"})}
        where = "built here, and gone from the machine" if was.built else "gone from its registry"
        self.problems.append(
            f"services.{name}.image: must be {was.shown}, as it was, got none: it is {where}; "
            "check out what it was made of, and run `moor up`"
        )
        return {"image": was.digest or was.id}

    def _still_stands_for(self, name: str, was: Deployed) -> bool:
        service = self.present.services.get(name)
        if service is None or service.image != was.image or service.build is not None:
            return False
        if "@" in was.image or service.pull != "digest":
            return True
        found = images.digest_in_registry(self.client, was.image)
        return bool(found) and found == was.digest.partition("@")[2]

    def _build(self, name: str) -> Any:  # noqa: ANN401  (JSON)
        return escaped(self.present.document["services"][name]["build"])

    def _recipe(self, name: str) -> str | None:
        """Return the tag that the present files give to the image; None where they build none."""
        service = self.present.services.get(name)
        if service is None or service.build is None:
            return None
        try:
            return builds.read_recipe(service.build, private=self.private).tag
        except ContextError:
            return None
