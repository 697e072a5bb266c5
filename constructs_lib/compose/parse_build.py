"""How the images of a Compose file are built, from what `docker compose config` says to values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.convert import text_map
from constructs_lib.compose.model import Build, BuildSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs_lib.compose.errors import Problems

REMOTE: Final = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/")
"""What a context begins with that the builder fetches by itself.

Source: Docker's "Build context", and `urlutil` of Compose.
"""

_PASSED_ON: Final = (
    "entitlements", "extra_hosts", "labels", "network", "no_cache", "pull", "shm_size", "tags",
    "ulimits",
)  # fmt: skip
"""Keys that the builder gets as they are."""

_READ_CACHES: Final = ("registry", "local")
"""Caches that the engine's own builder can read; those of services it does not know."""

_INSECURE: Final = (
    "must not have more rights than the machine's builder grants, got {value}; do what needs "
    "them when the container runs"
)


def read_build(
    raw: Mapping[str, Any] | None,
    where: str,
    document: Mapping[str, Any],
    platform: str | None,
    problems: Problems,
) -> Build | None:
    """Read the `build` of a service.

    Args:
        raw: It, or None.
        where: Its place in the file, for messages.
        document: The whole file, which says where secrets are, and what the services are.
        platform: The service's platform.
        problems: Gets what is wrong.
    """
    if raw is None:
        return None
    context, inline = str(raw.get("context", "")), raw.get("dockerfile_inline")
    dockerfile = str(raw.get("dockerfile") or "Dockerfile")
    if not REMOTE.match(context):
        _check_files(Path(context), dockerfile, inline, where, problems)
    contexts = text_map(raw.get("additional_contexts") or {})
    _check_contexts(contexts, where, document, problems)
    for right in raw.get("entitlements") or ():
        if right != "network.host":
            problems.add(f"{where}.entitlements", _INSECURE.format(value=right))
    options = {key: raw[key] for key in _PASSED_ON if raw.get(key)}
    if cache := [c for c in raw.get("cache_from") or () if _can_read(str(c))]:
        options["cache_from"] = cache
    if "type=inline" in (raw.get("cache_to") or ()):
        options["cache_to"] = ["type=inline"]
    if keys := raw.get("ssh"):
        # Compose writes a key's path in another way than it reads it, and in an order of chance.
        options["ssh"] = sorted(str(key).replace(": ", "=", 1) for key in keys)
    platforms = list(raw.get("platforms") or ())
    return Build(
        context=context,
        project_folder=str(document.get("folder") or ""),
        dockerfile=dockerfile,
        dockerfile_inline=inline,
        args=text_map({k: v for k, v in (raw.get("args") or {}).items() if v is not None}),
        target=raw.get("target") or None,
        # Of several there can be one image only: the machine's own.
        platform=platform or (str(platforms[0]) if len(platforms) == 1 else None),
        contexts=contexts,
        secrets=_secrets(raw, where, document, problems),
        options=options,
    )


def _check_files(
    folder: Path, dockerfile: str, inline: str | None, where: str, problems: Problems
) -> None:
    if not folder.is_dir():
        problems.add(f"{where}.context", f"must be a folder, got no such folder as {folder}")
    elif inline is None and not (folder / dockerfile).is_file():
        problems.add(
            f"{where}.dockerfile", f"must be a file in {folder}, got none named {dockerfile}"
        )


def _check_contexts(
    contexts: Mapping[str, str], where: str, document: Mapping[str, Any], problems: Problems
) -> None:
    for name, source in contexts.items():
        kind, _, rest = source.partition(":")
        if kind == "service":
            if rest not in (document.get("services") or {}):
                problems.add(
                    f"{where}.additional_contexts.{name}",
                    f"must name a service of this file, got {source}",
                )
        elif kind != "oci-layout" and not REMOTE.match(source) and not Path(source).exists():
            problems.add(
                f"{where}.additional_contexts.{name}",
                f"must be a folder, got no such folder as {source}",
            )


def _can_read(cache: str) -> bool:
    kind = re.search(r"(?:^|,)type=([^,]+)", cache)
    return kind is None or kind[1] in _READ_CACHES


def _secrets(
    raw: Mapping[str, Any], where: str, document: Mapping[str, Any], problems: Problems
) -> dict[str, BuildSecret]:
    found = {}
    for index, use in enumerate(raw.get("secrets") or ()):
        name = str(use["source"])
        definition = (document.get("secrets") or {}).get(name) or {}
        source, variable = definition.get("file"), definition.get("environment")
        if source is not None and not Path(source).is_file():
            problems.add(
                f"secrets.{name}.file",
                f"must be a file, got no such file as {source}; {where} needs it",
            )
        elif source is None and variable is None and not definition.get("external"):
            problems.add(
                f"{where}.secrets[{index}]", f"must name a secret of this file, got {name}"
            )
        found[name] = BuildSecret(
            target=str(use.get("target") or name),
            file=None if source is None else Path(source),
            variable=variable,
        )
    return found
