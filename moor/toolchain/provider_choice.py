"""Which providers Terraform would take, found out in a folder of its own.

Terraform says that a provider is not the one that is locked, and not what it is instead.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from moor.toolchain import provider_lock
from moor.toolchain.provider_lock import SUMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moor.toolchain.provider_lock import Provider


def chosen(
    terraform: Path,
    document: Mapping[str, Any],
    variables: Mapping[str, str],
    *,
    versions: Mapping[str, str] | None = None,
) -> tuple[dict[str, Provider] | None, str]:
    """Return what Terraform would lock for a configuration, were nothing locked.

    Args:
        terraform: The Terraform or OpenTofu binary.
        document: The configuration.
        variables: The environment variables for Terraform.
        versions: Versions that providers must have, by the last two parts of their names.

    Returns:
        The lock, or None where it takes none; and what it said.
    """
    required = json.loads(json.dumps(document.get("terraform", {}).get("required_providers", {})))
    for provider in required.values():
        source = str(provider["source"])
        version = (versions or {}).get(source if "/" in source else f"hashicorp/{source}")
        if version:
            provider["version"] = f"{provider.get('version', '>= 0')}, = {version}"
    with TemporaryDirectory(prefix="moor-providers-") as folder:
        text = json.dumps({"terraform": {"required_providers": required}})
        Path(folder, "main.tf.json").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [str(terraform), "init", "-backend=false", "-input=false", "-no-color"],
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            return None, done.stderr.strip()
        return provider_lock.read(Path(folder, provider_lock.TERRAFORMS)), done.stdout


def changes(
    terraform: Path, document: Mapping[str, Any], folder: Path, variables: Mapping[str, str]
) -> list[str]:
    """Say which providers are not those that are kept, and would be refused.

    Args:
        terraform: The Terraform or OpenTofu binary.
        document: The configuration.
        folder: The stack's folder.
        variables: The environment variables for Terraform.

    Returns:
        A line each, with the way out; nothing where the reason is another one.
    """
    file = provider_lock.kept_file(folder, variables)
    kept = provider_lock.read(file) if file else {}
    if file is None or not kept:
        return []
    versions = {name.split("/", 1)[1]: provider.version for name, provider in kept.items()}
    found, _ = chosen(terraform, document, variables, versions=versions)
    if found is None:
        # One of the versions is not to be had any more, or not allowed: see what is.
        found, _ = chosen(terraform, document, variables)
    built = provider_lock.built(variables)
    lines = []
    for name, old in sorted(kept.items()):
        if not found or name not in found:
            continue
        new = provider_lock.as_kept(name, found[name], built)
        if change := provider_lock.difference(old, new):
            lines.append(provider_lock.refusal(file, name, change))
        elif new.pin(SUMS) and built["checksum"] not in found[name].checksums:
            lines.append(
                f"{name} {new.version}: must be the file that set-up has built, "
                f"{built['checksum']}, got {min(found[name].checksums)}; remove .tools/providers "
                "and run `make setup`, which builds it anew"
            )
    return lines
