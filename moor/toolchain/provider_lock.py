"""The providers that an environment works with: kept from its first `init` on.

Terraform's own lock file lies in the stack's folder, which is made anew by everyone who
synthesizes. So what it says is kept beside the environment's other files, is put back before each
`init`, and is only added to afterwards. Terraform then refuses another version, and a provider with
another checksum, by itself.

A provider that is built on this computer has no checksum that others could compare: another Go
makes another file of the same sources. What is kept of it is the digest of its `go.sum`, and with
which Go it was built. Here its file must be the one that was built: set-up recorded its checksum.

Run by the script `terraform` beside it, in the stack's folder, with Python's standard library only
and in isolated mode.

Source: Terraform's documentation, "Dependency Lock File".
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TERRAFORMS: Final = ".terraform.lock.hcl"
FOLDER: Final = "MOOR_LOCKS"
"""The variable with the folder where they are kept; without it nothing is kept."""
BUILT: Final = "MOOR_BUILT"
"""The variable with the record of the provider that was built here, if one was."""

SUMS: Final = "go.sum:"
GO: Final = "go:"
_PINS: Final = (SUMS, GO)
"""How what stands for sources begins, among checksums such as `h1:` and `zh:`."""

_PROVIDER: Final = re.compile(r'^provider "([^"]+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_TEXT: Final = re.compile(r'^\s*(version|constraints)\s*=\s*"([^"]*)"', re.MULTILINE)
_HASH: Final = re.compile(r'^\s*"([^"]+)",', re.MULTILINE)

_HEADER: Final = """\
# The providers of this environment. Commit or share it, so that others get the same; Terraform
# refuses what is another one, and `moor providers upgrade` accepts that.
"""
_BUILT_HERE: Final = """
# Built on each computer from the sources that setup/provider/go.sum names, whose SHA-256 is here,
# and with that Go. Another Go makes another file of the same sources, so that no checksum is kept.
"""


class Provider(NamedTuple):
    """A provider that is locked.

    Attributes:
        version: Its version.
        constraints: Which versions the configuration allows.
        hashes: Checksums of its packages, and what stands for its sources.
    """

    version: str
    constraints: str = ""
    hashes: tuple[str, ...] = ()

    @property
    def checksums(self) -> frozenset[str]:
        """Its checksums alone."""
        return frozenset(h for h in self.hashes if not h.startswith(_PINS))

    def pin(self, kind: str) -> str:
        """Return what stands for its sources; empty where nothing does."""
        return next((h.removeprefix(kind) for h in self.hashes if h.startswith(kind)), "")


class LockError(ValueError):
    """A provider is another one than the one that was kept."""


def main(arguments: Sequence[str]) -> int:
    """Put the lock in its place (`place`), or keep what `init` has locked (`keep`).

    Returns:
        The exit status: 1 where a provider is another one, or the lock cannot be read or written.
    """
    act = place if list(arguments) == ["place"] else keep
    try:
        act(Path.cwd(), os.environ)
    except (LockError, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


def kept_file(folder: Path, variables: Mapping[str, str]) -> Path | None:
    """Return where the lock of a stack is kept.

    Args:
        folder: The stack's folder.
        variables: The environment variables.
    """
    return Path(variables[FOLDER], f"{folder.name}.lock.hcl") if variables.get(FOLDER) else None


def place(folder: Path, variables: Mapping[str, str]) -> None:
    """Put what is kept into a stack's folder, where it is not there.

    Args:
        folder: The stack's folder.
        variables: The environment variables.

    Raises:
        LockError: A provider was built from other sources than those that are locked.
        OSError: A file cannot be read or written.
    """
    file = kept_file(folder, variables)
    kept = read(file) if file else {}
    if file is None or not kept:
        return
    here = built(variables)
    for name, provider in kept.items():
        _check_sources(file, name, provider, here)
    wanted = {name: _as_here(name, provider, here) for name, provider in kept.items()}
    there = read(folder / TERRAFORMS)
    if there and all(
        there[name].version == provider.version
        and (not provider.hashes or set(there[name].hashes) == set(provider.hashes))
        for name, provider in wanted.items()
        if name in there
    ):
        return
    _write(folder / TERRAFORMS, rendered(wanted))


def keep(folder: Path, variables: Mapping[str, str]) -> None:
    """Keep what `init` has locked; what was kept before is only added to.

    Args:
        folder: The stack's folder.
        variables: The environment variables.

    Raises:
        LockError: A provider is another one than the one that was kept.
        OSError: A file cannot be read or written.
    """
    file = kept_file(folder, variables)
    if file is None:
        return
    there, kept, here = read(folder / TERRAFORMS), read(file), built(variables)
    result = dict(kept)
    for name, provider in there.items():
        new, old = as_kept(name, provider, here), kept.get(name)
        if old is None:
            result[name] = new
            continue
        _check_sources(file, name, old, here)
        if change := difference(old, new):
            raise LockError(refusal(file, name, change))
        pins = [kind for kind in _PINS if old.pin(kind)]
        more = [h for h in new.hashes if not h.startswith(tuple(pins))] if pins else new.hashes
        hashes = tuple(sorted({*old.hashes, *more}))
        result[name] = Provider(new.version, new.constraints, hashes)
    if result != kept:
        write_kept(file, result)


def difference(old: Provider, new: Provider) -> str:
    """Say how a provider differs from the one that was kept; nothing where it does not."""
    if old.version != new.version:
        return f"must be {old.version}, got {new.version}"
    if old.checksums and new.checksums and not old.checksums & new.checksums:
        return (
            f"{old.version}: must have one of the checksums {_listed(old.checksums)}, "
            f"got {_listed(new.checksums)}"
        )
    if old.pin(SUMS) and new.pin(SUMS) and old.pin(SUMS) != new.pin(SUMS):
        return (
            f"{old.version}: must be built from the sources of go.sum {old.pin(SUMS)[:12]}, "
            f"got {new.pin(SUMS)[:12]}"
        )
    return ""


def refusal(file: Path, name: str, change: str) -> str:
    """Return the message about a provider that is another one."""
    return f"{file}: {name} {change}; if that is meant, accept it: moor providers upgrade"


def as_kept(name: str, provider: Provider, built: Mapping[str, Any]) -> Provider:
    """Return what is kept of a provider that Terraform has locked.

    Args:
        name: Its full name.
        provider: It, as Terraform has locked it.
        built: The record of the provider that was built here; empty where none was.
    """
    if not _is_built(name, built):
        return provider
    pins = (f"{SUMS}{built['sums']}", f"{GO}{built['go']}")
    return Provider(provider.version, provider.constraints, pins)


def read(file: Path) -> dict[str, Provider]:
    """Read a lock file, Terraform's or one that is kept; empty where there is none.

    Raises:
        LockError: It is no lock file.
        OSError: It cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    found = {}
    for name, body in _PROVIDER.findall(text):
        values = dict(_TEXT.findall(body))
        if "version" in values:
            found[name] = Provider(
                values["version"], values.get("constraints", ""), tuple(_HASH.findall(body))
            )
    if len(found) != len(re.findall(r"^\s*provider\b", text, re.MULTILINE)):
        raise LockError(
            f"{file}: must be a lock file as Terraform writes it, got something else; take it from "
            "where you share it, or remove it to lock what is there now"
        )
    return found


def rendered(lock: Mapping[str, Provider]) -> str:
    """Return a lock as Terraform writes it."""
    return "\n".join(_block(name, provider) for name, provider in sorted(lock.items()))


def write_kept(file: Path, lock: Mapping[str, Provider]) -> None:
    """Write the lock that is kept.

    Raises:
        OSError: It cannot be written.
    """
    parts = [_HEADER]
    for name, provider in sorted(lock.items()):
        parts.append(f"{_BUILT_HERE if provider.pin(SUMS) else chr(10)}{_block(name, provider)}")
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(file, "".join(parts))


def _block(name: str, provider: Provider) -> str:
    lines = [f'provider "{name}" {{', f'  version     = "{provider.version}"']
    if provider.constraints:
        lines.append(f'  constraints = "{provider.constraints}"')
    if provider.hashes:
        lines += ["  hashes = [", *(f'    "{h}",' for h in sorted(provider.hashes)), "  ]"]
    return "\n".join([*lines, "}", ""])


def _write(file: Path, text: str) -> None:
    new = file.with_name(f"{file.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def _listed(hashes: frozenset[str]) -> str:
    # `h1` is of the files, and the same from wherever they come.
    first = min(hashes)
    return first if len(hashes) == 1 else f"{first} and {len(hashes) - 1} more"


def built(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the record of the provider that was built here; empty where none was.

    Raises:
        LockError: It is damaged.
        OSError: It cannot be read.
    """
    if not variables.get(BUILT):
        return {}
    file = Path(variables[BUILT])
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if all(isinstance(record[key], str) for key in ("source", "go", "sums", "checksum")):
            return dict(record)
    except (ValueError, KeyError, TypeError):
        pass
    raise LockError(f"{file}: must be a record of set-up's, got something else; run `make setup`")


def _is_built(name: str, built: Mapping[str, Any]) -> bool:
    return bool(built) and name.endswith(f"/{built['source']}")


def _check_sources(file: Path, name: str, provider: Provider, built: Mapping[str, Any]) -> None:
    if _is_built(name, built):
        now = Provider(provider.version, "", (f"{SUMS}{built['sums']}",))
        if change := difference(provider, now):
            raise LockError(refusal(file, name, change))


def _as_here(name: str, provider: Provider, built: Mapping[str, Any]) -> Provider:
    """Return a provider as Terraform has to find it locked on this computer."""
    hashes: Sequence[str] = sorted(provider.checksums)
    if _is_built(name, built):
        hashes = (built["checksum"],)
    return Provider(provider.version, provider.constraints, tuple(hashes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
