"""Many services that run few images: how many resources are left when they share them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import yaml

from moor.toolchain.toolchain import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SERVICES: Final = 57
_NUMBER_OF_IMAGES: Final = 3
"""Each third service builds one context, and the others run one of two images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What there is of images.

    Attributes:
        images: All of them.
        lookups: How often a registry is asked what a tag stands for.
        builds: How often something is built.
    """

    images: int
    lookups: int
    builds: int

    @classmethod
    def of_services(cls) -> Self:
        """Count them as if each service had its own."""
        built = len(range(0, SERVICES, _NUMBER_OF_IMAGES))
        return cls(images=SERVICES, lookups=SERVICES - built, builds=built)

    @classmethod
    def of_resources(cls, configuration: Path) -> Self:
        """Count the resources of a Docker stack.

        Args:
            configuration: Its `cdk.tf.json`.
        """
        document = json.loads(configuration.read_text(encoding="utf-8"))
        steps: dict[str, Any] = document["resource"].get("terraform_data", {})
        return cls(
            images=len(document["resource"]["docker_image"]),
            lookups=len(document["data"].get("docker_registry_image", {})),
            builds=sum("constructs_lib.compose.build" in json.dumps(s) for s in steps.values()),
        )


def shared_settings(folder: Path) -> Path:
    """Write settings with services of which many run the same image.

    Args:
        folder: An empty folder.

    Returns:
        The settings file.
    """
    runs: tuple[dict[str, str], ...] = (
        {"build": "./image"},
        {"image": "registry.example/one:1.0"},
        {"image": "registry.example/other:1.0"},
    )
    services = {
        f"service-{number:02}": {
            **runs[number % _NUMBER_OF_IMAGES],
            "environment": {"NUMBER": str(number)},
        }
        for number in range(SERVICES)
    }
    (folder / "image").mkdir()
    (folder / "image" / "Dockerfile").write_text(
        "FROM registry.example/one:1.0\nCOPY page /page\n", encoding="utf-8"
    )
    (folder / "image" / "page").write_text("a page\n", encoding="utf-8")
    (folder / "compose.yaml").write_text(yaml.safe_dump({"services": services}), encoding="utf-8")
    document = yaml.safe_load((ROOT / "environments" / "sandbox.yaml").read_text(encoding="utf-8"))
    document.pop("variables", None)
    document["services"] = str(folder / "compose.yaml")
    settings = folder / "shared.yaml"
    settings.write_text(yaml.safe_dump(document), encoding="utf-8")
    return settings
