"""What of the Compose specification is supported: the one table.

The check of Compose files walks this table, and `support_page` writes `docs/compose.md` from it,
so that neither can differ from the other.

Source: the Compose specification, and the attributes of the Docker provider 4.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from constructs_lib.compose import convert, grammar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Shape = Literal["one", "list", "map"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What becomes of a key.

    Attributes:
        how: `yes`: it does what it says. `nothing`: it is accepted and changes nothing on an
            engine. `unheeded`: the same, but whoever wrote it may think otherwise, and is warned.
            `no`: it is refused.
        text: For `yes` and `nothing` what is to be known, for `no` what to do instead.
        inside: The keys below it; None where its value is the user's own.
        shape: Whether those keys stand in the value, in each item of a list, or in each value
            of a mapping.
        option: The field of `ContainerOptions` that it becomes; empty where more than a field
            comes of it, or where it takes other keys to know.
        read: From its value to that field's.
        so_anyway: For `no` and `unheeded` the values that ask for what is so without them.
        swarm: What becomes of it in a swarm; None where that is the same.
    """

    how: Literal["yes", "nothing", "unheeded", "no"]
    text: str = ""
    inside: Mapping[str, Key] | None = None
    shape: Shape = "one"
    option: str = ""
    read: Callable[[Any], Any] = convert.same
    so_anyway: tuple[object, ...] = ()
    swarm: Key | None = None

    def on(self, *, swarm: bool) -> Key:
        """Return what becomes of it on one machine, or in a swarm."""
        return self.swarm if swarm and self.swarm is not None else self


def _yes(
    text: str = "",
    inside: Mapping[str, Key] | None = None,
    shape: Shape = "one",
    *,
    option: str = "",
    read: Callable[[Any], Any] = convert.same,
    swarm: Key | None = None,
) -> Key:
    return Key(
        how="yes", text=text, inside=inside, shape=shape, option=option, read=read, swarm=swarm
    )


def _nothing(text: str) -> Key:
    return Key(how="nothing", text=text)


def _unheeded(text: str, *so_anyway: object, swarm: Key | None = None) -> Key:
    return Key(how="unheeded", text=text, so_anyway=so_anyway, swarm=swarm)


def _no(remedy: str, *so_anyway: object, swarm: Key | None = None) -> Key:
    return Key(how="no", text=remedy, so_anyway=so_anyway, swarm=swarm)


_SWARM: Final = "it is for a swarm, and this is one engine"
_NO_SWARM: Final = f"leave it out: {_SWARM}"
_WINDOWS: Final = "leave it out: it is for Windows"
_MAC_ADDRESS: Final = "before Docker 29.3 the engine discards it"
"""It does so where a container joins a network that is there already, as the provider's do."""
_CGROUP_V2: Final = "engines on cgroup v2, such as Flatcar's, discard it"
_DEVICE_REQUEST: Final = {
    "capabilities": _yes(),
    "count": _yes("`all` too"),
    "device_ids": _yes(),
    "driver": _yes(),
    "options": _yes(),
}
_ENGINE_ALONE: Final = "in a swarm the engine has no such option"
_NOT_IN_SWARM: Final = _no(f"leave it out: {_ENGINE_ALONE}")
_NOT_OF_PROVIDER: Final = _no("leave it out: the provider cannot set it in a swarm")
_MACHINES_OWN: Final = _no("leave it out: a swarm chooses the node, and shares none of its own")
_FIXED_ADDRESS: Final = _no("leave it out: in a swarm tasks come and go; use the service's name")
_CHANGES: Final = _yes(
    inside={
        "delay": _yes(),
        "failure_action": _yes("`pause`, `continue`, and for updates `rollback`"),
        "max_failure_ratio": _yes("in tenths"),
        "monitor": _yes(),
        "order": _yes("`stop-first` and `start-first`; the latter not beside published ports"),
        "parallelism": _yes("0 is all at once"),
    }
)
_THROTTLE: Final = {"Path": _yes(), "Rate": _yes()}

BUILD: Final[Mapping[str, Key]] = {
    "additional_contexts": _yes("folders, images, `service:NAME`, and what the builder fetches"),
    "args": _yes("the image tells them to everybody who has it: no secrets"),
    "cache_from": _yes("of a registry or a folder; others, the machine's builder cannot read"),
    "cache_to": _yes("`type=inline`; the machine keeps its own cache, and others are left out"),
    "context": _yes(
        "a folder of this computer, or a repository that the builder fetches; a file in a folder "
        "that changes, and that `.dockerignore` does not name, builds again"
    ),
    "dockerfile": _yes("outside of the context, too; `NAME.dockerignore` beside it counts first"),
    "dockerfile_inline": _yes(),
    "entitlements": _yes("`network.host`; the machine's builder grants no more"),
    "extra_hosts": _yes(),
    "isolation": _no(_WINDOWS),
    "labels": _yes(),
    "network": _yes(),
    "no_cache": _yes("each time when something has changed"),
    "platforms": _yes("one; of several only the machine's own is built"),
    "privileged": _no("do what needs it when the container runs: the machine's builder may not"),
    "provenance": _nothing("images are built for this machine only"),
    "pull": _yes("the plan asks the registry for the base images in any case"),
    "sbom": _nothing("images are built for this machine only"),
    "secrets": _yes(
        "from `file` and `environment`, with `target`; a changed content does not build again"
    ),
    "shm_size": _yes(),
    "ssh": _yes("the agent of this computer, or a key"),
    "tags": _yes("beside the tag of its own that the image has"),
    "target": _yes(),
    "ulimits": _yes(),
}

HEALTHCHECK: Final[Mapping[str, Key]] = {
    "disable": _yes(),
    "interval": _yes(),
    "retries": _yes(),
    "start_interval": _yes("needs Docker 25 on the machine"),
    "start_period": _yes(),
    "test": _yes(),
    "timeout": _yes(),
}

DEPLOY: Final[Mapping[str, Key]] = {
    "endpoint_mode": _unheeded(
        _SWARM, swarm=_yes("`dnsrr` where unset; `vip` where the nodes' kernels have IP_VS")
    ),
    "labels": _unheeded(
        "they are for a swarm's service; the service's `labels` are on containers", swarm=_yes()
    ),
    "mode": _yes(
        "`replicated` and `global`, which is one container on one engine",
        swarm=_yes("`replicated` and `global`; a change replaces the service"),
    ),
    "placement": _unheeded(
        _SWARM,
        swarm=_yes(
            inside={
                "constraints": _yes("of nodes that the settings have"),
                "max_replicas_per_node": _yes(),
                "preferences": _yes(
                    "one: the provider keeps no order", inside={"spread": _yes()}, shape="list"
                ),
            }
        ),
    ),
    "replicas": _yes("one container and one resource a replica", swarm=_yes("one task a replica")),
    "resources": _yes(
        inside={
            "limits": _yes(
                inside={
                    "cpus": _yes(option="cpus", read=convert.decimal),
                    "devices": _no("use `reservations.devices`"),
                    "generic_resources": _unheeded(
                        _SWARM, swarm=_no("leave it out: only `reservations` has them")
                    ),
                    "memory": _yes("in whole MiB", option="memory_mib", read=convert.memory_mib),
                    "pids": _yes("as `pids_limit`", swarm=_NOT_OF_PROVIDER),
                }
            ),
            "reservations": _yes(
                inside={
                    "cpus": _unheeded(
                        "an engine reserves no CPUs; `cpu_shares` is a weight", swarm=_yes()
                    ),
                    "devices": _yes(
                        inside=_DEVICE_REQUEST,
                        shape="list",
                        swarm=_no("use `generic_resources`: a swarm hands out no devices"),
                    ),
                    "generic_resources": _unheeded(_SWARM, swarm=_yes("discrete ones")),
                    "memory": _yes(
                        "in whole MiB", option="memory_reservation_mib", read=convert.memory_mib
                    ),
                    "pids": _unheeded("an engine reserves no processes", swarm=_NOT_OF_PROVIDER),
                }
            ),
        }
    ),
    "restart_policy": _yes(
        inside={
            "condition": _yes(),
            "delay": _unheeded("an engine chooses the delay", swarm=_yes()),
            "max_attempts": _yes(),
            "window": _unheeded("an engine has no such window", swarm=_yes()),
        }
    ),
    "rollback_config": _unheeded(_SWARM, swarm=_CHANGES),
    "update_config": _unheeded(_SWARM, swarm=_CHANGES),
}

PORT: Final[Mapping[str, Key]] = {
    "app_protocol": _nothing("a note for people"),
    "host_ip": _yes("without it the port is published on IPv4 only; `::` is all of IPv6"),
    "mode": _yes("`ingress` and `host` are the same on one engine"),
    "name": _nothing("a note for people"),
    "protocol": _yes("`tcp`, `udp` or `sctp`"),
    "published": _yes(
        "a security group must open it; of a range for one target each replica gets the next port. "
        "Without it the engine chooses one, which `moor status` tells and no security group opens"
    ),
    "target": _yes(),
}

MOUNT: Final[Mapping[str, Key]] = {
    "bind": _yes(
        inside={
            "create_host_path": _yes("a relative path that is missing here is made on the machine"),
            "propagation": _yes(),
            "recursive": _no("leave it out: the provider cannot set it"),
            "selinux": _yes("not beside a propagation, or an absolute path that is not to be made"),
        }
    ),
    "consistency": _nothing("it is for Docker Desktop"),
    "image": _no("use a named volume, which takes what the image has at that path"),
    "read_only": _yes(),
    "source": _yes(
        "an absolute path is one of the machine. A relative path, or one with `${PWD}` or another "
        "variable that leads into the project's folder, is of this computer. A file is copied into "
        "the container. A folder is one of the machine, `/var/lib/moor/PROJECT/folders/PATH`, "
        "which outlives containers: a file is copied into it when it changes here, and what the "
        "containers wrote stays. A folder that every service mounts `:ro` is an exact copy. In "
        'each case a changed file replaces the containers. See README, "Data"'
    ),
    "target": _yes(),
    "tmpfs": _yes(inside={"mode": _yes(), "size": _yes()}),
    "type": _yes("`bind`, `volume` and `tmpfs`"),
    "volume": _yes(
        inside={
            "labels": _no("put the labels on the volume itself"),
            "nocopy": _yes("needs Docker 26 on the machine"),
            "subpath": _yes("needs Docker 26 on the machine"),
        }
    ),
}

ATTACHMENT: Final[Mapping[str, Key]] = {
    "aliases": _yes(),
    "driver_opts": _yes(),
    "gw_priority": _yes("needs Docker 28 on the machine"),
    "interface_name": _yes("needs Docker 28 on the machine"),
    "ipv4_address": _yes(),
    "ipv6_address": _yes(),
    "link_local_ips": _yes(),
    "mac_address": _unheeded(_MAC_ADDRESS),
    "priority": _unheeded("networks are joined in no order; `gw_priority` chooses the gateway"),
}

SWARM_HEALTHCHECK: Final[Mapping[str, Key]] = {**HEALTHCHECK, "start_interval": _NOT_OF_PROVIDER}

SWARM_PORT: Final[Mapping[str, Key]] = {
    **PORT,
    "host_ip": _no("leave it out: a swarm publishes on all addresses of a node", "0.0.0.0"),  # noqa: S104
    "mode": _yes(
        "`host` where the file does not say `ingress` itself, which takes IP_VS in the nodes' "
        "kernels: each node that runs a task has the port"
    ),
    "published": _yes("one port, no range; a security group must open it"),
}

SWARM_MOUNT: Final[Mapping[str, Key]] = {
    **MOUNT,
    "bind": _yes(
        inside={
            "create_host_path": _nothing("a swarm makes no folders of a node"),
            "propagation": _yes(),
            "recursive": _no("leave it out: the provider cannot set it"),
            "selinux": _no("leave it out: a swarm sets no labels"),
        }
    ),
    "source": _yes(
        "an absolute path is one of the node that runs the task, and has to be there. A file of "
        "this computer that is mounted `:ro` becomes a config of the swarm's; one that is "
        "writable, and a folder, are refused. A service with a named volume runs on one node, "
        "which its first deployment chooses, and stays there"
    ),
    "volume": _yes(
        inside={
            "labels": _no("put the labels on the volume itself"),
            "nocopy": _yes(),
            "subpath": _NOT_OF_PROVIDER,
        }
    ),
}

SWARM_ATTACHMENT: Final[Mapping[str, Key]] = {
    "aliases": _yes(),
    "driver_opts": _yes(),
    "gw_priority": _NOT_OF_PROVIDER,
    "interface_name": _NOT_IN_SWARM,
    "ipv4_address": _FIXED_ADDRESS,
    "ipv6_address": _FIXED_ADDRESS,
    "link_local_ips": _FIXED_ADDRESS,
    "mac_address": _FIXED_ADDRESS,
    "priority": _unheeded("networks are joined in no order"),
}

_FILE_REFERENCE: Final = {
    "gid": _yes("a number"),
    "mode": _yes("`0444` where unset"),
    "source": _yes(),
    "target": _yes(),
    "uid": _yes("a number"),
}

SERVICE: Final[Mapping[str, Key]] = {
    "annotations": _no("use `labels`: the provider knows no annotations"),
    "attach": _nothing("it is about the terminal of `docker compose up`"),
    "blkio_config": _yes(
        inside={
            "device_read_bps": _yes(
                inside=_THROTTLE, shape="list", option="read_bps", read=convert.throttles
            ),
            "device_read_iops": _yes(
                inside=_THROTTLE, shape="list", option="read_iops", read=convert.throttles
            ),
            "device_write_bps": _yes(
                inside=_THROTTLE, shape="list", option="write_bps", read=convert.throttles
            ),
            "device_write_iops": _yes(
                inside=_THROTTLE, shape="list", option="write_iops", read=convert.throttles
            ),
            "weight": _no("leave it out: the provider cannot set it"),
            "weight_device": _no("leave it out: the provider cannot set it"),
        },
        swarm=_NOT_IN_SWARM,
    ),
    "build": _yes(
        "the image is built on the machine",
        inside=BUILD,
        swarm=_yes(
            "a manager builds the image and pushes it to the swarm's own registry, or to that of "
            "the settings (`registry`), from which each node pulls it",
            inside=BUILD,
        ),
    ),
    "cap_add": _yes(option="cap_add", read=convert.text_list),
    "cap_drop": _yes(option="cap_drop", read=convert.text_list),
    "cgroup": _yes(option="cgroupns_mode", swarm=_NOT_IN_SWARM),
    "cgroup_parent": _yes(option="cgroup_parent", swarm=_NOT_IN_SWARM),
    "command": _yes(
        "an empty argument needs an `entrypoint` beside it",
        option="command",
        read=convert.text_list,
    ),
    "configs": _yes(
        "copied into the container; their content is not in Terraform's state",
        inside=_FILE_REFERENCE,
        shape="list",
        swarm=_yes(
            "a config of the swarm's, mounted read-only; a changed content replaces tasks",
            inside=_FILE_REFERENCE,
            shape="list",
        ),
    ),
    "container_name": _yes(
        swarm=_no("leave it out: several nodes run tasks; others use the service's name")
    ),
    "cpu_count": _no(_WINDOWS),
    "cpu_percent": _no(_WINDOWS),
    "cpu_period": _yes(
        "not together with `cpus`",
        option="cpu_period",
        read=convert.within(1000, 1_000_000, or_zero=True),
        swarm=_no("use `deploy.resources.limits.cpus`"),
    ),
    "cpu_quota": _yes(
        "not together with `cpus`",
        option="cpu_quota",
        read=convert.within(1000, or_zero=True),
        swarm=_no("use `deploy.resources.limits.cpus`"),
    ),
    "cpu_rt_period": _no("use `cpus` or `cpu_shares`"),
    "cpu_rt_runtime": _no("use `cpus` or `cpu_shares`"),
    "cpu_shares": _yes(
        option="cpu_shares",
        read=convert.within(0, convert.MOST_SHARES),
        swarm=_no("use `deploy.resources`"),
    ),
    "cpus": _yes(option="cpus", read=convert.decimal),
    "cpuset": _yes(
        option="cpu_set",
        read=convert.good(grammar.wrong_cpu_set),
        swarm=_no("use `deploy.resources.limits.cpus`"),
    ),
    "credential_spec": _no(_WINDOWS),
    "depends_on": _yes(
        "all conditions; a dependency that ends with an error or becomes unhealthy fails the "
        "deployment with its log",
        inside={"condition": _yes(), "required": _yes(), "restart": _yes("it is replaced, too")},
        shape="map",
        swarm=_yes(
            "all conditions; the deployment waits for the tasks of the other",
            inside={
                "condition": _yes(),
                "required": _yes(),
                "restart": _no("leave it out: a swarm replaces no tasks for those of another"),
            },
            shape="map",
        ),
    ),
    "deploy": _yes(inside=DEPLOY),
    "develop": _nothing("it is for `docker compose watch`"),
    "device_cgroup_rules": _yes(
        option="device_cgroup_rules", read=convert.device_cgroup_rules, swarm=_NOT_IN_SWARM
    ),
    "devices": _yes(
        "those of the Container Device Interface (`vendor.com/class=name`), too",
        inside={"permissions": _yes(), "source": _yes(), "target": _yes()},
        shape="list",
        option="devices",
        read=convert.devices,
        swarm=_no("leave it out: a swarm hands out no devices"),
    ),
    "dns": _yes(option="dns", read=convert.addresses),
    "dns_opt": _yes(option="dns_options", read=convert.text_list),
    "dns_search": _yes(option="dns_search", read=convert.text_list),
    "dockerfile": _no("use `build.dockerfile`"),
    "domainname": _yes(
        option="domainname", read=convert.good(grammar.wrong_host_name), swarm=_NOT_OF_PROVIDER
    ),
    "entrypoint": _yes(
        "`[]` needs a `command` beside it", option="entrypoint", read=convert.text_list
    ),
    "environment": _yes(
        "it is in Terraform's state: use `secrets` for secrets",
        swarm=_yes(
            "it is in Terraform's state, and in the swarm's: use `secrets` for secrets. A variable "
            "without a value is left out"
        ),
    ),
    "expose": _nothing("containers of one network reach all of each other's ports"),
    "external_links": _no("join the network of the other container, as an external one"),
    "extra_hosts": _yes(
        "IPv4 addresses and `host-gateway`",
        option="extra_hosts",
        read=convert.extra_hosts,
        swarm=_yes("IPv4 addresses; a change replaces the service"),
    ),
    "gpus": _yes(
        inside=_DEVICE_REQUEST,
        shape="list",
        swarm=_no("use `deploy.resources.reservations.generic_resources`"),
    ),
    "group_add": _yes(option="group_add", read=convert.text_list),
    "healthcheck": _yes(
        "the deployment waits until it is healthy",
        inside=HEALTHCHECK,
        option="healthcheck",
        read=convert.healthcheck,
        swarm=_yes("the deployment waits until the tasks are healthy", inside=SWARM_HEALTHCHECK),
    ),
    "hostname": _yes(),
    "image": _yes(
        "a tag that moved in its registry shows in the plan; see `pull_policy`",
        swarm=_yes("by its digest, which each plan asks the registry for"),
    ),
    "init": _yes(option="init"),
    "ipc": _yes(
        "`service:NAME` too", option="ipc_mode", read=convert.ipc_mode, swarm=_MACHINES_OWN
    ),
    "isolation": _no(_WINDOWS, "default"),
    "label_file": _yes(),
    "labels": _yes(option="labels", read=convert.labels),
    "links": _yes(
        "to services that share a network",
        swarm=_no("use the service's name, or `networks.NAME.aliases` of the other"),
    ),
    "log_driver": _no("use `logging.driver`"),
    "log_opt": _no("use `logging.options`"),
    "logging": _yes(
        inside={
            "driver": _yes(option="log_driver"),
            "options": _yes(option="log_options", read=convert.text_map),
        }
    ),
    "mac_address": _unheeded(
        f"it is that of the first network, and {_MAC_ADDRESS}", swarm=_NOT_IN_SWARM
    ),
    "mem_limit": _yes("in whole MiB", option="memory_mib", read=convert.memory_mib),
    "mem_reservation": _yes(
        "in whole MiB", option="memory_reservation_mib", read=convert.memory_mib
    ),
    "mem_swappiness": _unheeded(_CGROUP_V2, swarm=_NOT_IN_SWARM),
    "memswap_limit": _yes(
        "in whole MiB, or -1",
        option="memory_swap_mib",
        read=convert.mib_or_unlimited,
        swarm=_NOT_OF_PROVIDER,
    ),
    "models": _no("run the model as a service"),
    "net": _no("use `network_mode`"),
    "network_mode": _yes(
        "`service:NAME` too",
        option="network_mode",
        read=convert.own_mode,
        swarm=_no("use `networks`"),
    ),
    "networks": _yes(
        inside=ATTACHMENT,
        shape="map",
        swarm=_yes("a change replaces the service", inside=SWARM_ATTACHMENT, shape="map"),
    ),
    "oom_kill_disable": _unheeded(_CGROUP_V2, swarm=_NOT_IN_SWARM),
    "oom_score_adj": _no("use `mem_limit` and `mem_reservation`"),
    "pid": _yes(
        "`service:NAME` too", option="pid_mode", read=convert.pid_mode, swarm=_MACHINES_OWN
    ),
    "pids_limit": _yes(
        "set right after the start, since the provider does not know it; a change of it by hand "
        "does not show in the plan",
        swarm=_NOT_OF_PROVIDER,
    ),
    "platform": _yes(
        option="platform",
        read=convert.good(grammar.wrong_platform),
        swarm=_no("use `deploy.placement.constraints`, such as `node.platform.arch==x86_64`"),
    ),
    "ports": _yes(
        "with `network_mode: host` they have no effect, and a warning says so",
        inside=PORT,
        shape="list",
        swarm=_yes(inside=SWARM_PORT, shape="list"),
    ),
    "post_start": _no("put the command into the image's entry point"),
    "pre_stop": _no("let the program act on its `stop_signal`"),
    "privileged": _yes(
        option="privileged",
        read=bool,
        swarm=_no("leave it out: a swarm runs no privileged tasks; use `cap_add`"),
    ),
    "profiles": _yes("set `COMPOSE_PROFILES` to choose"),
    "provider": _no("run it as a service with an image"),
    "pull_policy": _yes(
        "unset and `always`: the plan asks the registry for the tag's digest. `missing` and "
        "`if_not_present`: it does not. `never`: the image is on the machine already, or is built "
        "here. `build`: as `build` says. The periods are refused",
        swarm=_yes(
            "each plan asks the registry for the tag's digest, with `missing`, too; `never` is "
            "refused: each node pulls by itself"
        ),
    ),
    "read_only": _yes(
        "files, configs and secrets are mounted into it one by one",
        option="read_only",
        read=bool,
        swarm=_yes(),
    ),
    "restart": _yes(
        swarm=_yes(
            "`always` and `unless-stopped` are `any` of `deploy.restart_policy`, which counts "
            "first; `no` is `none`. Unset it is `any`, as in any swarm, but `none` where others "
            "wait for "
            "the service to complete"
        )
    ),
    "runtime": _yes(option="runtime", swarm=_NOT_IN_SWARM),
    "scale": _yes("as `deploy.replicas`", swarm=_yes("as `deploy.replicas`")),
    "secrets": _yes(
        "copied into the container; their content is not in Terraform's state",
        inside=_FILE_REFERENCE,
        shape="list",
        swarm=_yes(
            "a secret of the swarm's; its content is not in Terraform's state",
            inside=_FILE_REFERENCE,
            shape="list",
        ),
    ),
    "security_opt": _yes(
        "but for profiles in files",
        option="security_options",
        read=convert.security_options,
        swarm=_NOT_OF_PROVIDER,
    ),
    "shm_size": _yes(
        "in whole MiB",
        option="shm_size_mib",
        read=convert.mib,
        swarm=_no("mount a `tmpfs` of that size at `/dev/shm`"),
    ),
    "stdin_open": _yes(option="stdin_open", read=bool, swarm=_NOT_OF_PROVIDER),
    "stop_grace_period": _yes(
        "in whole seconds", option="stop_timeout", read=convert.whole_seconds
    ),
    "stop_signal": _yes(option="stop_signal", read=convert.good(grammar.wrong_signal)),
    "storage_opt": _yes(option="storage_options", read=convert.text_map, swarm=_NOT_IN_SWARM),
    "sysctls": _yes(
        option="sysctls", read=convert.text_map, swarm=_yes("a change replaces the service")
    ),
    "tmpfs": _yes(
        option="tmpfs",
        read=convert.tmpfs,
        swarm=_yes("with `size` and `mode`, and no other options"),
    ),
    "tty": _yes(option="tty", read=bool, swarm=_NOT_OF_PROVIDER),
    "ulimits": _yes(option="ulimits", read=convert.ulimits, swarm=_NOT_OF_PROVIDER),
    "use_api_socket": _no("mount `/var/run/docker.sock`, if the service is to rule the machine"),
    "user": _yes(option="user"),
    "userns_mode": _yes(option="userns_mode", swarm=_NOT_IN_SWARM),
    "uts": _no("use `hostname`"),
    "volume_driver": _no("use the volume's `driver`"),
    "volumes": _yes(inside=MOUNT, shape="list", swarm=_yes(inside=SWARM_MOUNT, shape="list")),
    "volumes_from": _yes(swarm=_no("give both the same volume")),
    "working_dir": _yes(option="working_dir", read=convert.absolute),
}

NETWORK: Final[Mapping[str, Key]] = {
    "attachable": _yes(),
    "driver": _yes(swarm=_yes("`overlay`, which is what it is where unset")),
    "driver_opts": _yes(swarm=_yes("`encrypted` where the nodes' kernels have ESP")),
    "enable_ipv4": _no("leave it out: the provider cannot switch IPv4 off", True),
    "enable_ipv6": _yes(),
    "external": _yes(
        "it must be on the machine already", swarm=_yes("it must be in the swarm already")
    ),
    "internal": _yes(),
    "ipam": _yes(
        inside={
            "config": _yes(
                inside={
                    "aux_addresses": _yes(),
                    "gateway": _yes(),
                    "ip_range": _yes(),
                    "subnet": _yes(),
                },
                shape="list",
            ),
            "driver": _yes(),
            "options": _no("leave it out: Compose itself does not pass it on"),
        }
    ),
    "labels": _yes(),
    "name": _yes(),
}

VOLUME: Final[Mapping[str, Key]] = {
    "driver": _yes(),
    "driver_opts": _yes(
        "a bound `device` is a folder of this computer or the machine, as a mount's `source`",
        swarm=_yes("a bound `device` is a folder of the node"),
    ),
    "external": _yes(
        "it must be on the machine already",
        swarm=_no("declare it here: a swarm's nodes make their volumes by themselves"),
    ),
    "labels": _yes("a changed label replaces the volume, as the plan says", swarm=_yes()),
    "name": _yes(),
}

_FILE: Final = {
    "content": _yes(),
    "driver": _no(_NO_SWARM, swarm=_no("leave it out: Moor brings the content itself")),
    "driver_opts": _no(_NO_SWARM, swarm=_no("leave it out: Moor brings the content itself")),
    "environment": _yes(),
    "external": _no(
        "use `file` or `environment`: external ones are in a swarm",
        swarm=_no("use `file` or `environment`: Moor makes those of the swarm"),
    ),
    "file": _yes(),
    "labels": _unheeded(_SWARM, swarm=_unheeded("Moor labels it with its project")),
    "name": _yes(swarm=_yes("a hash of the content is added to it")),
    "template_driver": _no(_NO_SWARM, swarm=_no("leave it out: the content is used as it is")),
}
CONFIG: Final[Mapping[str, Key]] = _FILE
SECRET: Final[Mapping[str, Key]] = {
    **_FILE,
    "content": _no("use `file` or `environment`: this file is no place for a secret"),
}

PROJECT: Final[Mapping[str, Key]] = {
    "configs": _yes(inside=CONFIG, shape="map"),
    "models": _no("run the model as a service"),
    "name": _yes("the name is always the environment's `project`"),
    "networks": _yes(inside=NETWORK, shape="map"),
    "secrets": _yes(inside=SECRET, shape="map"),
    "services": _yes(inside=SERVICE, shape="map"),
    "volumes": _yes(
        "a volume stays for as long as it is declared here, whether a service uses it or not",
        inside=VOLUME,
        shape="map",
    ),
}


def unsupported(
    project: Mapping[str, Any], *, swarm: bool = False
) -> Iterator[tuple[str, str, object]]:
    """Find all that is refused.

    Args:
        project: What `docker compose config --format json` says.
        swarm: Whether it is for a swarm.

    Yields:
        Where it stands (`services.web.uts`), what to do instead, and its value.
    """
    for where, key, value in _walk(project, PROJECT, "", swarm=swarm):
        if key.how == "no":
            yield where, key.text, value


def unheeded(
    project: Mapping[str, Any], *, swarm: bool = False
) -> Iterator[tuple[str, str, object]]:
    """Find all that has no effect, though whoever wrote it may think so.

    Args:
        project: What `docker compose config --format json` says.
        swarm: Whether it is for a swarm.

    Yields:
        Where it stands (`services.web.deploy.placement`), why, and its value.
    """
    for where, key, value in _walk(project, PROJECT, "", swarm=swarm):
        if key.how == "unheeded":
            yield where, key.text, value


_UNKNOWN: Final = _no("leave it out: it is not known here")


def _says_nothing(value: object) -> bool:
    """Whether a value is one that Compose writes for keys that nobody set.

    Nothing else is: it writes `false` and 0 only where somebody wrote them, and they say something.
    """
    return value is None or (isinstance(value, str | list | dict) and not value)


def _walk(
    value: Mapping[str, Any], keys: Mapping[str, Key], where: str, *, swarm: bool
) -> Iterator[tuple[str, Key, object]]:
    for name, item in value.items():
        known = keys.get(name)
        key = None if known is None else known.on(swarm=swarm)
        if key is None:
            if not name.startswith("x-"):
                yield f"{where}{name}", _UNKNOWN, item
        elif _says_nothing(item) or item in key.so_anyway:
            continue
        elif key.how in ("no", "unheeded"):
            yield f"{where}{name}", key, item
        elif key.inside is not None:
            yield from _walk_inside(item, key, f"{where}{name}", swarm=swarm)


def _walk_inside(
    item: object, key: Key, path: str, *, swarm: bool
) -> Iterator[tuple[str, Key, object]]:
    assert key.inside is not None  # noqa: S101  (for the type checker; the caller has looked)
    if key.shape == "one" and isinstance(item, dict):
        yield from _walk(item, key.inside, f"{path}.", swarm=swarm)
    elif key.shape == "list" and isinstance(item, list):
        for index, part in enumerate(item):
            if isinstance(part, dict):
                yield from _walk(part, key.inside, f"{path}[{index}].", swarm=swarm)
    elif key.shape == "map" and isinstance(item, dict):
        for name, part in item.items():
            if isinstance(part, dict):
                yield from _walk(part, key.inside, f"{path}.{name}.", swarm=swarm)
