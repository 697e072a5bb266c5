"""Where Terraform's providers come from: their registry, or else a local mirror.

The registry is preferred. Where it does not answer, a folder tree of providers that is on this
machine already gives the AWS provider, and the Docker provider is built from its source (see
`setup.docker_provider`). The decision is remembered until Terraform or the project's folder
change, or `python3 -m setup --refresh` asks for a new one.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.request import urlopen

from setup.errors import SetupError
from setup.step import Context, Step, replace
from setup.terraform import Binary, Kind, load_record, save_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from setup.project import Project

REGISTRIES: Final[dict[Kind, str]] = {
    "terraform": "registry.terraform.io",
    "tofu": "registry.opentofu.org",
}
"""The default registry of each kind, and the name of its folder in a mirror."""

TREE: Final = REGISTRIES["terraform"]
"""The folder that is looked for. The provider files are the same for both kinds."""

_PROBE_PATH: Final = "/.well-known/terraform.json"
_PROBE_TIMEOUT: Final = 3.0
_PROBES: Final = 2
_PROBE_LIMIT: Final = 65536

_FOLDER: Final = re.compile(r'^[^#\n]*\b(?:path|plugin_cache_dir)\s*=\s*"([^"]+)"', re.MULTILINE)
"""A folder of providers in a CLI configuration file."""

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider, and the versions of it that the stacks take.

    Attributes:
        source: Such as `hashicorp/aws`.
        oldest: The first version that will do.
        before: The first version that will not do any more.
    """

    source: str
    oldest: Version
    before: Version

    @property
    def type(self) -> str:
        """The last part of the source, which is in file names."""
        return self.source.rpartition("/")[2]

    def takes(self, version: Version) -> bool:
        """Return whether a version will do."""
        return self.oldest <= version < self.before


AWS: Final = Provider(source="hashicorp/aws", oldest=(5, 100, 0), before=(7, 0, 0))
DOCKER: Final = Provider(source="kreuzwerker/docker", oldest=(4, 0, 0), before=(5, 0, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A provider in a folder tree.

    Attributes:
        tree: The folder that holds `registry.terraform.io`.
        path: The folder with the binary, or the zip file.
        version: The version.
    """

    tree: Path
    path: Path
    version: Version


def platform_name() -> str:
    """Return this platform as providers name it, such as `linux_amd64`."""
    machine = platform.machine().lower()
    names = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
    return f"{sys.platform}_{names.get(machine, machine)}"


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


def candidate_trees(variables: Mapping[str, str], *, root: Path = Path("/")) -> list[Path]:
    """Return the folders that may hold a folder `registry.terraform.io`.

    These are Terraform's own plugin folders, those that the user's CLI configuration names,
    and the places where machine images put them.

    Args:
        variables: The environment of the caller.
        root: The root of the file system.

    Source:
        https://developer.hashicorp.com/terraform/cli/config/config-file, "Implied Local Mirror
        Directories".
    """
    home = Path(variables.get("HOME") or Path.home())
    data_home = Path(variables.get("XDG_DATA_HOME") or home / ".local" / "share")
    data = variables.get("XDG_DATA_DIRS") or os.pathsep.join(
        str(root / folder) for folder in ("usr/local/share", "usr/share")
    )
    named = [Path(variables[name]) for name in ("TF_PLUGIN_CACHE_DIR",) if variables.get(name)]
    for file in user_configurations(variables):
        named += _folders_in(file)
    usual = [
        home / ".terraform.d" / "plugins",
        data_home / "terraform" / "plugins",
        *(Path(folder) / "terraform" / "plugins" for folder in data.split(os.pathsep) if folder),
        root / "opt",
    ]
    for folder in ("opt", "usr/lib", "usr/local/lib", "usr/share", "usr/local/share"):
        with suppress(OSError):
            usual += sorted(path for path in (root / folder).iterdir() if path.is_dir())
    return list(dict.fromkeys([*named, *usual]))


def user_configurations(variables: Mapping[str, str]) -> list[Path]:
    """Return the user's CLI configuration files that exist."""
    home = Path(variables.get("HOME") or Path.home())
    explicit = variables.get("TF_CLI_CONFIG_FILE")
    files = [Path(explicit)] if explicit else [home / ".tofurc", home / ".terraformrc"]
    return [file for file in files if file.is_file()]


def _folders_in(configuration: Path) -> list[Path]:
    try:
        text = configuration.read_text(errors="replace")
    except OSError:
        return []
    return [Path(match[1]) for match in _FOLDER.finditer(text)]


def find(provider: Provider, trees: Iterable[Path], platform: str) -> Found | None:
    """Look for a provider.

    Args:
        provider: The provider.
        trees: Where to look.
        platform: Such as `linux_amd64`.

    Returns:
        The newest version that will do, in the first folder that has it; None if none has.
    """
    best: Found | None = None
    for tree in trees:
        try:
            paths = sorted((tree / TREE / provider.source).iterdir())
        except OSError:
            continue
        for path in paths:
            found = _read_entry(provider, tree, path, platform)
            if found is not None and (best is None or found.version > best.version):
                best = found
    return best


def _read_entry(provider: Provider, tree: Path, path: Path, platform: str) -> Found | None:
    """Return what one entry of a provider's folder is: unpacked, packed, or something else."""
    packed = f"terraform-provider-{provider.type}_"
    if path.name.startswith(packed) and path.name.endswith(f"_{platform}.zip"):
        version = _version(path.name[len(packed) : -len(f"_{platform}.zip")])
    else:
        version = _version(path.name)
        path = path / platform
        if version is None or not any(path.glob(f"terraform-provider-{provider.type}*")):
            return None
    if version is None or not provider.takes(version):
        return None
    return Found(tree=tree, path=path, version=version)


def _version(text: str) -> Version | None:
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def link_into(mirror: Path, host: str, provider: Provider, found: Found) -> None:
    """Put a provider under another registry's name.

    OpenTofu follows no symbolic links: the files are hard links where that is possible, and
    else copies.

    Args:
        mirror: The root of the mirror.
        host: The registry's name.
        provider: The provider.
        found: Where it is.
    """
    target = (
        mirror
        / host
        / provider.source
        / found.path.relative_to(found.tree / TREE / provider.source)
    )
    new = target.with_name(f"{target.name}.new")
    _remove(new)
    _remove(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if found.path.is_dir():
        shutil.copytree(found.path, new, copy_function=_link)
    else:
        _link(str(found.path), str(new))
    new.rename(target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def cli_configuration(mirrors: Sequence[tuple[Path, Sequence[str]]]) -> str:
    """Write a CLI configuration that takes providers from folders, and all others as usual.

    Args:
        mirrors: Folders, each with the full names of the providers that it gives.
    """
    lines = ["disable_checkpoint = true", "", "provider_installation {"]
    for folder, names in mirrors:
        lines += [
            "  filesystem_mirror {",
            f"    path    = {_quoted(str(folder))}",
            f"    include = [{', '.join(_quoted(name) for name in names)}]",
            "  }",
        ]
    everything = ", ".join(_quoted(name) for _, names in mirrors for name in names)
    lines += ["  direct {", f"    exclude = [{everything}]", "  }", "}", ""]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Return a string of the configuration language."""
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("${", "$${"), ("%{", "%%{")):
        text = text.replace(character, escape)
    return f'"{text}"'


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
        host = REGISTRIES[binary.kind]
        registry = self._registry or f"https://{host}"
        self.say(f"asking {host}")
        if answers(registry):
            self.project.terraform_configuration.unlink(missing_ok=True)
            self._record("registry", configuration=None, files=[])
            return f"providers come from {host}"
        trees = self._trees
        if trees is None:
            trees = candidate_trees(self.context.variables)
        trees = [tree for tree in trees if tree != self.project.providers]
        aws = find(AWS, trees, platform_name())
        if aws is None:
            return self._fall_back(host, trees)
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

    def _fall_back(self, host: str, trees: Sequence[Path]) -> str:
        """Use the user's own configuration, if it says where providers come from."""
        for file in user_configurations(self.context.variables):
            ours = file == self.project.terraform_configuration
            if not ours and "provider_installation" in file.read_text(errors="replace"):
                self._record("user", configuration=file, files=[])
                return f"{host} does not answer: providers come from where {file} says"
        wanted = f"{'.'.join(map(str, AWS.oldest))} or later, before {AWS.before[0]}.0.0"
        looked = "\n".join(f"    {tree / TREE}" for tree in trees if tree.is_dir())
        msg = (
            f"providers: {host}: must answer, or a folder {TREE} on this machine must have "
            f"{AWS.source} {wanted}, for {platform_name()}, got neither; allow access to the "
            "registry, or make such a folder with `terraform providers mirror` and put it into "
            f"{Path.home() / '.terraform.d' / 'plugins'}; these were looked into:\n{looked}"
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
