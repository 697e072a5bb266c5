"""A connection to a Docker engine, made so that nothing is left open where none answers."""

from __future__ import annotations

import socket
from typing import Final

import docker
from docker.errors import DockerException

_ANSWER_TIMEOUT: Final = 120
"""Seconds to wait for one answer of the engine: a build step or a container's stop is long."""


def connect(url: str) -> docker.DockerClient:
    """Connect to an engine.

    Args:
        url: `unix://…` or `tcp://…`.

    Raises:
        DockerException: It does not answer.
    """
    if url.startswith("unix://"):
        # First by hand: the library leaves a socket open where nobody answers.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(url.removeprefix("unix://"))
            except OSError as error:
                msg = f"{url}: {error.strerror}"
                raise DockerException(msg) from error
    client = docker.DockerClient(base_url=url, version="auto", timeout=_ANSWER_TIMEOUT)
    client.ping()
    return client
