"""The Docker engine on the machine, as the docker SDK sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import docker
from docker.tls import TLSConfig

if TYPE_CHECKING:
    from pathlib import Path

API_VERSION: Final = "1.40"
"""Spoken by every engine since Docker 19.03; asking for the newest takes a request more."""


def connect(docker_host: str, certificates: Path, *, timeout: int = 20) -> docker.DockerClient:
    """Return a client of the engine, over mutual TLS.

    Nothing is sent yet.

    Args:
        docker_host: `tcp://ADDRESS:PORT`.
        certificates: The folder with `ca.pem`, `cert.pem` and `key.pem`.
        timeout: How long an answer may take, in seconds.
    """
    tls = TLSConfig(
        client_cert=(str(certificates / "cert.pem"), str(certificates / "key.pem")),
        ca_cert=str(certificates / "ca.pem"),
        verify=True,
    )
    client = docker.DockerClient(
        base_url=docker_host, tls=tls, version=API_VERSION, timeout=timeout
    )
    # REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE would otherwise replace our own CA, and a proxy
    # would stand between.
    client.api.trust_env = False
    return client
