"""What the sandbox raises."""

from __future__ import annotations

from typing import Final

import requests
from docker.errors import DockerException

ENGINE_ERRORS: Final = (DockerException, requests.RequestException)
"""What the docker SDK raises: its own, and those of a connection that breaks or takes too long."""


class SandboxError(Exception):
    """The sandbox cannot do what was asked.

    The text is made for the person at the terminal and says what to do:
    `SUBJECT: FIELD: what must be, got VALUE; remedy`. It may have several lines, where the
    first is the error and the rest is a log's end.
    """
