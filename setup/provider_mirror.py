"""Providers in folder trees: where such trees may be, what is in them, and copies of it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from setup.cli_configuration import folders_in
from setup.variables import home_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from setup.terraform import Kind

REGISTRIES: Final[dict[Kind, str]] = {
    "terraform": "registry.terraform.io",
    "tofu": "registry.opentofu.org",
}
"""The default registry of each kind, and the name of its folder in a mirror."""

TREE: Final = REGISTRIES["terraform"]
"""The folder that is looked for. The provider files are the same for both kinds."""

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


def candidate_trees(
    variables: Mapping[str, str], configurations: Iterable[str] = (), *, root: Path = Path("/")
) -> list[Path]:
    """Return the folders that may hold a folder `registry.terraform.io`.

    These are Terraform's own plugin folders, those that the user's CLI configuration names,
    and the places where machine images put them.

    Args:
        variables: The environment of the caller.
        configurations: The texts of the user's CLI configuration files.
        root: The root of the file system.

    Source:
        https://developer.hashicorp.com/terraform/cli/config/config-file, "Implied Local Mirror
        Directories".
    """
    home = home_of(variables)
    data_home = Path(variables.get("XDG_DATA_HOME") or home / ".local" / "share")
    data = variables.get("XDG_DATA_DIRS") or os.pathsep.join(
        str(root / folder) for folder in ("usr/local/share", "usr/share")
    )
    named = [Path(variables[name]) for name in ("TF_PLUGIN_CACHE_DIR",) if variables.get(name)]
    for text in configurations:
        named += folders_in(text)
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
            found = None
            with suppress(OSError):  # a folder that this user may not read
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
