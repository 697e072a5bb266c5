"""Providers in a folder tree, as mirrors have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setup.provider_mirror import platform_name

if TYPE_CHECKING:
    from pathlib import Path

PLATFORM = platform_name()


def unpacked(tree: Path, source: str, version: str, platform: str = PLATFORM) -> Path:
    folder = tree / "registry.terraform.io" / source / version / platform
    folder.mkdir(parents=True)
    name = source.rpartition("/")[2]
    (folder / f"terraform-provider-{name}_v{version}_x5").write_bytes(b"binary " + name.encode())
    return folder


def packed(tree: Path, source: str, version: str, platform: str = PLATFORM) -> Path:
    folder = tree / "registry.terraform.io" / source
    folder.mkdir(parents=True, exist_ok=True)
    name = source.rpartition("/")[2]
    path = folder / f"terraform-provider-{name}_{version}_{platform}.zip"
    path.write_bytes(b"zip " + name.encode())
    return path
