"""What the engine is told of a container beside its name, image, networks and ports.

Plain values: they know how the Docker provider spells them, and import no cdktf. A field is spelled
by its own name and as it is, unless its metadata says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

_ARGUMENT: Final = "argument"
_SPELL: Final = "spell"


def _spelled(argument: str, spell: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Return the metadata of a field that the provider knows by another name, or in another form.

    Args:
        argument: The provider's name; empty where `provider_arguments` makes an argument of
            several fields, or several of one.
        spell: From the field's value to the provider's; `plain` where unset.
    """
    return {_ARGUMENT: argument, _SPELL: spell}


_JOINED: Final = _spelled("")


def plain(value: Any) -> Any:  # noqa: ANN401  (any field's value)
    """Return a value as JSON has it, the fields of value objects by the provider's names."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        known = _arguments(type(value))  # type: ignore[arg-type]  # see provider_arguments
        return {argument: spell(getattr(value, name)) for name, argument, spell, _ in known}
    return value


@cache
def _arguments(kind: type[Any]) -> tuple[tuple[str, str, Callable[[Any], Any], object], ...]:
    """Return each field's name, argument, spelling, and the value that says nothing."""
    return tuple(
        (
            f.name,
            f.metadata.get(_ARGUMENT, f.name),
            f.metadata.get(_SPELL) or plain,
            f.default if f.default_factory is MISSING else f.default_factory(),
        )
        for f in fields(kind)
        if f.metadata.get(_ARGUMENT) != _JOINED[_ARGUMENT]
    )


Propagation = Literal["private", "rprivate", "shared", "rshared", "slave", "rslave"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """How the engine finds out whether a container is healthy.

    Attributes:
        test: The command, behind `CMD` or `CMD-SHELL`; `("NONE",)` switches off the check of
            the image. Empty keeps the image's command with other times.
        interval: Time between two checks, as Go writes it (`1m30s`); `0s` is the default of the
            image or the engine, here and below.
        timeout: Time after which a check has failed.
        start_period: Time at the beginning during which failures do not count.
        start_interval: Time between two checks during the start period.
        retries: Failures in a row until the container is unhealthy.
    """

    test: tuple[str, ...] = ()
    interval: str = "0s"
    timeout: str = "0s"
    start_period: str = "0s"
    start_interval: str = "0s"
    retries: int = 0

    @property
    def is_disabled(self) -> bool:
        """Whether it says that there is to be no check."""
        return self.test == ("NONE",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit:
    """A limit of the kernel.

    Attributes:
        name: Such as `nofile`.
        soft: The limit; -1 is none.
        hard: What the soft limit may be raised to; -1 is none.
    """

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of the machine.

    Attributes:
        host: Its path on the machine.
        container: Its path in the container.
        permissions: Some of `r`, `w` and `m`.
    """

    host: str = field(metadata=_spelled("host_path"))
    container: str = field(metadata=_spelled("container_path"))
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """Devices that a driver chooses, such as GPUs.

    Attributes:
        driver: The driver, such as `nvidia`; empty lets the engine choose.
        count: How many; -1 is all.
        ids: Which ones, instead of a count.
        capabilities: What they must be able to do, such as `gpu`.
        options: Options of the driver.
    """

    # Left out, the provider would say "cdi".
    driver: str = ""
    count: int = 0
    ids: tuple[str, ...] = field(default=(), metadata=_spelled("device_ids"))
    capabilities: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """A limit of a block device.

    Attributes:
        path: The device's path on the machine.
        rate: Bytes or operations in a second, 0 or more.
    """

    path: str
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMount:
    """A file or folder of the machine at a path of a container.

    Attributes:
        source: Its absolute path on the machine.
        path: Where it appears: an absolute path in the container.
        read_only: Whether the container may only read it.
        create: Whether the engine makes a folder where the machine has nothing.
        propagation: How mounts below it spread.
        selinux: `z` or `Z`, where the machine has SELinux.
    """

    source: str
    path: str
    read_only: bool = False
    create: bool = True
    propagation: Propagation | None = None
    selinux: Literal["z", "Z"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TmpfsMount:
    """A folder in memory.

    Attributes:
        path: Where it appears: an absolute path in the container.
        size_bytes: Its greatest size; 0 is no limit.
        mode: Its permissions, as a number; 0 is the engine's default.
        read_only: Whether the container may only read it.
    """

    path: str
    size_bytes: int = 0
    mode: int = 0
    read_only: bool = False


def _labels(labels: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"label": label, "value": value} for label, value in sorted(labels.items())]


def _hosts(hosts: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"host": host, "ip": address} for host, address in hosts]


def _healthcheck(check: Healthcheck) -> dict[str, Any]:
    given: dict[str, Any] = plain(check)
    if not check.test:
        # An empty one would replace the image's.
        del given["test"]
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """Options of a container, each as the engine knows it. None is the image's or engine's own.

    Attributes:
        command: Arguments, instead of the image's. None of them may be empty.
        entrypoint: Program, instead of the image's.
        user: Name or number, with `:group` if wanted.
        working_dir: Working directory inside.
        domainname: NIS domain name.
        labels: Labels.
        healthcheck: How to find out whether it is healthy.
        stop_signal: Signal that asks it to end.
        stop_timeout: Seconds until it is killed.
        max_retries: Restarts of the policy `on-failure`; 0 is no limit.
        init: Whether a small init process runs in front.
        tty: Whether it has a terminal.
        stdin_open: Whether its standard input stays open.
        read_only: Whether its root file system is read-only.
        privileged: Whether it may do everything on the machine.
        cap_add: Capabilities that it gets.
        cap_drop: Capabilities that it loses.
        security_options: Such as `no-new-privileges:true`. Beside `privileged`, and beside an IPC
            or PID name space of the machine or of another container, a plan shows a change of
            them only with the label that changes with it.
        devices: Devices of the machine.
        device_cgroup_rules: Such as `c 1:3 mr`.
        device_requests: Devices that a driver chooses.
        ulimits: Limits of the kernel.
        sysctls: Kernel parameters of its namespaces.
        group_add: Further groups of its user.
        dns: Name servers.
        dns_options: Options of the resolver.
        dns_search: Search domains.
        extra_hosts: Pairs of a host name and an address (or `host-gateway`).
        log_driver: Where its output goes.
        log_options: Options of that driver.
        memory_mib: Memory limit in MiB.
        memory_reservation_mib: Soft memory limit in MiB.
        memory_swap_mib: Memory and swap together in MiB; -1 is no limit.
        shm_size_mib: Size of /dev/shm in MiB.
        cpus: Number of CPUs, such as `0.5`.
        cpu_shares: Weight among other containers.
        cpu_set: Which CPUs, such as `0-2,4`.
        cpu_period: Period of the CPU quota in microseconds.
        cpu_quota: CPU time in a period in microseconds.
        read_bps: Limits of bytes read in a second.
        read_iops: Limits of reads in a second.
        write_bps: Limits of bytes written in a second.
        write_iops: Limits of writes in a second.
        runtime: The OCI runtime.
        platform: Such as `linux/arm64`.
        storage_options: Options of the storage driver.
        network_mode: `host`, `none`, `bridge` or `container:<id>`, where it joins no networks.
        ipc_mode: IPC name space.
        pid_mode: PID name space.
        userns_mode: User name space.
        cgroupns_mode: cgroup name space, `host` or `private`.
        cgroup_parent: Parent cgroup.
        tmpfs: Folders in memory, each with its options as one text.
        host_mounts: Files and folders of the machine.
        tmpfs_mounts: Folders in memory.
        anonymous_volumes: Paths that get a volume without a name, which is lost with the container.
        volumes_from: Ids of containers whose volumes appear here too, behind them `:ro` if wanted.
    """

    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    user: str | None = None
    working_dir: str | None = None
    domainname: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict, metadata=_spelled("labels", _labels))
    healthcheck: Healthcheck | None = field(
        default=None, metadata=_spelled("healthcheck", _healthcheck)
    )
    stop_signal: str | None = None
    stop_timeout: int | None = None
    max_retries: int = field(default=0, metadata=_spelled("max_retry_count"))
    init: bool | None = None
    tty: bool = False
    stdin_open: bool = False
    read_only: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = field(default=(), metadata=_JOINED)
    cap_drop: tuple[str, ...] = field(default=(), metadata=_JOINED)
    security_options: tuple[str, ...] = field(default=(), metadata=_spelled("security_opts"))
    devices: tuple[Device, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    device_requests: tuple[DeviceRequest, ...] = ()
    ulimits: tuple[Ulimit, ...] = field(default=(), metadata=_spelled("ulimit"))
    sysctls: Mapping[str, str] = field(default_factory=dict)
    group_add: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = field(default=(), metadata=_spelled("dns_opts"))
    dns_search: tuple[str, ...] = ()
    extra_hosts: tuple[tuple[str, str], ...] = field(default=(), metadata=_spelled("host", _hosts))
    log_driver: str | None = None
    log_options: Mapping[str, str] = field(default_factory=dict, metadata=_spelled("log_opts"))
    memory_mib: int | None = field(default=None, metadata=_spelled("memory"))
    memory_reservation_mib: int | None = field(
        default=None, metadata=_spelled("memory_reservation")
    )
    memory_swap_mib: int | None = field(default=None, metadata=_JOINED)
    shm_size_mib: int | None = field(default=None, metadata=_spelled("shm_size"))
    cpus: str | None = None
    cpu_shares: int | None = None
    cpu_set: str | None = None
    cpu_period: int | None = None
    cpu_quota: int | None = None
    read_bps: tuple[Throttle, ...] = field(default=(), metadata=_spelled("device_read_bps"))
    read_iops: tuple[Throttle, ...] = field(default=(), metadata=_spelled("device_read_iops"))
    write_bps: tuple[Throttle, ...] = field(default=(), metadata=_spelled("device_write_bps"))
    write_iops: tuple[Throttle, ...] = field(default=(), metadata=_spelled("device_write_iops"))
    runtime: str | None = None
    platform: str | None = None
    storage_options: Mapping[str, str] = field(
        default_factory=dict, metadata=_spelled("storage_opts")
    )
    network_mode: str | None = None
    ipc_mode: str | None = None
    pid_mode: str | None = None
    userns_mode: str | None = None
    cgroupns_mode: str | None = None
    cgroup_parent: str | None = None
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    host_mounts: tuple[HostMount, ...] = field(default=(), metadata=_JOINED)
    tmpfs_mounts: tuple[TmpfsMount, ...] = field(default=(), metadata=_JOINED)
    anonymous_volumes: tuple[str, ...] = field(default=(), metadata=_JOINED)
    volumes_from: tuple[str, ...] = field(default=(), metadata=_JOINED)


def provider_arguments(options: ContainerOptions) -> dict[str, Any]:
    """Spell options as arguments of the provider's `docker_container`.

    Returns:
        JSON values; what is unset is left out. `volumes`, `mounts` and `lifecycle` are among
        them, to be joined with those of the container itself.
    """
    given = {}
    # mypy takes the class for one of its values, which could not be hashed.
    known = _arguments(type(options))  # type: ignore[arg-type]
    for name, argument, spell, unset in known:
        value = getattr(options, name)
        if value is not unset and value != unset:
            given[argument] = spell(value)
    given |= {
        "capabilities": _capabilities(options.cap_add, options.cap_drop),
        "memory_swap": _memory_swap(options),
        "volumes": _volumes(options),
        "mounts": _mounts(options),
        "lifecycle": _lifecycle(options),
    }
    return {name: value for name, value in given.items() if value not in (None, [], {})}


def _capabilities(add: Sequence[str], drop: Sequence[str]) -> dict[str, Any] | None:
    if not add and not drop:
        return None
    return {"add": sorted(map(_capability, add)), "drop": sorted(map(_capability, drop))}


def _capability(name: str) -> str:
    """Spell a capability as newer engines report it; older ones leave it as it was given."""
    upper = name.upper()
    return upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"


def _memory_swap(options: ContainerOptions) -> int | None:
    """Say what the engine would choose by itself, which the provider would show as a change."""
    if options.memory_swap_mib is None and options.memory_mib:
        return 2 * options.memory_mib
    return options.memory_swap_mib


def _volumes(options: ContainerOptions) -> list[dict[str, Any]]:
    return [
        *(
            {
                "host_path": m.source,
                "container_path": m.path,
                "read_only": m.read_only,
                **({"selinux_relabel": m.selinux} if m.selinux else {}),
            }
            for m in options.host_mounts
            if m.create and m.propagation is None
        ),
        *({"container_path": path} for path in options.anonymous_volumes),
        *({"from_container": source} for source in options.volumes_from),
    ]


def _mounts(options: ContainerOptions) -> list[dict[str, Any]]:
    return [
        *(
            {
                "type": "bind",
                "source": m.source,
                "target": m.path,
                "read_only": m.read_only,
                **({"bind_options": {"propagation": m.propagation}} if m.propagation else {}),
            }
            for m in options.host_mounts
            if not m.create or m.propagation is not None
        ),
        *(
            {
                "type": "tmpfs",
                "target": m.path,
                "read_only": m.read_only,
                **(
                    {"tmpfs_options": {"size_bytes": m.size_bytes, "mode": m.mode}}
                    if m.size_bytes or m.mode
                    else {}
                ),
            }
            for m in options.tmpfs_mounts
        ),
    ]


def _lifecycle(options: ContainerOptions) -> dict[str, Any] | None:
    """Name the attributes that the provider reads back other than they were written.

    A kernel without swap accounting turns the swap limit into -1, and of a platform the engine
    tells only the operating system.
    """
    ignored = [
        *(["memory_swap"] if options.memory_mib else []),
        *(["platform"] if options.platform else []),
        *(["security_opts"] if _is_labelled(options) else []),
    ]
    return {"ignore_changes": ignored} if ignored else None


def _is_labelled(options: ContainerOptions) -> bool:
    """Tell whether the engine adds SELinux labels to the security options that it was told.

    It does for a container that shares processes or memory with the machine or with another one,
    even where there is no SELinux. What differs would replace the container at each deployment.

    Source: moby, `generateSecurityOpt` of the daemon.
    """
    given = options.security_options
    if not given or any(option.startswith("label=") for option in given):
        return False
    shared = (options.ipc_mode or "", options.pid_mode or "")
    return options.privileged or any(
        mode == "host" or mode.startswith("container:") for mode in shared
    )
