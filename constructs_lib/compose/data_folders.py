"""Folders and files of this computer on the machine, as resources of a deployment."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from constructs import Construct

from constructs_lib.compose.folders import COPY_LABEL, machine_path, told
from constructs_lib.docker.volume import Volume
from constructs_lib.files import tree
from constructs_lib.files.path import below
from constructs_lib.files.tree import approval
from constructs_lib.terraform.steps import run_module, terraform_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cdktf import LocalExecProvisioner, TerraformResource

    from constructs_lib.compose.folders import CopiedFile, MachineFolders
    from constructs_lib.compose.model import ComposeProject, FolderMount, Service
    from constructs_lib.host.endpoint import DockerEndpoint

_LISTED: Final = 50
"""Files that a plan names one by one."""

_MODULE: Final = "constructs_lib.compose.fill"


class DataFolders(Construct):
    """What services mount from this computer.

    A folder that some service may write to is a folder of the machine, and a step fills it. One
    that is only read, and what a read-only container gets, is a volume that is named by its
    content: another content is another volume, and the containers with it are replaced.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: ComposeProject,
        endpoint: DockerEndpoint,
    ) -> None:
        """Define the steps that fill the machine's folders.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it takes every step again.
            project: The services.
            endpoint: The machine's Docker API.

        Raises:
            OSError: A file cannot be read.
        """
        super().__init__(scope, id_)
        self._project = project
        self._endpoint = endpoint
        self._machine = project.folders
        self._steps = {
            place: self._fill(place, source) for place, source in self._machine.filled.items()
        }
        self._copies: dict[str, tuple[Volume, TerraformResource]] = {}
        self._beside = _beside(project, self._machine)

    def on_machine(self, mount: FolderMount) -> str | None:
        """Return a folder's path on the machine; None where a copy of it is mounted."""
        if not self._machine.has(mount):
            return None
        return machine_path(self._project.name, mount.place)

    def steps_of(self, service: Service) -> list[TerraformResource]:
        """Return the steps that fill a service's folders of the machine."""
        bound = [self._project.volumes.get(mount.volume) for mount in service.mounts]
        places = [
            *(mount.place for mount in service.folders if self._machine.has(mount)),
            *(volume.place for volume in bound if volume is not None and volume.folder is not None),
        ]
        filled = [self._machine.filled_for(place) for place in places]
        return [self._steps[place] for place in dict.fromkeys(filled) if place is not None]

    def copy_of(self, mount: FolderMount) -> tuple[Volume, TerraformResource]:
        """Return a volume with the copy of a folder, and the step that fills it."""
        if mount.place not in self._copies:
            self._copies[mount.place] = self._copy(mount.place, mount.source)
        return self._copies[mount.place]

    def files_of(
        self, scope: Construct, service: Service, files: Sequence[tuple[CopiedFile, str]]
    ) -> tuple[Volume, TerraformResource]:
        """Return a volume with files for one service, the first as `0`, and the step.

        Args:
            scope: The service's construct.
            service: The service.
            files: Files, and the digest of each that may be in the state.
        """
        rights = [(f"{f.mode} {f.uid}:{f.gid}", digest) for f, digest in files]
        named = tree.digest(service.name, *(word for pair in rights for word in pair))
        mine = Construct(scope, "Files")
        volume = Volume(
            mine,
            "Volume",
            name=f"{self._project.name}_{service.name}_files_{named}",
            labels={COPY_LABEL: f"files of {service.name}"},
        )
        triggers = {str(n): f"{digest[:16]} {what}" for n, (what, digest) in enumerate(rights)}
        step = terraform_data(
            mine,
            "Filled",
            triggers={"volume": volume.id, **triggers},
            provisioners=[
                self._run(
                    *("--volume", volume.name, "--files"),
                    json.dumps([asdict(file) for file, _ in files]),
                )
            ],
        )
        return volume, step

    def _fill(self, place: str, source: Path) -> TerraformResource:
        digests = tree.digests(source, self._machine.entries[source])
        machine = self._endpoint.machine
        return terraform_data(
            self,
            _id(told(place)),
            triggers={
                **_triggers(told(place), digests),
                **({} if machine is None else {"machine": machine}),
            },
            provisioners=[
                self._run(
                    *("--project", self._project.name, "--place", place),
                    *("--approved", approval(digests)),
                    str(source),
                )
            ],
        )

    def _copy(self, place: str, source: Path) -> tuple[Volume, TerraformResource]:
        digests = tree.digests(source, self._machine.entries[source])
        also = sorted(self._beside.get(place, ()))
        approved = approval(digests)
        mine = Construct(self, _id(f"{told(place)}:ro"))
        named = tree.digest(place, approved, *also)
        volume = Volume(
            mine,
            "Volume",
            name=f"{self._project.name}_copy_{named}",
            labels={COPY_LABEL: told(place)},
        )
        step = terraform_data(
            mine,
            "Filled",
            triggers={"volume": volume.id, **_triggers(told(place), digests)},
            provisioners=[
                self._run(
                    *("--volume", volume.name, "--approved", approved),
                    *(f"--also={path}" for path in also),
                    str(source),
                )
            ],
        )
        return volume, step

    def _run(self, *words: str) -> LocalExecProvisioner:
        *options, what = words
        return run_module(
            _MODULE,
            *self._endpoint.words,
            *options,
            # What follows is no option, whatever it looks like.
            *("--", what),
        )


def _triggers(name: str, digests: Mapping[str, str]) -> dict[str, str]:
    """Say in a plan which files change, or that some of very many do."""
    if len(digests) > _LISTED:
        return {name: f"{len(digests)} files and folders, {approval(digests)}"}
    paths = {path: name if path == tree.ITSELF else f"{name}/{path}" for path in digests}
    return {paths[path]: digest for path, digest in digests.items()}


def _beside(project: ComposeProject, machine: MachineFolders) -> dict[str, set[str]]:
    """Return at which paths of a copy something else is mounted, by the copy's place."""
    found: dict[str, set[str]] = {}
    for service in project.services.values():
        for mount in service.folders:
            if not machine.has(mount):
                beside = [below(delivery.path, mount.path) for delivery in service.deliveries]
                found.setdefault(mount.place, set()).update(
                    path for path in beside if path and path != "."
                )
    return found


def _id(name: str) -> str:
    """Return a construct's id, which no other name has: cdktf takes `a/b` for `a--b`."""
    short = name.removeprefix("./")
    plain = re.sub(r"[^A-Za-z0-9._:-]+", "-", short).strip("-.")
    if plain == short:
        return plain
    return f"{plain[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".strip("-")
