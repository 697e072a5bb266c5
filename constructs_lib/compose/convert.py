"""From the value of one key of a service to the value of one option of a container.

Each function takes what `docker compose config` says for the key, and knows nothing of its place:
the table of keys names the function, and who walks that table adds the place to what is wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.docker.container_options import Device, Healthcheck, Throttle, Ulimit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MIB: Final = 1024 * 1024
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class UnusableError(ValueError):
    """A value cannot be used.

    Attributes:
        problems: What must be, and what there is: `must be whole seconds, got 1.5s`.
        inside: The same for keys inside the value.
    """

    def __init__(self, *problems: str, inside: Mapping[str, str] | None = None) -> None:
        self.problems = problems
        self.inside = dict(inside or {})
        super().__init__("\n".join([*problems, *self.inside.values()]))


def same(value: Any) -> Any:  # noqa: ANN401  (JSON)
    """Return the value as it is: text and numbers that the engine spells as Compose does."""
    return value


def text_list(values: Iterable[object]) -> tuple[str, ...]:
    """Return a list of texts."""
    return tuple(str(value) for value in values)


def text_map(values: Mapping[str, object]) -> dict[str, str]:
    """Return a mapping of texts, whose numbers Compose leaves numbers."""
    return {key: str(value) for key, value in values.items()}


def seconds(duration: str) -> float | None:
    """Return the seconds of a duration as Go writes it (`1m30s`), or None."""
    parts = _DURATION_PART.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration:
        return 0.0 if duration == "0" else None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def whole_seconds(duration: object) -> int:
    """Return a duration in seconds.

    Raises:
        UnusableError: It is none, or has a fraction of a second.
    """
    found = seconds(str(duration))
    if found is None or found != int(found):
        raise UnusableError(f"must be whole seconds, got {duration}")
    return int(found)


def healthcheck(raw: Mapping[str, Any]) -> Healthcheck:
    """Return a health check.

    Raises:
        UnusableError: One of its times is no duration.
    """
    test = text_list(raw.get("test") or ())
    if raw.get("disable") or test[:1] == ("NONE",):
        return Healthcheck(test=("NONE",))
    times = {
        key: str(raw[key])
        for key in ("interval", "timeout", "start_period", "start_interval")
        if raw.get(key)
    }
    wrong = {
        key: f"must be a duration, got {time!r}"
        for key, time in times.items()
        if seconds(time) is None
    }
    if wrong:
        raise UnusableError(inside=wrong)
    return Healthcheck(test=test, retries=int(raw.get("retries") or 0), **times)


def mib(size: object) -> int | None:
    """Return a size in MiB; none is None.

    Raises:
        UnusableError: It has a fraction of a MiB.
    """
    whole, rest = divmod(int(str(size)), _MIB)
    if rest:
        msg = f"must be whole MiB, got {size} bytes; write {max(1, round(int(str(size)) / _MIB))}m"
        raise UnusableError(msg)
    return whole or None


def mib_or_unlimited(size: object) -> int | None:
    """Return a size in MiB, or -1 for no limit.

    Raises:
        UnusableError: It has a fraction of a MiB.
    """
    return -1 if int(str(size)) == -1 else mib(size)


def decimal(number: object) -> str | None:
    """Return a number of CPUs as the provider reads it back, with no zeros at its end.

    None is as good as 0, which is no limit.
    """
    value = float(str(number))
    return f"{value:.9f}".rstrip("0").rstrip(".") if value else None


def devices(entries: Iterable[Mapping[str, Any]]) -> tuple[Device, ...]:
    """Return devices of the machine."""
    return tuple(
        Device(
            host=entry["source"],
            container=entry.get("target") or entry["source"],
            permissions=entry.get("permissions") or "rwm",
        )
        for entry in entries
    )


def ulimits(limits: Mapping[str, Any]) -> tuple[Ulimit, ...]:
    """Return limits of the kernel; one number is both the soft and the hard one."""
    return tuple(
        Ulimit(name=name, soft=int(limit.get("soft", 0)), hard=int(limit.get("hard", 0)))
        if isinstance(limit, dict)
        else Ulimit(name=name, soft=int(str(limit)), hard=int(str(limit)))
        for name, limit in sorted(limits.items())
    )


def throttles(entries: Iterable[Mapping[str, Any]]) -> tuple[Throttle, ...]:
    """Return limits of block devices."""
    return tuple(Throttle(path=str(entry["Path"]), rate=int(entry["Rate"])) for entry in entries)


def tmpfs(entries: Iterable[str]) -> dict[str, str]:
    """Return folders in memory, with what is behind the colon of each."""
    parts = (entry.partition(":") for entry in entries)
    return {path: options for path, _, options in parts}


def security_options(options: Iterable[str]) -> tuple[str, ...]:
    """Return security options with the separator that newer engines want, as Compose does.

    Raises:
        UnusableError: One names a profile in a file.
    """
    found, wrong = [], []
    for option in options:
        name, separator, value = re.match(r"([^:=]*)([:=]?)(.*)", option).groups()  # type: ignore[union-attr]  # it matches anything
        if name == "seccomp" and value not in ("unconfined", "builtin"):
            wrong.append(
                f"must name no profile in a file, got {option}; the file would have to be on the "
                "machine"
            )
        if separator == ":" and name != "no-new-privileges":
            separator = "="
        found.append(f"{name}{separator}{value}")
    if wrong:
        raise UnusableError(*wrong)
    return tuple(found)


def extra_hosts(entries: Iterable[object]) -> tuple[tuple[str, str], ...]:
    """Return pairs of a host name and its address.

    Raises:
        UnusableError: An address is of IPv6.
    """
    parts = [str(entry).partition("=") for entry in entries]
    wrong = [
        f"must be an IPv4 address, got {address}; the provider cannot read back IPv6 ones"
        for _, _, address in parts
        if ":" in address
    ]
    if wrong:
        raise UnusableError(*wrong)
    return tuple((host, address) for host, _, address in parts)


def shared_with(mode: object) -> str | None:
    """Return the service whose name space is shared: `web` of `service:web`."""
    kind, _, name = str(mode or "").partition(":")
    return name if kind == "service" else None


def own_mode(mode: object) -> str | None:
    """Return how a name space is shared; None where it is that of a service."""
    return None if not mode or shared_with(mode) else str(mode)
