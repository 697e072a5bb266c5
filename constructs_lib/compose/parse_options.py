"""The options of a container, read from a service along the table of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constructs_lib.compose.convert import (
    UnusableError,
    cdi_devices,
    text_list,
    text_map,
    whole,
)
from constructs_lib.compose.support import SERVICE
from constructs_lib.docker.container_options import ContainerOptions, DeviceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from constructs_lib.compose.errors import Problems
    from constructs_lib.compose.parse_files import Mounts
    from constructs_lib.compose.support import Key


def read_options(
    raw: Mapping[str, Any], where: str, mounts: Mounts, max_retries: int, problems: Problems
) -> ContainerOptions:
    """Read the options of a service.

    The table of keys says which key becomes which option. What takes more than one key to know
    is here.

    Args:
        raw: The service.
        where: Its place in the file, for messages.
        mounts: Its mounts.
        max_retries: How often it is restarted; 0 is no limit.
        problems: Gets what is wrong.
    """
    found = dict(_options(raw, SERVICE, where, problems))
    _settle_program(found, where, problems)
    for key in ("cpu_period", "cpu_quota"):
        if found.get(key) and "cpus" in found:
            problems.add(
                f"{where}.{key}", f"must not stand beside cpus, got {found[key]}; use cpus"
            )
    cdi = cdi_devices(raw.get("devices") or ())
    resources = (raw.get("deploy") or {}).get("resources") or {}
    reserved = (resources.get("reservations") or {}).get("devices") or ()
    return ContainerOptions(
        **found,
        max_retries=max_retries,
        device_requests=(
            *((DeviceRequest(driver="cdi", ids=cdi),) if cdi else ()),
            *(
                _device_request(request, f"{where}.gpus[{index}]", problems, "gpu")
                for index, request in enumerate(raw.get("gpus") or ())
            ),
            *(
                _device_request(
                    request, f"{where}.deploy.resources.reservations.devices[{index}]", problems
                )
                for index, request in enumerate(reserved)
            ),
        ),
        host_mounts=tuple(mounts.host),
        tmpfs_mounts=tuple(mounts.tmpfs),
        anonymous_volumes=tuple(mounts.anonymous),
    )


def _settle_program(found: dict[str, Any], where: str, problems: Problems) -> None:
    """Say what is run such that the provider can: it hands on neither nothing nor empty arguments.

    What the engine runs is the entry point with the command behind it, whichever of the two a word
    stands in. Only the image's own entry point is not known here.

    Source: the provider's `resourceDockerContainerCreate`; moby's `merge` in `daemon/commit.go` and
    `mergeAndVerifyConfig`, which takes an entry point of one empty word for none.
    """
    entrypoint, command = found.pop("entrypoint", None), found.pop("command", None) or ()
    if entrypoint in ((), ("",)):
        if command in ((), ("",)):
            problems.add(
                f"{where}.entrypoint",
                f"must have a word where command has none, got {list(entrypoint)}; name the "
                "program in command",
            )
            return
        entrypoint, command = command, ()
    elif "" in command:
        if entrypoint is None:
            problems.add(
                f"{where}.command",
                f"must have no empty argument without an entrypoint, got {list(command)}; name the "
                "image's entry point in entrypoint, or the program where the image has none",
            )
            return
        entrypoint, command = (*entrypoint, *command), ()
    # An empty command is none to the engine: the image's counts, as it does for Compose.
    found |= {"entrypoint": entrypoint} if entrypoint else {}
    found |= {"command": command} if command else {}


def _options(
    raw: Mapping[str, Any], keys: Mapping[str, Key], where: str, problems: Problems
) -> Iterator[tuple[str, Any]]:
    # What `deploy` says counts more than the keys of the service itself, so it comes last.
    for name in sorted(raw, key="deploy".__eq__):
        key, value = keys.get(name), raw[name]
        if key is None or value is None:
            continue
        if key.option:
            try:
                option = key.read(value)
            except UnusableError as error:
                for problem in error.problems:
                    problems.add(f"{where}.{name}", problem)
                for inside, problem in error.inside.items():
                    problems.add(f"{where}.{name}.{inside}", problem)
                continue
            if option is not None:
                yield key.option, option
        elif key.inside is not None and key.shape == "one" and isinstance(value, dict):
            yield from _options(value, key.inside, f"{where}.{name}", problems)


def _device_request(
    raw: Mapping[str, Any], where: str, problems: Problems, *always: str
) -> DeviceRequest:
    count, ids = 0, text_list(raw.get("device_ids") or ())
    try:
        count = whole(raw.get("count") or 0, least=-1, most=2**31 - 1)
    except UnusableError as error:
        problems.add(f"{where}.count", f"{error.problems[0]}; all is all of them")
    if count and ids:
        problems.add(f"{where}.count", f"must not stand beside device_ids, got {count}; use one")
    return DeviceRequest(
        driver=str(raw.get("driver") or ""),
        count=count,
        ids=ids,
        capabilities=(*text_list(raw.get("capabilities") or ()), *always),
        options=text_map(raw.get("options") or {}),
    )
