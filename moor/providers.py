"""The providers of an environment: what is locked, where they come from, and what would be new."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moor.failure import CommandError
from moor.toolchain import provider_lock
from moor.toolchain.provider_choice import chosen
from moor.toolchain.provider_lock import GO, SUMS
from moor.toolchain.toolchain import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from moor.toolchain.provider_lock import Provider
    from moor.toolchain.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A provider of a stack.

    Attributes:
        stack: The stack.
        name: The provider's full name.
        version: The version that is locked; empty where none is yet.
        origin: Where it comes from on this computer.
        pinned: What it is known by.
    """

    stack: str
    name: str
    version: str
    origin: str
    pinned: str


def locked(stacks: Sequence[Stack], variables: Mapping[str, str]) -> list[Locked]:
    """Return the providers of stacks, as they are kept.

    Raises:
        LockError: A lock cannot be read.
        OSError: A file cannot be read.
    """
    return [
        Locked(
            stack=stack.name,
            name=name,
            version=provider.version,
            origin=_origin(name, variables),
            pinned=_pinned(provider),
        )
        for stack in stacks
        for name, provider in sorted(kept_of(stack, variables).items())
    ]


def kept_of(stack: Stack, variables: Mapping[str, str]) -> dict[str, Provider]:
    """Return the lock of a stack that is kept; empty where there is none yet."""
    file = provider_lock.kept_file(stack.folder, variables)
    return provider_lock.read(file) if file else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """What a stack's providers would be from now on.

    Attributes:
        stack: The stack.
        lock: The new lock.
        changes: What is new, a line each; empty where nothing is.
    """

    stack: Stack
    lock: Mapping[str, Provider]
    changes: tuple[str, ...]

    def accept(self, variables: Mapping[str, str]) -> None:
        """Keep the new lock.

        Raises:
            OSError: It cannot be written.
        """
        file = provider_lock.kept_file(self.stack.folder, variables)
        if file is not None:
            provider_lock.write_kept(file, self.lock)


def upgrade(terraform: Path, stack: Stack, variables: Mapping[str, str]) -> Upgrade:
    """Find the newest providers that a stack's configuration allows.

    Nothing of the stack is touched, and no provider is started.

    Args:
        terraform: The Terraform or OpenTofu binary.
        stack: The stack, synthesized.
        variables: The environment variables for Terraform.

    Raises:
        CommandError: They cannot be found.
        LockError: The lock that is kept cannot be read.
    """
    found, said = chosen(terraform, stack.document(), variables)
    if found is None:
        raise CommandError(f"{stack.name}: the providers must be found, got:\n{said}")
    built = provider_lock.built(variables)
    lock = {name: provider_lock.as_kept(name, p, built) for name, p in found.items()}
    old = kept_of(stack, variables)
    changes = []
    for name, provider in sorted(lock.items()):
        if name not in old:
            changes.append(f"{stack.name}: {name} {provider.version}, {_pinned(provider)}: new")
        elif change := provider_lock.difference(old[name], provider):
            changes.append(f"{stack.name}: {name} {change.replace('must', 'had to')}")
        else:
            # What is known of it elsewhere stays: other platforms have other checksums.
            more = {*old[name].hashes, *provider.hashes}
            lock[name] = provider._replace(hashes=tuple(sorted(more)))
    gone = old.keys() - lock.keys()
    changes += [f"{stack.name}: {name} {old[name].version}: no longer needed" for name in gone]
    return Upgrade(stack=stack, lock=lock, changes=tuple(changes))


def _pinned(provider: Provider) -> str:
    if sums := provider.pin(SUMS):
        return f"sources of go.sum {sums[:12]}, built with Go {provider.pin(GO)} when it was locked"
    count = len(provider.checksums)
    first = min(provider.checksums) if count else "no checksum"
    return first if count < 2 else f"{first} and {count - 1} more"  # noqa: PLR2004


def _origin(name: str, variables: Mapping[str, str]) -> str:
    built = provider_lock.built(variables)
    if built and name.endswith(f"/{built['source']}"):
        return f"built here from setup/provider with Go {built['go']}"
    try:
        record = json.loads((ROOT / ".tools" / "terraform.json").read_text(encoding="utf-8"))
        source, files = record["providers"]["source"], record["providers"]["files"]
        configuration = record["configuration"]
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
    for file in files:
        if f"/{name.split('/', 1)[1]}/" in file:
            return f"the folder {file}"
    return f"as {configuration} says" if source == "user" else name.split("/", 1)[0]
