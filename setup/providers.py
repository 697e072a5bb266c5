"""Where Terraform's providers come from: their registry, or else a local mirror.

The registry is preferred. Where it does not answer, a folder tree of providers that is on this
machine already gives the AWS provider, and the Docker provider is built from its source (see
`setup.docker_provider`). The decision is remembered until Terraform or the project's folder
change, or `python3 -m setup --refresh` asks for a new one.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.request import urlopen

from setup.cli_configuration import cli_configuration, read_user_configurations
from setup.errors import SetupError
from setup.provider_mirror import (
    AWS,
    DOCKER,
    REGISTRIES,
    TREE,
    Found,
    candidate_trees,
    find,
    link_into,
    platform_name,
)
from setup.step import Context, Step, replace
from setup.terraform import Binary, Kind, load_record, save_record
from setup.variables import home_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from setup.project import Project

_PROBE_PATH: Final = "/.well-known/terraform.json"
_PROBE_TIMEOUT: Final = 3.0
_PROBES: Final = 2
_PROBE_LIMIT: Final = 65536


def answers(url: str, *, timeout: float = _PROBE_TIMEOUT) -> bool:
    """Return whether a provider registry answers.

    Args:
        url: The registry's root, such as `https://registry.terraform.io`.
        timeout: Seconds for each step of one attempt.
    """
    for _ in range(_PROBES):
        with (
            suppress(URLError, HTTPException, OSError, ValueError),
            urlopen(url + _PROBE_PATH, timeout=timeout) as response,  # noqa: S310 - our own URLs
        ):
            document = json.loads(response.read(_PROBE_LIMIT))
            # A captive portal answers as well, but not with this.
            return isinstance(document, dict) and "providers.v1" in document
    return False


class Providers(Step):
    """The decision between the registry and a mirror.

    Args:
        context: What all steps share.
        registry: The root URL of the registry; None for that of the kind of Terraform.
        trees: Where to look for a mirror; None for the usual places.
    """

    name = "providers"
    after = ("terraform",)

    def __init__(
        self,
        context: Context,
        *,
        registry: str | None = None,
        trees: Sequence[Path] | None = None,
    ) -> None:
        super().__init__(context)
        self._registry = registry
        self._trees = trees

    def inputs(self) -> Mapping[str, object]:
        """Return what the decision was made for, but not whether the registry answers now."""
        record = load_record(self.project)
        return {
            "path": record.get("path"),
            "kind": record.get("kind"),
            "root": str(self.project.root),
            "platform": platform_name(),
        }

    def is_intact(self) -> bool:
        """Return whether the decision is recorded, and what it stands on is there."""
        record = load_record(self.project)
        providers = record.get("providers")
        if not isinstance(providers, dict):
            return False
        files = [*providers.get("files", []), *filter(None, [record.get("configuration")])]
        return all(Path(file).exists() for file in files)

    def run(self) -> str:
        """Decide, and record it."""
        binary = Binary.load(self.project)
        configurations = read_user_configurations(self.context.variables)
        host = REGISTRIES[binary.kind]
        registry = self._registry or f"https://{host}"
        self.doing(f"asking {host}")
        if answers(registry):
            self.project.terraform_configuration.unlink(missing_ok=True)
            self._record("registry", configuration=None, files=[])
            return f"providers come from {host}"
        trees = self._trees
        if trees is None:
            trees = candidate_trees(self.context.variables, configurations.values())
        trees = [tree for tree in trees if tree != self.project.providers]
        aws = find(AWS, trees, platform_name())
        if aws is None:
            return self._fall_back(host, trees, configurations)
        docker = find(DOCKER, trees, platform_name())
        mirrors = self._mirrors(binary.kind, aws, docker)
        replace(self.project.terraform_configuration, cli_configuration(mirrors))
        self._record(
            "mirror",
            configuration=self.project.terraform_configuration,
            files=[aws.path, *([docker.path] if docker else [])],
            docker="found" if docker else "build",
        )
        return (
            f"{host} does not answer: the AWS provider {'.'.join(map(str, aws.version))} comes "
            f"from {aws.tree}, the Docker provider is "
            f"{f'from {docker.tree}' if docker else 'built here'}"
        )

    def _mirrors(
        self, kind: Kind, aws: Found, docker: Found | None
    ) -> list[tuple[Path, Sequence[str]]]:
        host = REGISTRIES[kind]
        names = {provider: f"{host}/{provider.source}" for provider in (AWS, DOCKER)}
        ours = self.project.providers
        found = [(AWS, aws)] + ([(DOCKER, docker)] if docker else [])
        if host != TREE:
            for provider, place in found:
                link_into(ours, host, provider, place)
            return [(ours, list(names.values()))]
        mirrors: list[tuple[Path, Sequence[str]]] = [
            (place.tree, [names[provider]]) for provider, place in found
        ]
        return mirrors if docker else [*mirrors, (ours, [names[DOCKER]])]

    def _fall_back(
        self, host: str, trees: Sequence[Path], configurations: Mapping[Path, str]
    ) -> str:
        """Use the user's own configuration, if it says where providers come from."""
        for file, text in configurations.items():
            ours = file == self.project.terraform_configuration
            if not ours and "provider_installation" in text:
                self._record("user", configuration=file, files=[])
                return f"{host} does not answer: providers come from where {file} says"
        wanted = f"{'.'.join(map(str, AWS.oldest))} or later, before {AWS.before[0]}.0.0"
        plugins = home_of(self.context.variables) / ".terraform.d" / "plugins"
        looked = "\n".join(f"    {tree / TREE}" for tree in trees if os.access(tree, os.R_OK))
        msg = (
            f"providers: {host}: must answer, or a folder {TREE} on this machine must have "
            f"{AWS.source} {wanted}, for {platform_name()}, got neither; allow access to the "
            "registry, or make such a folder with `terraform providers mirror` and put it into "
            f"{plugins}; these were looked into:\n{looked}"
        )
        raise SetupError(msg)

    def _record(
        self,
        source: str,
        *,
        configuration: Path | None,
        files: Sequence[Path],
        docker: str | None = None,
    ) -> None:
        record = load_record(self.project)
        record["configuration"] = str(configuration) if configuration else None
        record["providers"] = {
            "source": source,
            "files": [str(file) for file in files],
            "docker": docker,
        }
        save_record(self.project, record)


def must_build_docker(project: Project) -> bool:
    """Return whether the Docker provider has to be built."""
    providers = load_record(project).get("providers")
    return isinstance(providers, dict) and providers.get("docker") == "build"
