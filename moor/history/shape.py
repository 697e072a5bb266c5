"""What of a deployment a rollback cannot change: the machine, and the volumes with their data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from constructs_lib.compose.model import VolumeDefinition
    from constructs_lib.settings.settings import Settings

_OF_THE_MACHINE: Final = (
    "region",
    "instance_type",
    "image.architecture",
    "network",
    "root_volume",
    "data_volume",
    "machines",
)
"""The keys under `aws` without which a machine, or what data is kept on, would be another one."""

_OF_A_VOLUME: Final = ("name", "driver", "driver_opts", "external")


def of(settings: Settings) -> dict[str, Any]:
    """Return the shape of an environment's machine, by the settings' keys.

    Args:
        settings: The settings.
    """
    aws = settings.aws.model_dump(mode="json")
    found: dict[str, Any] = {}
    for key in _OF_THE_MACHINE:
        value: Any = aws
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            found[f"aws.{key}"] = value
    return {**found, "swarm": settings.is_swarm}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Say what of the machine's shape is another than it was.

    Args:
        then: The shape on record.
        now: The shape of the present settings.
    """
    for key in sorted({*then, *now}):
        if then.get(key) != now.get(key):
            yield (
                f"{key}: must be {_shown(then.get(key))}, as it was, got {_shown(now.get(key))}; "
                "a rollback changes services, and no machine: set it back, and run `moor up`"
            )


def volume_differences(
    then: Mapping[str, VolumeDefinition], now: Mapping[str, VolumeDefinition]
) -> Iterator[str]:
    """Say which volumes are not the ones that there were.

    Args:
        then: The volumes of the deployment on record, by their keys.
        now: The present ones.
    """
    for key in sorted({*then, *now}):
        if key not in now:
            yield (
                f"volumes.{key}: must be there, as it was, got nothing: its data went with it; "
                "add it to the Compose file, and run `moor up`"
            )
        elif key not in then:
            yield (
                f"volumes.{key}: must not be there, as it was not, got one with data that would be "
                "lost; back it up, and take it out of the Compose file by `moor up`"
            )
        else:
            for part in _OF_A_VOLUME:
                was, is_now = getattr(then[key], part), getattr(now[key], part)
                if was != is_now:
                    yield (
                        f"volumes.{key}.{part}: must be {_shown(was)}, as it was, got "
                        f"{_shown(is_now)}: it would be another volume, without the data"
                    )


def _shown(value: object) -> str:
    return "unset" if value is None else json.dumps(value, sort_keys=True, default=dict)
