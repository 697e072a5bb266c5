"""Options of a service that are right by themselves, and that the engine refuses together.

Source: moby 26.1, `daemon/daemon_unix.go` (`verifyPlatformContainerResources`) and
`runconfig/hostconfig.go` (`validateNetMode`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs_lib.compose import grammar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.compose.model import ComposeProject, Service


_LOG_OPTIONS: Final = {
    "json-file": (
        *("max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag"),
    ),
    "local": ("max-size", "max-file", "compress"),
}
"""Drivers of the engine itself, and their options. Others may be plugins."""
_LOG_OPTIONS_OF_ALL: Final = (
    *("mode", "max-buffer-size"),
    *("cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"),
)


def combination_problems(project: ComposeProject) -> Iterator[str]:
    """Find options that do not go together.

    Args:
        project: The services.

    Yields:
        Where it stands, and what is wrong.
    """
    for service in project.services.values():
        yield from _memory(service)
        yield from _network_of_another(service)
        yield from _logging(service)
        if service.build is not None and service.image is None:
            name = f"{project.name}-{service.name}"
            if grammar.wrong_image(name):
                yield (
                    f"services.{service.name}.image: must name what is built here, since {name} is "
                    "no name for an image; set one in lower case"
                )


def _memory(service: Service) -> Iterator[str]:
    where = f"services.{service.name}"
    limit, reserved = service.options.memory_mib, service.options.memory_reservation_mib
    swap = service.options.memory_swap_mib
    if limit and reserved and reserved > limit:
        yield (
            f"{where}.mem_reservation: must be at most the limit of memory, {limit}m, got "
            f"{reserved}m"
        )
    if swap is None or swap == 0:
        return
    if not limit and swap > 0:
        yield f"{where}.memswap_limit: must stand beside mem_limit, got {swap}m alone"
    elif limit and 0 < swap < limit:
        yield (
            f"{where}.memswap_limit: must be at least mem_limit, since it is memory and swap "
            f"together, got {swap}m, and mem_limit {limit}m"
        )


def _network_of_another(service: Service) -> Iterator[str]:
    mode = service.options.network_mode or ""
    if service.shares_network is None and not mode.startswith("container:"):
        return
    for key, value in (
        ("hostname", service.hostname),
        ("dns", service.options.dns),
        ("extra_hosts", service.options.extra_hosts),
    ):
        if value:
            yield (
                f"services.{service.name}.{key}: must not be set with the network of another "
                f"container, got {_shown(value)}; set it where the network is"
            )


def _logging(service: Service) -> Iterator[str]:
    known = _LOG_OPTIONS.get(service.options.log_driver or "", ())
    for name in service.options.log_options if known else ():
        if name not in (*known, *_LOG_OPTIONS_OF_ALL):
            yield (
                f"services.{service.name}.logging.options.{name}: must be an option of "
                f"{service.options.log_driver}, {', '.join(known)}, got {name!r}"
            )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join("=".join(part) if isinstance(part, tuple) else str(part) for part in value)
    return str(value)
