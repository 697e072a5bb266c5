"""What of a service becomes no option of a container, and has to be what the engine takes.

Options are looked at where they are converted; here is the rest: names, variables, mounts, images.
"""

from __future__ import annotations

import posixpath
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose import grammar
from constructs_lib.compose.convert import UnusableError, whole
from constructs_lib.compose.errors import ComposeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from constructs_lib.compose.errors import Problems

_MOST_REPLICAS: Final = 1000
"""A network of one engine has no room for more."""
_MOST_PROCESSES: Final = 2**22
"""The kernel has no higher numbers for processes."""


def refuse_null_characters(document: Mapping[str, Any], problems: Problems) -> None:
    """Refuse a character that ends a text for the kernel, before anything is done with one.

    Args:
        document: The whole file.
        problems: Gets what is wrong.

    Raises:
        ComposeError: There is one.
    """
    for where in _with_null(document, ""):
        problems.add(where, "must have no NUL character, got one; leave it out")
    if problems.found:
        raise ComposeError(problems.found)


def _with_null(value: object, where: str) -> Iterator[str]:
    # Not by recursion: extension keys may be nested as deep as anybody likes.
    left = [(where, value)]
    while left:
        path, item = left.pop()
        if isinstance(item, str) and "\0" in item:
            yield path
        elif isinstance(item, dict):
            for key, part in item.items():
                if "\0" in key:
                    yield path or "the top level"
                left.append((f"{path}.{key}" if path else str(key), part))
        elif isinstance(item, list):
            left.extend((f"{path}[{index}]", part) for index, part in enumerate(item))


def check_values(
    raw: Mapping[str, Any], where: str, problems: Problems, local: AbstractSet[str] = frozenset()
) -> None:
    """Look at a service.

    Args:
        raw: The service.
        where: Its place in the file, for messages.
        problems: Gets what is wrong.
        local: The targets of mounts whose source is a relative path.
    """
    for key, wrong in (
        ("container_name", grammar.wrong_object_name),
        ("hostname", grammar.wrong_host_name),
        ("image", grammar.wrong_image),
    ):
        problem = wrong(str(raw[key])) if raw.get(key) else None
        if problem:
            problems.add(f"{where}.{key}", problem)
    for name in raw.get("environment") or {}:
        problem = grammar.wrong_variable(name)
        if problem:
            problems.add(f"{where}.environment", problem)
    _check_mounts(raw, where, problems, local)
    for name, attachment in (raw.get("networks") or {}).items():
        _check_attachment(attachment or {}, f"{where}.networks.{name}", problems)


def _check_mounts(
    raw: Mapping[str, Any], where: str, problems: Problems, local: AbstractSet[str]
) -> None:
    seen: dict[str, str] = {}
    for path in raw.get("tmpfs") or ():
        seen[_clean(str(path).partition(":")[0])] = f"{where}.tmpfs"
    for index, mount in enumerate(raw.get("volumes") or ()):
        here = f"{where}.volumes[{index}]"
        target = str(mount.get("target", ""))
        if not target.startswith("/"):
            continue  # It is told where the mounts are read.
        path = _clean(target)
        if path == "/":
            problems.add(f"{here}.target", f"must be a path below /, got {target!r}")
        elif path in seen:
            problems.add(
                f"{here}.target", f"must be a path of its own, got {target}, as {seen[path]} has"
            )
        in_one_text = target not in local and _is_written_in_one_text(mount)
        for key in ("source", "target") if in_one_text else ():
            text = str(mount.get(key) or "")
            if ":" in text:
                problems.add(
                    f"{here}.{key}", f"must have no colon, which the engine reads, got {text!r}"
                )
        seen[path] = here


def makes_its_source(mount: Mapping[str, Any]) -> bool:
    """Tell whether a folder is made where a mount's source is missing.

    Compose hands a mount to the engine as one text, which makes it, unless something is said of
    `bind`, and not this.
    """
    how = mount.get("bind")
    return how is None or bool(how.get("create_host_path"))


def _is_written_in_one_text(mount: Mapping[str, Any]) -> bool:
    """Whether the engine is told of a mount as `SOURCE:TARGET:ro`, and not part by part."""
    if mount.get("type") == "bind":
        return makes_its_source(mount) and not (mount.get("bind") or {}).get("propagation")
    how = mount.get("volume") or {}
    return mount.get("type") == "volume" and not (how.get("nocopy") or how.get("subpath"))


def _clean(path: str) -> str:
    """Return a path as the engine compares it; two slashes at its beginning are one there."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def _check_attachment(raw: Mapping[str, Any], where: str, problems: Problems) -> None:
    found = [
        (key, wrong(str(text)))
        for key, wrong in (
            ("ipv4_address", partial(grammar.wrong_address, version=4)),
            ("ipv6_address", partial(grammar.wrong_address, version=6)),
            ("mac_address", grammar.wrong_mac_address),
            ("link_local_ips", grammar.wrong_address),
        )
        for text in (raw[key] if isinstance(raw.get(key), list) else [raw.get(key)])
        if text
    ]
    try:
        whole(raw.get("gw_priority") or 0)
    except UnusableError as error:
        found.append(("gw_priority", f"{error.problems[0]}; the provider takes no other"))
    for key, problem in found:
        if problem:
            problems.add(f"{where}.{key}", problem)


def read_whole(
    value: object, where: str, problems: Problems, *, most: int = 2**31 - 1, otherwise: int = 0
) -> int:
    """Read a whole number, 0 or more.

    Args:
        value: The number, or its text.
        where: Its place in the file, for messages.
        problems: Gets what is wrong.
        most: The largest that will do.
        otherwise: What is returned where it is none.
    """
    try:
        return whole(value, most=most)
    except UnusableError as error:
        problems.add(where, error.problems[0])
        return otherwise


def read_replicas(raw: Mapping[str, Any], where: str, problems: Problems) -> int:
    """Read how many containers a service has.

    Args:
        raw: The service.
        where: Its place in the file, for messages.
        problems: Gets what is wrong.
    """
    deploy = raw.get("deploy") or {}
    mode = deploy.get("mode") or "replicated"
    if mode not in ("replicated", "global"):
        problems.add(
            f"{where}.deploy.mode", f"must be replicated or global, got {mode!r}; use replicas"
        )
    for key, number in (("deploy.replicas", deploy.get("replicas")), ("scale", raw.get("scale"))):
        if number is not None:
            return read_whole(number, f"{where}.{key}", problems, most=_MOST_REPLICAS, otherwise=1)
    return 1


def read_pids_limit(raw: Mapping[str, Any], where: str, problems: Problems) -> int | None:
    """Read how many processes a service may have; None is no limit.

    Args:
        raw: The service.
        where: Its place in the file, for messages.
        problems: Gets what is wrong.
    """
    limits = ((raw.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    for key, limit in (
        ("deploy.resources.limits.pids", limits.get("pids")),
        ("pids_limit", raw.get("pids_limit")),
    ):
        if limit is None or str(limit) in ("0", "-1"):
            continue
        # Without a process it could not even start.
        return read_whole(limit, f"{where}.{key}", problems, most=_MOST_PROCESSES) or None
    return None


def subnets_without_ipv6(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find subnets of IPv6 that the engine passes over, since their network has no IPv6.

    Args:
        document: The whole file.

    Yields:
        Where it stands, and the subnet.
    """
    for name, network in (document.get("networks") or {}).items():
        if not network or network.get("enable_ipv6"):
            continue
        for index, pool in enumerate((network.get("ipam") or {}).get("config") or ()):
            subnet = grammar.as_network(str(pool.get("subnet") or ""))
            if subnet is not None and subnet.version == 6:  # noqa: PLR2004
                yield f"networks.{name}.ipam.config[{index}].subnet", str(subnet)


def first_network(networks: Mapping[str, Any]) -> str | None:
    """Return the network that is a service's first to Compose; None where it has none.

    Args:
        networks: The service's networks: that of the highest `priority`, then by name.
    """

    def rank(name: str) -> tuple[int, str]:
        try:
            priority = whole((networks[name] or {}).get("priority") or 0, least=-(2**63))
        except UnusableError:
            priority = 0
        return -priority, name

    return min(networks, key=rank, default=None)
