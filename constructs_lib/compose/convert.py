"""From the value of one key of a service to the value of one option of a container.

Each function takes what `docker compose config` says for the key, and knows nothing of its place:
the table of keys names the function, and who walks that table adds the place to what is wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose import grammar
from constructs_lib.docker.container_options import Device, Healthcheck, Throttle, Ulimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_MIB: Final = 1024 * 1024
_LEAST_MEMORY_MIB: Final = 6
"""Below it the engine refuses a limit of memory."""
_LARGEST: Final = 2**63 - 1
"""Neither the engine nor Terraform has larger numbers."""
_MOST_CPUS: Final = 8192
_LONGEST_SECONDS: Final = 2**63 / 1e9
"""Go counts the nanoseconds of a duration in 63 bits."""
MOST_SHARES: Final = 262144
"""The largest weight that a kernel with cgroup v2 takes."""
_DURATION_PART: Final = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?)(h|ms|us|µs|ns|m|s)")
_ULIMIT: Final = re.compile(
    "as|core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|rtprio|rttime|sigpending"
    "|stack"
)
_SECURITY_OPTION: Final = re.compile(
    "apparmor|label|no-new-privileges|seccomp|systempaths|writable-cgroups"
)
_TMPFS_OPTION: Final = re.compile(
    "(?:no)?(?:atime|dev|diratime|exec|mand|relatime|strictatime|suid)|a?sync|dirsync|defaults"
    "|remount|ro|rw|r?(?:bind|private|shared|slave|unbindable)"
    "|(?:gid|mode|mpol|nr_blocks|nr_inodes|size|uid)=.*"
)
_NAME_SPACES: Final = {
    "ipc": ("host", "none", "private", "shareable"),
    "pid": ("host",),
}
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


def whole(value: object, *, least: int = 0, most: int = _LARGEST) -> int:
    """Return a whole number.

    Args:
        value: The number, or its text.
        least: The smallest that will do.
        most: The largest that will do.

    Raises:
        UnusableError: It is none, or outside of these.
    """
    text = str(value)
    # Python reads the digits of every script, and the engine only these.
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,20}", text):
        raise UnusableError(f"must be a whole number, got {value!r}")
    number = int(text)
    if not least <= number <= most:
        bounds = f"be {least} or more" if most == _LARGEST else f"be in {least}..{most}"
        raise UnusableError(f"must {bounds}, got {number}")
    return number


def within(least: int, most: int = _LARGEST, *, or_zero: bool = False) -> Callable[[object], int]:
    """Return a function that reads a whole number.

    Args:
        least: The smallest that will do.
        most: The largest that will do.
        or_zero: Whether 0, which is no limit, will do as well.
    """

    def read(value: object) -> int:
        number = whole(value)
        return number if or_zero and number == 0 else whole(number, least=least, most=most)

    return read


def good(wrong: Callable[[str], str | None]) -> Callable[[object], str | None]:
    """Return a function that reads a text; an empty one says nothing.

    Args:
        wrong: Says what is wrong with the text.
    """

    def read(value: object) -> str | None:
        text = str(value)
        if not text:
            return None
        problem = wrong(text)
        if problem:
            raise UnusableError(problem)
        return text

    return read


def _all_good(texts: Iterable[str], wrong: Callable[[str], str | None]) -> tuple[str, ...]:
    found = tuple(texts)
    problems = [problem for problem in map(wrong, found) if problem]
    if problems:
        raise UnusableError(*problems)
    return found


def addresses(values: Iterable[object]) -> tuple[str, ...]:
    """Return addresses.

    Raises:
        UnusableError: One of them is none.
    """
    return _all_good(text_list(values), grammar.wrong_address)


def absolute(path: object) -> str | None:
    """Return a path in the container.

    Raises:
        UnusableError: It does not begin with a slash.
    """
    text = str(path)
    if text and not text.startswith("/"):
        raise UnusableError(f"must be an absolute path, got {text!r}")
    return text or None


def text_list(values: Iterable[object]) -> tuple[str, ...]:
    """Return a list of texts."""
    return tuple(str(value) for value in values)


def text_map(values: Mapping[str, object]) -> dict[str, str]:
    """Return a mapping of texts, whose numbers Compose leaves numbers."""
    return {key: str(value) for key, value in values.items()}


def labels(values: Mapping[str, object]) -> dict[str, str]:
    """Return labels.

    Raises:
        UnusableError: One has no name.
    """
    if "" in values:
        raise UnusableError(f"must have a name each, got none for {str(values[''])!r}")
    return text_map(values)


def seconds(duration: str) -> float | None:
    """Return the seconds of a duration as Go writes it (`1m30s`), or None."""
    parts = _DURATION_PART.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration:
        return 0.0 if duration == "0" else None
    found = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return found if found <= _LONGEST_SECONDS else None


def whole_seconds(duration: object) -> int:
    """Return a duration in seconds.

    Raises:
        UnusableError: It is none, or has a fraction of a second.
    """
    found = seconds(str(duration))
    if found is None or found != int(found):
        raise UnusableError(f"must be whole seconds, got {duration}")
    return int(found)


def healthcheck(raw: Mapping[str, Any]) -> Healthcheck | None:
    """Return a health check; one that says nothing is none, and leaves the image's as it is.

    Raises:
        UnusableError: One of its times or numbers is none.
    """
    test = text_list(raw.get("test") or ())
    if raw.get("disable") or test[:1] == ("NONE",):
        return Healthcheck(test=("NONE",))
    times = {
        key: str(raw[key])
        for key in ("interval", "timeout", "start_period", "start_interval")
        if raw.get(key)
    }
    wrong = {key: problem for key, time in times.items() if (problem := _wrong_check_time(time))}
    retries = 0
    try:
        retries = whole(raw.get("retries") or 0, most=2**31 - 1)
    except UnusableError as error:
        wrong["retries"] = error.problems[0]
    if wrong:
        raise UnusableError(inside=wrong)
    found = Healthcheck(test=test, retries=retries, **times)
    return None if found == Healthcheck() else found


def _wrong_check_time(time: str) -> str | None:
    found = seconds(time)
    if found is None:
        return f"must be a duration, got {time!r}"
    # Nothing is what the image or the engine says.
    return f"must be at least 1ms, got {time}" if 0 < found < _SECONDS["ms"] else None


def mib(size: object) -> int | None:
    """Return a size in MiB; none is None.

    Raises:
        UnusableError: It has a fraction of a MiB, or is no size.
    """
    number = whole(size)
    found, rest = divmod(number, _MIB)
    if rest:
        msg = f"must be whole MiB, got {size} bytes; write {max(1, round(number / _MIB))}m"
        raise UnusableError(msg)
    return found or None


def memory_mib(size: object) -> int | None:
    """Return a limit of memory in MiB; none is None.

    Raises:
        UnusableError: It has a fraction of a MiB, or is less than the engine takes.
    """
    found = mib(size)
    if found is not None and found < _LEAST_MEMORY_MIB:
        msg = f"must be at least {_LEAST_MEMORY_MIB}m, which the engine asks for, got {found}m"
        raise UnusableError(msg)
    return found


def mib_or_unlimited(size: object) -> int | None:
    """Return a size in MiB, or -1 for no limit.

    Raises:
        UnusableError: It has a fraction of a MiB, or is no size.
    """
    return -1 if whole(size, least=-1) == -1 else mib(size)


def decimal(number: object) -> str | None:
    """Return a number of CPUs as the provider reads it back, with no zeros at its end.

    None is as good as 0, which is no limit.

    Raises:
        UnusableError: It is none, or outside of what the engine takes.
    """
    text = str(number)
    if isinstance(number, bool) or not re.fullmatch(
        r"-?[0-9]{1,300}(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,2})?", text
    ):
        raise UnusableError(f"must be a number of CPUs, got {number!r}")
    value = float(text)
    if value and not 0.01 <= value <= _MOST_CPUS:  # noqa: PLR2004  (the engine's own least)
        raise UnusableError(f"must be in 0.01..{_MOST_CPUS}, got {number}")
    return f"{value:.9f}".rstrip("0").rstrip(".") if value else None


def devices(entries: Iterable[Mapping[str, Any]]) -> tuple[Device, ...]:
    """Return devices of the machine, but for those that `cdi_devices` returns.

    Raises:
        UnusableError: One is no path, or may be used in an unknown way.
    """
    found, wrong = [], []
    for entry in entries:
        source = str(entry["source"])
        target = str(entry.get("target") or source)
        permissions = str(entry.get("permissions") or "rwm")
        if _is_cdi(entry):
            continue
        wrong += [
            f"must be an absolute path of a device, got {path!r}"
            for path in dict.fromkeys((source, target))
            if not path.startswith("/")
        ]
        if not re.fullmatch("[rwm]{1,3}", permissions) or len(set(permissions)) < len(permissions):
            wrong.append(f"must have permissions of r, w and m, got {permissions!r} for {source}")
        found.append(Device(host=source, container=target, permissions=permissions))
    if wrong:
        raise UnusableError(*wrong)
    return tuple(found)


def cdi_devices(entries: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the devices that the Container Device Interface knows by their names.

    As in Compose, one is meant where such a name stands for both ends.
    """
    return tuple(str(entry["source"]) for entry in entries if _is_cdi(entry))


def _is_cdi(entry: Mapping[str, Any]) -> bool:
    source = str(entry["source"])
    return entry.get("target") in (None, "", source) and grammar.is_cdi_device(source)


def device_cgroup_rules(rules: Iterable[object]) -> tuple[str, ...]:
    """Return rules about devices.

    Raises:
        UnusableError: One is none.
    """

    def wrong(rule: str) -> str | None:
        known = re.fullmatch(r"[acb] (?:[0-9]+|\*):(?:[0-9]+|\*) [rwm]{1,3}", rule)
        return None if known else f"must be rules such as 'c 1:3 mr', got {rule!r}"

    return _all_good(text_list(rules), wrong)


def ulimits(limits: Mapping[str, Any]) -> tuple[Ulimit, ...]:
    """Return limits of the kernel; one number is both the soft and the hard one.

    Raises:
        UnusableError: One is unknown or no number, or a soft one is above the hard one.
    """
    found, wrong = [], {}
    for name, limit in sorted(limits.items()):
        both = limit if isinstance(limit, dict) else {"soft": limit, "hard": limit}
        try:
            soft, hard = (whole(both.get(key) or 0, least=-1) for key in ("soft", "hard"))
        except UnusableError as error:
            wrong[name] = error.problems[0]
            continue
        if not _ULIMIT.fullmatch(name):
            wrong[name] = f"must be one of {_ULIMIT.pattern.replace('|', ', ')}, got {name!r}"
        elif hard != -1 and not 0 <= soft <= hard:
            wrong[name] = f"must have a soft limit of at most the hard one, {hard}, got {soft}"
        found.append(Ulimit(name=name, soft=soft, hard=hard))
    if wrong:
        raise UnusableError(inside=wrong)
    return tuple(found)


def throttles(entries: Iterable[Mapping[str, Any]]) -> tuple[Throttle, ...]:
    """Return limits of block devices.

    Raises:
        UnusableError: A rate is no number.
    """
    return tuple(Throttle(path=str(entry["Path"]), rate=whole(entry["Rate"])) for entry in entries)


def tmpfs(entries: Iterable[str]) -> dict[str, str]:
    """Return folders in memory, with what is behind the colon of each.

    Raises:
        UnusableError: One is no path, or has an option that the engine does not know.
    """
    found, wrong = {}, []
    for entry in entries:
        path, _, options = str(entry).partition(":")
        if not path.startswith("/") or not path.strip("/"):
            wrong.append(f"must be an absolute path below /, got {path!r}")
        wrong += [
            f"must have options such as size=64m, got {option!r} for {path}"
            for option in (options.split(",") if options else ())
            if not _TMPFS_OPTION.fullmatch(option)
        ]
        found[path] = options
    if wrong:
        raise UnusableError(*wrong)
    return found


def security_options(options: Iterable[str]) -> tuple[str, ...]:
    """Return security options with the separator that newer engines want, as Compose does.

    Raises:
        UnusableError: One is unknown, or names a profile in a file.
    """
    found, wrong = [], []
    for option in options:
        name, separator, value = re.match(r"([^:=]*)([:=]?)(.*)", option).groups()  # type: ignore[union-attr]  # it matches anything
        if not _SECURITY_OPTION.fullmatch(name) or not (separator or name == "no-new-privileges"):
            names = _SECURITY_OPTION.pattern.replace("|", ", ")
            wrong.append(f"must be a value for one of {names}, got {option!r}")
        elif name == "no-new-privileges" and value.lower() not in ("", "true", "false", "1", "0"):
            wrong.append(f"must be no-new-privileges:true or :false, got {option!r}")
        elif name == "seccomp" and value not in ("unconfined", "builtin"):
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
        UnusableError: One is no address, or one of IPv6.
    """
    parts = [str(entry).partition("=") for entry in entries]
    wrong = []
    for host, _, address in parts:
        if not host:
            wrong.append(f"must have a host's name, got none for {address}")
        elif ":" in address:
            wrong.append(
                f"must be an IPv4 address, got {address}; the provider cannot read back IPv6 ones"
            )
        elif address != "host-gateway" and grammar.wrong_address(address):
            wrong.append(f"must be an address or host-gateway, got {address!r} for {host}")
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


def ipc_mode(mode: object) -> str | None:
    """Return how the IPC name space is shared; None where it is that of a service.

    Raises:
        UnusableError: The engine knows no such way.
    """
    return _known_mode("ipc", mode)


def pid_mode(mode: object) -> str | None:
    """Return how the PID name space is shared; None where it is that of a service.

    Raises:
        UnusableError: The engine knows no such way.
    """
    return _known_mode("pid", mode)


def _known_mode(kind: str, mode: object) -> str | None:
    found = own_mode(mode)
    known = _NAME_SPACES[kind]
    if found and found not in known and not re.fullmatch("container:.+", found):
        msg = f"must be {', '.join(known)}, service:NAME or container:NAME, got {found!r}"
        raise UnusableError(msg)
    return found
