"""From what `docker compose config` says to values."""

from __future__ import annotations

import hashlib
import json
import re
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.model import (
    AddressPool,
    Attachment,
    Build,
    ComposeProject,
    Delivery,
    Dependency,
    NamedMount,
    NetworkDefinition,
    Port,
    Service,
    VolumeDefinition,
)
from constructs_lib.compose.support import unsupported
from constructs_lib.docker.container_options import (
    ContainerOptions,
    Device,
    DeviceRequest,
    Healthcheck,
    HostMount,
    Throttle,
    TmpfsMount,
    Ulimit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

MIB: Final = 1024 * 1024
FILE_LIMIT: Final = 500
"""Files of a folder that are copied into a container one by one."""
SIZE_LIMIT: Final = 50 * MIB
"""Bytes that are copied into a container."""

_REFERENCE: Final = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_NOT_IN_HASH: Final = ("build", "pull_policy", "scale", "depends_on", "profiles", "expose")
"""What can change without another container, as in Compose."""


class _Reader:
    """Collects problems while it reads, so that all of them can be told at once."""

    def __init__(
        self, document: Mapping[str, Any], file: str, local: AbstractSet[tuple[str, str]]
    ) -> None:
        self.document = document
        self.file = file
        self.local = local
        self.problems: list[str] = []
        self._linked: dict[tuple[str, str], list[str]] = {}
        """Names that other services have for a service, on one of its networks."""
        for name, raw in (document["services"] or {}).items():
            self._link(raw, f"services.{name}.links")

    def complain(self, where: str, text: str) -> None:
        self.problems.append(f"{self.file}: {where}: {text}")

    def service(self, name: str, raw: Mapping[str, Any]) -> Service:
        where = f"services.{name}"
        networks = self._networks(name, raw, where)
        options, mounts, deliveries = self._options(name, raw, where)
        deploy = raw.get("deploy") or {}
        if (deploy.get("mode") or "replicated") != "replicated":
            self.complain(
                f"{where}.deploy.mode", f"must be replicated, got {deploy['mode']}; use replicas"
            )
        replicas = deploy.get("replicas")
        if replicas is None:
            replicas = raw.get("scale")
        restart, _ = self._restart(raw, where)
        return Service(
            name=name,
            image=self._image(raw, where),
            build=self._build(raw.get("build"), f"{where}.build"),
            pull=self._pull(raw, where),
            options=options,
            replicas=1 if replicas is None else int(replicas),
            container_name=raw.get("container_name"),
            hostname=raw.get("hostname"),
            environment={
                k: None if v is None else str(v) for k, v in (raw.get("environment") or {}).items()
            },
            ports=tuple(self._ports(raw, where)),
            mounts=tuple(mounts),
            deliveries=tuple(deliveries),
            networks=networks,
            depends_on=tuple(
                Dependency(
                    service=other,
                    condition=d.get("condition", "service_started"),
                    restart=bool(d.get("restart")),
                )
                for other, d in sorted((raw.get("depends_on") or {}).items())
                # One that is not required, and not there because of its profile.
                if other in self.document["services"]
            ),
            restart=restart,  # type: ignore[arg-type]  # one of the four, see _restart
            shares_network=_shared(raw.get("network_mode")),
            shares_ipc=_shared(raw.get("ipc")),
            shares_pid=_shared(raw.get("pid")),
            volumes_from=tuple(self._volumes_from(raw, where)),
            config_hash=self._hash(raw),
        )

    def _hash(self, raw: Mapping[str, Any]) -> str:
        """Digest what makes the container, with the networks and volumes that it names."""
        own = {k: v for k, v in raw.items() if k not in _NOT_IN_HASH and v is not None}
        deploy = {k: v for k, v in (raw.get("deploy") or {}).items() if k != "replicas"}
        text = json.dumps({**own, "deploy": deploy}, sort_keys=True)
        # Where the project lies must not matter: the same file has one digest everywhere.
        folder = str(self.document.get("folder", ""))
        if folder:
            text = text.replace(folder, ".")
        return hashlib.sha256(text.encode()).hexdigest()

    def _image(self, raw: Mapping[str, Any], where: str) -> str | None:
        image = raw.get("image")
        if image is None:
            return None
        if not _REFERENCE.fullmatch(image):
            self.complain(
                f"{where}.image",
                f"must be a reference such as docker.io/library/nginx:1.27, got {image!r}",
            )
        return str(image)

    def _build(self, raw: Mapping[str, Any] | None, where: str) -> Build | None:
        if raw is None:
            return None
        context = str(raw.get("context", ""))
        dockerfile = str(raw.get("dockerfile", "Dockerfile"))
        inline = raw.get("dockerfile_inline")
        folder = Path(context)
        if re.match(r"[a-z]+://|git@|github\.com/", context):
            self.complain(
                f"{where}.context", f"must be a folder of this computer, got {context}; clone it"
            )
        elif not folder.is_dir():
            self.complain(f"{where}.context", f"must be a folder, got no such folder as {context}")
        elif inline is not None:
            pass  # Compose refuses both at once.
        elif not (folder / dockerfile).is_file():
            self.complain(
                f"{where}.dockerfile", f"must be a file in {context}, got none named {dockerfile}"
            )
        elif not (folder / dockerfile).resolve().is_relative_to(folder.resolve()):
            self.complain(f"{where}.dockerfile", f"must be inside the context, got {dockerfile}")
        args = raw.get("args") or {}
        shm_size = raw.get("shm_size")
        return Build(
            context=folder,
            dockerfile=dockerfile,
            dockerfile_inline=inline,
            args={k: str(v) for k, v in args.items() if v is not None},
            target=raw.get("target"),
            labels={k: str(v) for k, v in (raw.get("labels") or {}).items()},
            cache_from=tuple(raw.get("cache_from") or ()),
            extra_hosts=tuple(h.replace("=", ":", 1) for h in raw.get("extra_hosts") or ()),
            network=raw.get("network"),
            no_cache=bool(raw.get("no_cache")),
            pull=bool(raw.get("pull")),
            shm_size=None if shm_size is None else int(shm_size),
        )

    def _pull(self, raw: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401  (a literal)
        policy = raw.get("pull_policy") or ""
        if policy in ("", "always", "build"):
            return "digest"
        if policy in ("missing", "if_not_present"):
            return "missing"
        self.complain(
            f"{where}.pull_policy",
            f"must be always, missing or build, got {policy}; always asks at each plan",
        )
        return "missing"

    def _restart(self, raw: Mapping[str, Any], where: str) -> tuple[str, int]:
        name, _, retries = str(raw.get("restart") or "no").partition(":")
        policy = (raw.get("deploy") or {}).get("restart_policy")
        if policy:
            condition = policy.get("condition") or "any"
            name = {"none": "no", "any": "always", "": "always"}.get(condition, condition)
            retries = str(policy.get("max_attempts") or "")
        if name not in ("no", "always", "on-failure", "unless-stopped"):
            self.complain(
                f"{where}.restart",
                f"must be no, always, on-failure or unless-stopped, got {name!r}",
            )
            name = "no"
        if retries and not retries.isdigit():
            self.complain(f"{where}.restart", f"must end in a number of tries, got {retries!r}")
            retries = ""
        if retries and int(retries) and name != "on-failure":
            self.complain(
                f"{where}.restart",
                f"must be on-failure where tries are limited, got {name}:{retries}",
            )
            retries = ""
        return name, int(retries or 0)

    def _ports(self, raw: Mapping[str, Any], where: str) -> Iterator[Port]:
        for index, port in enumerate(raw.get("ports") or ()):
            published = str(port.get("published") or "")
            span: tuple[int, int] | None = None
            if published and published != "0":
                first, _, last = published.partition("-")
                if not first.isdigit() or not (last or first).isdigit():
                    self.complain(
                        f"{where}.ports[{index}].published", f"must be a port, got {published!r}"
                    )
                    continue
                span = (int(first), int(last or first))
                if not 1 <= span[0] <= span[1] <= 65535:  # noqa: PLR2004
                    self.complain(
                        f"{where}.ports[{index}].published",
                        f"must be in 1..65535, got {published}",
                    )
                    continue
            host_ip = str(port.get("host_ip") or "0.0.0.0")  # noqa: S104
            try:
                ip_address(host_ip)
            except ValueError:
                self.complain(
                    f"{where}.ports[{index}].host_ip", f"must be an address, got {host_ip!r}"
                )
                continue
            yield Port(
                target=int(port["target"]),
                published=span,
                protocol=str(port.get("protocol") or "tcp"),
                host_ip=host_ip,
            )

    def _link(self, raw: Mapping[str, Any], where: str) -> None:
        """Note what a service calls the services that it is linked to."""
        for index, entry in enumerate(raw.get("links") or ()):
            other, _, alias = str(entry).partition(":")
            theirs = self.document["services"].get(other)
            if theirs is None:
                self.complain(
                    f"{where}[{index}]", f"must name a service of this file, got {entry!r}"
                )
                continue
            shared = (raw.get("networks") or {}).keys() & (theirs.get("networks") or {}).keys()
            if not shared:
                self.complain(
                    f"{where}[{index}]",
                    f"must name a service that shares a network, got {entry!r}; put both on one",
                )
            # By its own name it is known there anyway; and Compose reads a link as a dependency.
            for network in shared if alias else ():
                self._linked.setdefault((other, network), []).append(alias)

    def _networks(self, name: str, raw: Mapping[str, Any], where: str) -> tuple[Attachment, ...]:
        mode = raw.get("network_mode")
        if mode:
            kind = str(mode).partition(":")[0]
            if kind not in ("host", "none", "bridge", "service", "container"):
                self.complain(
                    f"{where}.network_mode",
                    f"must be host, none, bridge or service:NAME, got {mode!r}; "
                    "use networks for a network",
                )
            return ()
        found = []
        for key, given in sorted((raw.get("networks") or {}).items()):
            value = given or {}
            found.append(
                Attachment(
                    network=key,
                    aliases=(
                        *(value.get("aliases") or ()),
                        *sorted(set(self._linked.get((name, key), ())) - {name}),
                    ),
                    ipv4_address=value.get("ipv4_address"),
                    ipv6_address=value.get("ipv6_address"),
                    link_local_ips=tuple(value.get("link_local_ips") or ()),
                    mac_address=value.get("mac_address"),
                    driver_opts={k: str(v) for k, v in (value.get("driver_opts") or {}).items()},
                    gateway_priority=int(value.get("gw_priority") or 0),
                )
            )
        return tuple(found)

    def _volumes_from(self, raw: Mapping[str, Any], where: str) -> Iterator[tuple[str, bool]]:
        for entry in raw.get("volumes_from") or ():
            source, _, mode = str(entry).partition(":")
            if source == "container" or source not in self.document["services"]:
                self.complain(
                    f"{where}.volumes_from", f"must name a service of this file, got {entry!r}"
                )
            else:
                yield source, mode == "ro"

    def _options(
        self, name: str, raw: Mapping[str, Any], where: str
    ) -> tuple[ContainerOptions, list[NamedMount], list[Delivery]]:
        host_mounts: list[HostMount] = []
        tmpfs_mounts: list[TmpfsMount] = []
        anonymous: list[str] = []
        mounts: list[NamedMount] = []
        deliveries: list[Delivery] = []
        for index, mount in enumerate(raw.get("volumes") or ()):
            here = f"{where}.volumes[{index}]"
            target = str(mount.get("target", ""))
            read_only = bool(mount.get("read_only"))
            if not target.startswith("/"):
                self.complain(f"{here}.target", f"must be an absolute path, got {target!r}")
            elif mount["type"] == "volume" and mount.get("source"):
                how = mount.get("volume") or {}
                mounts.append(
                    NamedMount(
                        volume=mount["source"],
                        path=target,
                        read_only=read_only,
                        no_copy=bool(how.get("nocopy")),
                        subpath=how.get("subpath"),
                    )
                )
            elif mount["type"] == "volume":
                anonymous.append(target)
            elif mount["type"] == "tmpfs":
                how = mount.get("tmpfs") or {}
                tmpfs_mounts.append(
                    TmpfsMount(
                        path=target,
                        size_bytes=int(how.get("size") or 0),
                        mode=int(how.get("mode") or 0),
                        read_only=read_only,
                    )
                )
            elif mount["type"] == "bind" and (name, target) in self.local:
                deliveries += self._local(Path(mount["source"]), target, here)
            elif mount["type"] == "bind":
                how = mount.get("bind") or {}
                host_mounts.append(
                    HostMount(
                        source=mount["source"],
                        path=target,
                        read_only=read_only,
                        create=bool(how.get("create_host_path")),
                        propagation=how.get("propagation"),
                        selinux=how.get("selinux"),
                    )
                )
            else:
                self.complain(f"{here}.type", f"must be bind, volume or tmpfs, got {mount['type']}")
        deliveries += self._files(raw, "configs", where)
        deliveries += self._files(raw, "secrets", where)
        resources = (raw.get("deploy") or {}).get("resources") or {}
        limits, reserved = resources.get("limits") or {}, resources.get("reservations") or {}
        blkio = raw.get("blkio_config") or {}
        logging = raw.get("logging") or {}
        cpus = limits.get("cpus") or raw.get("cpus")
        swap = raw.get("memswap_limit")
        options = ContainerOptions(
            command=self._words(raw, "command", where),
            entrypoint=self._words(raw, "entrypoint", where),
            user=raw.get("user"),
            working_dir=raw.get("working_dir"),
            domainname=raw.get("domainname"),
            labels={k: str(v) for k, v in (raw.get("labels") or {}).items()},
            healthcheck=self._healthcheck(raw.get("healthcheck"), where),
            stop_signal=raw.get("stop_signal"),
            stop_timeout=self._whole_seconds(raw, where),
            max_retries=self._restart(raw, where)[1],
            init=raw.get("init"),
            tty=bool(raw.get("tty")),
            stdin_open=bool(raw.get("stdin_open")),
            read_only=bool(raw.get("read_only")),
            privileged=bool(raw.get("privileged")),
            cap_add=tuple(raw.get("cap_add") or ()),
            cap_drop=tuple(raw.get("cap_drop") or ()),
            security_options=self._security(raw, where),
            devices=tuple(
                Device(
                    host=d["source"],
                    container=d.get("target") or d["source"],
                    permissions=d.get("permissions") or "rwm",
                )
                for d in raw.get("devices") or ()
            ),
            device_cgroup_rules=tuple(raw.get("device_cgroup_rules") or ()),
            device_requests=(
                *(_device_request(r, ("gpu",)) for r in raw.get("gpus") or ()),
                *(_device_request(r, ()) for r in reserved.get("devices") or ()),
            ),
            ulimits=tuple(_ulimit(k, v) for k, v in sorted((raw.get("ulimits") or {}).items())),
            sysctls={k: str(v) for k, v in (raw.get("sysctls") or {}).items()},
            group_add=tuple(str(g) for g in raw.get("group_add") or ()),
            dns=tuple(raw.get("dns") or ()),
            dns_options=tuple(raw.get("dns_opt") or ()),
            dns_search=tuple(raw.get("dns_search") or ()),
            extra_hosts=tuple(self._extra_hosts(raw, where)),
            log_driver=logging.get("driver"),
            log_options={k: str(v) for k, v in (logging.get("options") or {}).items()},
            memory_mib=self._mib(limits.get("memory") or raw.get("mem_limit"), where, "mem_limit"),
            memory_reservation_mib=self._mib(
                reserved.get("memory") or raw.get("mem_reservation"), where, "mem_reservation"
            ),
            memory_swap_mib=-1
            if swap is not None and int(swap) == -1
            else self._mib(swap, where, "memswap_limit"),
            shm_size_mib=self._mib(raw.get("shm_size"), where, "shm_size"),
            cpus=None if not cpus else _decimal(float(cpus)),
            cpu_shares=raw.get("cpu_shares"),
            cpu_set=raw.get("cpuset"),
            cpu_period=self._without_cpus(raw, "cpu_period", cpus, where),
            cpu_quota=self._without_cpus(raw, "cpu_quota", cpus, where),
            read_bps=_throttles(blkio.get("device_read_bps")),
            read_iops=_throttles(blkio.get("device_read_iops")),
            write_bps=_throttles(blkio.get("device_write_bps")),
            write_iops=_throttles(blkio.get("device_write_iops")),
            runtime=raw.get("runtime"),
            platform=raw.get("platform"),
            storage_options={k: str(v) for k, v in (raw.get("storage_opt") or {}).items()},
            network_mode=_unshared(raw.get("network_mode")),
            ipc_mode=_unshared(raw.get("ipc")),
            pid_mode=_unshared(raw.get("pid")),
            userns_mode=raw.get("userns_mode"),
            cgroupns_mode=raw.get("cgroup"),
            cgroup_parent=raw.get("cgroup_parent"),
            tmpfs=dict(_tmpfs(raw.get("tmpfs") or [])),
            host_mounts=tuple(host_mounts),
            tmpfs_mounts=tuple(tmpfs_mounts),
            anonymous_volumes=tuple(anonymous),
        )
        self._deliverable(options, deliveries, where)
        return options, mounts, deliveries

    def _words(self, raw: Mapping[str, Any], key: str, where: str) -> tuple[str, ...] | None:
        words = raw.get(key)
        if words is None:
            return None
        if not words:
            self.complain(
                f"{where}.{key}",
                "must have a word, got []; the provider cannot clear the image's: name the "
                "program, or build an image without it",
            )
            return None
        if key == "command" and "" in words:
            self.complain(
                f"{where}.command",
                f"must have no empty argument, got {words!r}; the provider refuses one: "
                "use a script",
            )
        return tuple(str(word) for word in words)

    def _healthcheck(self, raw: Mapping[str, Any] | None, where: str) -> Healthcheck | None:
        if raw is None:
            return None
        test = tuple(str(word) for word in raw.get("test") or ())
        if raw.get("disable") or test[:1] == ("NONE",):
            return Healthcheck(test=("NONE",))
        for key in ("interval", "timeout", "start_period", "start_interval"):
            if raw.get(key) is not None and seconds(str(raw[key])) is None:
                self.complain(f"{where}.healthcheck.{key}", f"must be a duration, got {raw[key]!r}")
        return Healthcheck(
            test=test,
            interval=str(raw.get("interval") or "0s"),
            timeout=str(raw.get("timeout") or "0s"),
            start_period=str(raw.get("start_period") or "0s"),
            start_interval=str(raw.get("start_interval") or "0s"),
            retries=int(raw.get("retries") or 0),
        )

    def _whole_seconds(self, raw: Mapping[str, Any], where: str) -> int | None:
        value = raw.get("stop_grace_period")
        if value is None:
            return None
        found = seconds(str(value))
        if found is None or found != int(found):
            self.complain(f"{where}.stop_grace_period", f"must be whole seconds, got {value}")
            return None
        return int(found)

    def _mib(self, value: object, where: str, key: str) -> int | None:
        if value is None or value == "0":
            return None
        size = int(str(value))
        if size % MIB:
            self.complain(
                f"{where}.{key}",
                f"must be whole MiB, got {size} bytes; write {max(1, round(size / MIB))}m",
            )
            return None
        return size // MIB or None

    def _without_cpus(
        self, raw: Mapping[str, Any], key: str, cpus: object, where: str
    ) -> int | None:
        value = raw.get(key)
        if value and cpus:
            self.complain(f"{where}.{key}", f"must not stand beside cpus, got {value}; use cpus")
            return None
        return value

    def _security(self, raw: Mapping[str, Any], where: str) -> tuple[str, ...]:
        found = []
        for option in raw.get("security_opt") or ():
            name, separator, value = re.match(r"([^:=]*)([:=]?)(.*)", option).groups()  # type: ignore[union-attr]  # it matches anything
            if name == "seccomp" and value not in ("unconfined", "builtin"):
                self.complain(
                    f"{where}.security_opt",
                    f"must name no profile in a file, got {option}; the file would have to be on "
                    "the machine",
                )
            # Compose turns the old separator into the new one.
            if separator == ":" and name != "no-new-privileges":
                separator = "="
            found.append(f"{name}{separator}{value}")
        return tuple(found)

    def _extra_hosts(self, raw: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
        for entry in raw.get("extra_hosts") or ():
            host, _, address = str(entry).partition("=")
            if ":" in address:
                self.complain(
                    f"{where}.extra_hosts",
                    f"must be an IPv4 address, got {address}; the provider cannot read back "
                    "IPv6 ones",
                )
            yield host, address

    def _local(self, source: Path, target: str, where: str) -> Iterator[Delivery]:
        """Turn a file or folder of this computer into files that are copied."""
        if source.is_file():
            yield Delivery(path=target, source=source, mode=_mode(source), origin=where)
            return
        if not source.is_dir():
            self.complain(
                f"{where}.source",
                f"must be a file or folder of this computer, got no such thing as {source}; "
                "create it, use a named volume for data, or an absolute path for the machine's",
            )
            return
        files = sorted(path for path in source.rglob("*") if path.is_file())
        size = sum(path.stat().st_size for path in files)
        if not files:
            self.complain(
                f"{where}.source",
                f"must hold a file, got the empty folder {source}; use a named volume for data",
            )
        elif len(files) > FILE_LIMIT or size > SIZE_LIMIT:
            self.complain(
                f"{where}.source",
                f"must hold at most {FILE_LIMIT} files and {SIZE_LIMIT // MIB} MiB, got "
                f"{len(files)} files and {size // MIB} MiB in {source}; build it into an image",
            )
        else:
            for path in files:
                yield Delivery(
                    path=f"{target.rstrip('/')}/{path.relative_to(source).as_posix()}",
                    source=path,
                    mode=_mode(path),
                    origin=where,
                )

    def _files(self, raw: Mapping[str, Any], kind: str, where: str) -> Iterator[Delivery]:
        for index, use in enumerate(raw.get(kind) or ()):
            here = f"{where}.{kind}[{index}]"
            definition = (self.document.get(kind) or {}).get(use["source"])
            if not definition or definition.get("external"):
                continue
            default = f"/run/secrets/{use['source']}" if kind == "secrets" else f"/{use['source']}"
            target = str(use.get("target") or default)
            if not target.startswith("/"):
                target = f"/run/secrets/{target}" if kind == "secrets" else f"/{target}"
            for key in ("uid", "gid"):
                if use.get(key) and not str(use[key]).isdigit():
                    self.complain(f"{here}.{key}", f"must be a number, got {use[key]!r}")
            source = definition.get("file")
            if source is not None and not Path(source).is_file():
                self.complain(
                    f"{kind}.{use['source']}.file",
                    f"must be a file, got no such file as {source}; {where} needs it",
                )
                continue
            yield Delivery(
                path=target,
                source=None if source is None else Path(source),
                variable=definition.get("environment"),
                content=definition.get("content") if kind == "configs" else None,
                is_secret=kind == "secrets" or bool(definition.get("environment")),
                mode=str(use.get("mode") or "0444").rjust(4, "0")[-4:],
                uid=str(use.get("uid") or ""),
                gid=str(use.get("gid") or ""),
                origin=here,
            )

    def _deliverable(
        self, options: ContainerOptions, deliveries: list[Delivery], where: str
    ) -> None:
        """Refuse files that would not be seen, or that the engine would not take."""
        memory = [*options.tmpfs, *(mount.path for mount in options.tmpfs_mounts)]
        seen: set[str] = set()
        for delivery in deliveries:
            if options.read_only:
                self.complain(
                    delivery.origin,
                    f"must not be copied into a read-only container, got {delivery.path}; leave "
                    f"out {where}.read_only, or build the file into the image",
                )
            for path in memory:
                if delivery.path.startswith(f"{path.rstrip('/')}/"):
                    self.complain(
                        delivery.origin,
                        f"must not be below the folder in memory {path}, which would hide it, "
                        f"got {delivery.path}; choose another target",
                    )
            if delivery.path in seen:
                self.complain(
                    delivery.origin, f"must have a path of its own, got {delivery.path} twice"
                )
            seen.add(delivery.path)


def parse(
    document: Mapping[str, Any],
    *,
    file: str,
    folder: Path | None = None,
    local: AbstractSet[tuple[str, str]] = frozenset(),
) -> ComposeProject:
    """Turn the output of `docker compose config --format json` into values.

    Args:
        document: The output, with its dollar signs as they were meant.
        file: The Compose file, for messages.
        folder: The project's folder, which digests leave out.
        local: The bind mounts whose source is a relative path: service and target.

    Raises:
        ComposeError: Something cannot be honoured; with every problem.
    """
    document = {**document, "folder": str(folder) if folder else ""}
    document.setdefault("services", {})
    reader = _Reader(document, file, local)
    checked = {k: v for k, v in document.items() if k != "folder"}
    for where, remedy, value in unsupported(checked):
        reader.complain(where, f"is not supported, got {_shown(value)}; {remedy}")
    services = {k: reader.service(k, v) for k, v in sorted((document["services"] or {}).items())}
    project = ComposeProject(
        name=str(document["name"]),
        file=file,
        services=services,
        networks={k: _network(k, v or {}) for k, v in _items(document, "networks")},
        volumes={k: _volume(k, v or {}) for k, v in _items(document, "volumes")},
    )
    if reader.problems:
        raise ComposeError(reader.problems)
    return project


def seconds(duration: str) -> float | None:
    """Return the seconds of a duration as Go writes it (`1m30s`), or None."""
    parts = _DURATION_PART.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration:
        return 0.0 if duration == "0" else None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _items(document: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    return sorted((document.get(key) or {}).items())


def _network(key: str, raw: Mapping[str, Any]) -> NetworkDefinition:
    ipam = raw.get("ipam") or {}
    return NetworkDefinition(
        key=key,
        name=str(raw.get("name") or key),
        external=bool(raw.get("external")),
        driver=raw.get("driver"),
        driver_opts={k: str(v) for k, v in (raw.get("driver_opts") or {}).items()},
        internal=bool(raw.get("internal")),
        attachable=bool(raw.get("attachable")),
        ipv6=bool(raw.get("enable_ipv6")),
        ipam_driver=ipam.get("driver"),
        pools=tuple(
            AddressPool(
                subnet=pool.get("subnet"),
                ip_range=pool.get("ip_range"),
                gateway=pool.get("gateway"),
                aux_addresses=pool.get("aux_addresses") or {},
            )
            for pool in ipam.get("config") or ()
        ),
        labels={k: str(v) for k, v in (raw.get("labels") or {}).items()},
    )


def _volume(key: str, raw: Mapping[str, Any]) -> VolumeDefinition:
    return VolumeDefinition(
        key=key,
        name=str(raw.get("name") or key),
        external=bool(raw.get("external")),
        driver=raw.get("driver"),
        driver_opts={k: str(v) for k, v in (raw.get("driver_opts") or {}).items()},
        labels={k: str(v) for k, v in (raw.get("labels") or {}).items()},
    )


def _device_request(raw: Mapping[str, Any], always: tuple[str, ...]) -> DeviceRequest:
    return DeviceRequest(
        driver=str(raw.get("driver") or ""),
        count=int(raw.get("count") or 0),
        ids=tuple(raw.get("device_ids") or ()),
        capabilities=(*(raw.get("capabilities") or ()), *always),
        options={k: str(v) for k, v in (raw.get("options") or {}).items()},
    )


def _ulimit(name: str, raw: object) -> Ulimit:
    if isinstance(raw, dict):
        return Ulimit(name=name, soft=int(raw.get("soft", 0)), hard=int(raw.get("hard", 0)))
    return Ulimit(name=name, soft=int(str(raw)), hard=int(str(raw)))


def _throttles(raw: object) -> tuple[Throttle, ...]:
    entries = raw if isinstance(raw, list) else []
    return tuple(Throttle(path=str(e["Path"]), rate=int(e["Rate"])) for e in entries)


def _tmpfs(entries: list[str]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        path, _, options = entry.partition(":")
        yield path, options


def _decimal(number: float) -> str:
    """Spell a number of CPUs as the provider reads it back: with no zeros at its end."""
    return f"{number:.9f}".rstrip("0").rstrip(".")


def _mode(file: Path) -> str:
    return "0755" if file.stat().st_mode & 0o100 else "0644"


def _shared(mode: object) -> str | None:
    kind, _, name = str(mode or "").partition(":")
    return name if kind == "service" else None


def _unshared(mode: object) -> str | None:
    return None if not mode or _shared(mode) else str(mode)


def _shown(value: object) -> str:
    text = json.dumps(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004
