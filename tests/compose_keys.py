"""Which keys the table of Compose keys supports, and which of them a Compose file has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from constructs_lib.compose.support import Key


def supported(keys: Mapping[str, Key], where: str = "") -> Iterator[str]:
    """Find the supported keys that have no keys inside, such as `services.logging.driver`."""
    for name, key in keys.items():
        if key.inside is not None:
            yield from supported(key.inside, f"{where}{name}.")
        elif key.how == "yes":
            yield f"{where}{name}"


def used(value: object, keys: Mapping[str, Key], where: str = "") -> Iterator[str]:
    """Find those of them that have a value in what `docker compose config` says."""
    for name, item in value.items() if isinstance(value, dict) else ():
        key = keys.get(name)
        if key is None or item in (None, "", [], {}):
            continue
        if key.inside is None:
            yield f"{where}{name}"
            continue
        parts: list[Any] = [item]
        if key.shape == "list" and isinstance(item, list):
            parts = item
        elif key.shape == "map" and isinstance(item, dict):
            parts = list(item.values())
        for part in parts:
            yield from used(part, key.inside, f"{where}{name}.")
