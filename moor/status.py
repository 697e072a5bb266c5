"""What a person sees at the end: what runs, how to reach it, what to type next."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rich.table import Table

from constructs_lib.host import engine as machine_engine
from moor.failure import CommandError
from moor.outputs import Outputs, make_command
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from docker.models.containers import Container
    from docker.models.images import Image
    from rich.console import Console

    from constructs_lib.settings.environment import Environment
    from constructs_lib.settings.settings import Settings

_DIGEST_SHOWN: Final = 12

ANSWER_DEADLINE_SECONDS: Final = 120.0
"""How long a service may take after its container has started: real ones need a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    name: str
    state: str
    image: str
    url: str
    answer: str


def docker_variables(environment: Environment, outputs: Outputs) -> dict[str, str]:
    """Give the environment variables that point `docker` to the machine."""
    return {
        "DOCKER_HOST": outputs.docker_host,
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(environment.certificates),
    }


def show(
    environment: Environment, settings: Settings, outputs: Outputs, console: Console, *, wait: bool
) -> None:
    """Print the machine, its services and the next commands.

    Args:
        environment: The environment.
        settings: Its settings.
        outputs: What its last deployment told.
        console: Where to print.
        wait: Whether to wait until every service answers.

    Raises:
        CommandError: The Docker API does not answer, or a service stays silent.
    """
    services = _services(environment, outputs, wait=wait, console=console)
    where = "the sandbox on this computer" if settings.sandbox else settings.aws.region
    console.print(f"\n[bold]{environment.name}[/] runs in {where}, at {outputs.public_ip}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("service", "state", "address", "answers", "image"):
        # On a narrow screen on two lines, rather than cut: an address is for copying.
        table.add_column(column, overflow="fold", no_wrap=not console.is_terminal)
    for service in services:
        table.add_row(service.name, service.state, service.url, service.answer, service.image)
    console.print(table)
    console.print("\n[bold]next[/]")
    steps = Table(box=None, pad_edge=False, show_header=False)
    for command, meaning in (
        *((f"curl {url}", f"ask {name}") for name, url in outputs.services.items()),
        (f'eval "$({make_command(environment, "-s env")})"', "let docker talk to the machine"),
        (make_command(environment, "ssh"), "open a shell on it"),
        (make_command(environment, "status"), "see this again"),
        (make_command(environment, "down"), "destroy everything"),
    ):
        steps.add_row(f"  [cyan]{command}[/]", meaning)
    console.print(steps)


def _services(
    environment: Environment, outputs: Outputs, *, wait: bool, console: Console
) -> list[_Service]:
    try:
        client = machine_engine.connect(outputs.docker_host, environment.certificates)
        try:
            running = {c.name or "": c for c in client.containers.list(all=True)}
            names = {image.id: _image_name(image) for image in client.images.list()}
        finally:
            client.close()
    except ENGINE_ERRORS as error:
        raise CommandError(
            f"{outputs.docker_host}: the Docker API must answer, got: {error}; "
            f"run {make_command(environment, 'up')}"
        ) from None
    deadline = time.monotonic() + (ANSWER_DEADLINE_SECONDS if wait else 0)
    services = []
    for name, container in sorted(running.items()):
        url = _urls(outputs, name, container.labels)
        answer = _answer(url, deadline, console) if url and container.status == "running" else ""
        services.append(
            _Service(
                name=name,
                state=_state(container),
                image=names.get(container.attrs["Image"], ""),
                url=url,
                answer=answer,
            )
        )
    silent = [s.name for s in services if s.url and not s.answer]
    if wait and silent:
        raise CommandError(
            f"{', '.join(silent)}: must answer within {ANSWER_DEADLINE_SECONDS:.0f} s, got "
            f"silence; look with: docker logs {silent[0]}"
        )
    return services


def _urls(outputs: Outputs, name: str, labels: dict[str, str]) -> str:
    """Give the address of a container's service; of several replicas the first has it."""
    service = labels.get("com.docker.compose.service", name)
    number = labels.get("com.docker.compose.container-number", "1")
    return outputs.services.get(service, "") if number == "1" else ""


def _image_name(image: Image) -> str:
    """Give the name of an image, or where it was pulled by its digest the repository and that."""
    if image.tags:
        return str(image.tags[0])
    digests = image.attrs.get("RepoDigests") or [""]
    repository, _, digest = str(digests[0]).partition("@sha256:")
    return f"{repository}@{digest[:_DIGEST_SHOWN]}" if digest else ""


def _state(container: Container) -> str:
    """Give the state of a container, with its health where it has a healthcheck."""
    health = (container.attrs.get("State") or {}).get("Health")
    return f"{container.status} ({health['Status']})" if health else str(container.status)


def _answer(url: str, deadline: float, console: Console) -> str:
    """Ask a service until it answers; give the status of its answer, or nothing."""
    parts = urlsplit(url)
    told = time.monotonic() + 2
    while True:
        try:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
            connection.request("GET", parts.path or "/")
            response = connection.getresponse()
            connection.close()
        except (OSError, http.client.HTTPException):
            now = time.monotonic()
            if now >= deadline:
                return ""
            if now >= told:
                console.print(f"waiting for {url} ...")
                told = deadline
            time.sleep(0.1)
        else:
            return f"{response.status} {response.reason}"
