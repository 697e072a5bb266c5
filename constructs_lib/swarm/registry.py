"""The swarm's own image registry: a service on one node, which takes nodes and nobody else.

It speaks TLS with a certificate of the environment's authority, and wants one of the same authority
from whoever asks. A machine has that: the certificate of its Docker API. The machines' group lets
only machines at its port, and the certificate keeps out what runs on them.

Source: CNCF Distribution, "Configuring a registry", `http.tls.clientcas`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import yaml

from constructs_lib.compose.model import (
    ComposeProject,
    Delivery,
    Deploy,
    NamedMount,
    Port,
    Service,
    VolumeDefinition,
)
from constructs_lib.docker.container_options import ContainerOptions
from constructs_lib.host.registry_place import REGISTRY_NAME, REGISTRY_PORT
from constructs_lib.swarm.node import NAME_LABEL

if TYPE_CHECKING:
    from pathlib import Path

_DATA: Final = "/var/lib/registry"
_CONFIGURATION: Final = "/etc/moor-registry/config.yml"
_AUTHORITY: Final = "/etc/moor-registry/ca.pem"
_CERTIFICATE: Final = "/etc/moor-registry/cert.pem"
_KEY: Final = "/run/secrets/registry-key.pem"
_VOLUME: Final = "registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What a swarm's own registry is made of.

    Attributes:
        image: The registry's image: CNCF Distribution, version 2 or 3.
        node: The name of the node that it runs on, and has its storage.
        machine: That node's machine (a token): another one has none of the images.
        certificate: Its certificate, for `REGISTRY_NAME`.
        key: Its private key.
        authority: The authority's certificate, whose clients it takes.
    """

    image: str
    node: str
    machine: str
    certificate: Path
    key: Path
    authority: Path


def registry_service(project: ComposeProject, registry: Registry) -> tuple[ComposeProject, Service]:
    """Return the registry as a service, and a project that has it and its volume alone.

    Args:
        project: The project whose swarm it is.
        registry: What it is made of.
    """
    configuration = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": _DATA}, "delete": {"enabled": True}},
        "http": {
            "addr": f":{REGISTRY_PORT}",
            "tls": {
                "certificate": _CERTIFICATE,
                "key": _KEY,
                "clientcas": [_AUTHORITY],
                "minimumtls": "tls1.2",
            },
        },
    }
    service = Service(
        name=REGISTRY_NAME,
        image=registry.image,
        options=ContainerOptions(command=("serve", _CONFIGURATION)),
        ports=(
            Port(target=REGISTRY_PORT, published=(REGISTRY_PORT, REGISTRY_PORT), protocol="tcp"),
        ),
        mounts=(NamedMount(volume=_VOLUME, path=_DATA),),
        deliveries=(
            Delivery(path=_CONFIGURATION, content=yaml.safe_dump(configuration)),
            Delivery(path=_AUTHORITY, source=registry.authority),
            Delivery(path=_CERTIFICATE, source=registry.certificate),
            Delivery(path=_KEY, source=registry.key, is_secret=True, mode="0400"),
        ),
        deploy=Deploy(is_global=True, constraints=(f"node.labels.{NAME_LABEL}=={registry.node}",)),
    )
    volume = VolumeDefinition(key=_VOLUME, name=f"{project.name}_{REGISTRY_NAME}")
    alone = ComposeProject(
        name=project.name,
        file=project.file,
        services={service.name: service},
        networks={},
        volumes={_VOLUME: volume},
    )
    return alone, service
