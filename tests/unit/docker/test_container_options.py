"""Options of a container, each in the provider's own spelling."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from synthesis import Json, synth_of

from constructs_lib.docker.container import Container, ContainerSpec
from constructs_lib.docker.container_options import (
    ContainerOptions,
    Device,
    DeviceRequest,
    Healthcheck,
    HostMount,
    Throttle,
    TmpfsMount,
    Ulimit,
    provider_arguments,
)
from constructs_lib.docker.image import PulledImage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdktf import TerraformStack

THROTTLES: Final = (Throttle(path="/dev/sda", rate=1048576), Throttle(path="/dev/sdb", rate=0))
TOLD_THROTTLES: Final = [{"path": "/dev/sda", "rate": 1048576}, {"path": "/dev/sdb", "rate": 0}]

EVERY: Final[Mapping[str, tuple[Any, Json]]] = {
    "command": (("serve", "--port=80"), {"command": ["serve", "--port=80"]}),
    "entrypoint": (("/bin/sh", "-c"), {"entrypoint": ["/bin/sh", "-c"]}),
    "user": ("5:6", {"user": "5:6"}),
    "working_dir": ("/srv", {"working_dir": "/srv"}),
    "domainname": ("example.org", {"domainname": "example.org"}),
    "labels": (
        {"b": "2", "a": "1"},
        {"labels": [{"label": "a", "value": "1"}, {"label": "b", "value": "2"}]},
    ),
    "healthcheck": (
        Healthcheck(
            test=("CMD", "true"),
            interval="1m30s",
            timeout="5s",
            start_period="20s",
            start_interval="1s",
            retries=4,
        ),
        {
            "healthcheck": {
                "test": ["CMD", "true"],
                "interval": "1m30s",
                "timeout": "5s",
                "start_period": "20s",
                "start_interval": "1s",
                "retries": 4,
            }
        },
    ),
    "stop_signal": ("SIGINT", {"stop_signal": "SIGINT"}),
    "stop_timeout": (90, {"stop_timeout": 90}),
    "max_retries": (3, {"max_retry_count": 3}),
    "init": (False, {"init": False}),
    "tty": (True, {"tty": True}),
    "stdin_open": (True, {"stdin_open": True}),
    "read_only": (True, {"read_only": True}),
    "privileged": (True, {"privileged": True}),
    "cap_add": (
        ("net_admin", "CAP_CHOWN"),
        {"capabilities": {"add": ["CAP_CHOWN", "CAP_NET_ADMIN"], "drop": []}},
    ),
    "cap_drop": (("all",), {"capabilities": {"add": [], "drop": ["ALL"]}}),
    "security_options": (("label=disable",), {"security_opts": ["label=disable"]}),
    "devices": (
        (Device(host="/dev/fuse", container="/dev/x", permissions="r"),),
        {"devices": [{"host_path": "/dev/fuse", "container_path": "/dev/x", "permissions": "r"}]},
    ),
    "device_cgroup_rules": (("c 1:3 mr",), {"device_cgroup_rules": ["c 1:3 mr"]}),
    "device_requests": (
        (
            DeviceRequest(count=-1, capabilities=("gpu",)),
            DeviceRequest(driver="nvidia", ids=("0", "1"), options={"a": "b"}),
        ),
        {
            "device_requests": [
                {
                    "driver": "",
                    "count": -1,
                    "device_ids": [],
                    "capabilities": ["gpu"],
                    "options": {},
                },
                {
                    "driver": "nvidia",
                    "count": 0,
                    "device_ids": ["0", "1"],
                    "capabilities": [],
                    "options": {"a": "b"},
                },
            ]
        },
    ),
    "ulimits": (
        (Ulimit(name="nofile", soft=1, hard=-1),),
        {"ulimit": [{"name": "nofile", "soft": 1, "hard": -1}]},
    ),
    "sysctls": (
        {"net.core.somaxconn": "1024"},
        {"sysctls": {"net.core.somaxconn": "1024"}},
    ),
    "group_add": (("audio", "5"), {"group_add": ["audio", "5"]}),
    "dns": (("192.0.2.1",), {"dns": ["192.0.2.1"]}),
    "dns_options": (("ndots:1",), {"dns_opts": ["ndots:1"]}),
    "dns_search": (("example.org",), {"dns_search": ["example.org"]}),
    "extra_hosts": (
        (("db", "192.0.2.2"), ("machine", "host-gateway")),
        {"host": [{"host": "db", "ip": "192.0.2.2"}, {"host": "machine", "ip": "host-gateway"}]},
    ),
    "log_driver": ("json-file", {"log_driver": "json-file"}),
    "log_options": ({"max-file": "3"}, {"log_opts": {"max-file": "3"}}),
    "memory_mib": (
        64,
        # The engine's own choice of the swap limit, which would else show as a change for ever.
        {"memory": 64, "memory_swap": 128, "lifecycle": {"ignore_changes": ["memory_swap"]}},
    ),
    "memory_reservation_mib": (32, {"memory_reservation": 32}),
    "memory_swap_mib": (-1, {"memory_swap": -1}),
    "shm_size_mib": (16, {"shm_size": 16}),
    "cpus": ("0.5", {"cpus": "0.5"}),
    "cpu_shares": (512, {"cpu_shares": 512}),
    "cpu_set": ("0-2,4", {"cpu_set": "0-2,4"}),
    "cpu_period": (100000, {"cpu_period": 100000}),
    "cpu_quota": (50000, {"cpu_quota": 50000}),
    "read_bps": (THROTTLES, {"device_read_bps": TOLD_THROTTLES}),
    "read_iops": (THROTTLES, {"device_read_iops": TOLD_THROTTLES}),
    "write_bps": (THROTTLES, {"device_write_bps": TOLD_THROTTLES}),
    "write_iops": (THROTTLES, {"device_write_iops": TOLD_THROTTLES}),
    "runtime": ("crun", {"runtime": "crun"}),
    "platform": (
        "linux/arm64",
        # The engine tells no more than the operating system.
        {"platform": "linux/arm64", "lifecycle": {"ignore_changes": ["platform"]}},
    ),
    "storage_options": ({"size": "10G"}, {"storage_opts": {"size": "10G"}}),
    "network_mode": ("host", {"network_mode": "host"}),
    "ipc_mode": ("shareable", {"ipc_mode": "shareable"}),
    "pid_mode": ("host", {"pid_mode": "host"}),
    "userns_mode": ("host", {"userns_mode": "host"}),
    "cgroupns_mode": ("private", {"cgroupns_mode": "private"}),
    "cgroup_parent": ("/limited", {"cgroup_parent": "/limited"}),
    "tmpfs": ({"/run": "size=1m"}, {"tmpfs": {"/run": "size=1m"}}),
    "host_mounts": (
        (
            HostMount(source="/a", path="/x", read_only=True, selinux="z"),
            HostMount(source="/b", path="/y", create=False, propagation="rshared"),
        ),
        {
            "volumes": [
                {
                    "host_path": "/a",
                    "container_path": "/x",
                    "read_only": True,
                    "selinux_relabel": "z",
                }
            ],
            "mounts": [
                {
                    "type": "bind",
                    "source": "/b",
                    "target": "/y",
                    "read_only": False,
                    "bind_options": {"propagation": "rshared"},
                }
            ],
        },
    ),
    "tmpfs_mounts": (
        (TmpfsMount(path="/t", size_bytes=1048576, mode=0o700, read_only=True),),
        {
            "mounts": [
                {
                    "type": "tmpfs",
                    "target": "/t",
                    "read_only": True,
                    "tmpfs_options": {"size_bytes": 1048576, "mode": 448},
                }
            ]
        },
    ),
    "anonymous_volumes": (("/data",), {"volumes": [{"container_path": "/data"}]}),
    "volumes_from": (("abc:ro",), {"volumes": [{"from_container": "abc:ro"}]}),
}
"""Each option: a value, and what the provider is told."""


def rendered(options: Mapping[str, ContainerOptions]) -> Json:
    """Return the resources of containers with these options, in one stack."""

    def define(stack: TerraformStack) -> None:
        image = PulledImage(stack, "Image", name="nginx:1.27")
        for name, given in options.items():
            Container(stack, name, image=image, spec=ContainerSpec(name="x", options=given))

    found: Json = synth_of(define)["resource"]["docker_container"]
    return found


def plain_container(**more: Any) -> Json:  # noqa: ANN401  (JSON)
    image = "${docker_image.Image.image_id}"
    return {"name": "x", "image": image, "restart": "no", "must_run": True, **more}


def test_every_option_is_told_to_the_provider() -> None:
    found = rendered(
        {name: ContainerOptions(**{name: value}) for name, (value, _) in EVERY.items()}
    )
    assert found == {name: plain_container(**told) for name, (_, told) in EVERY.items()}


def test_no_option_is_left_out_above() -> None:
    assert {f.name for f in fields(ContainerOptions)} == EVERY.keys()


def values_of(value: object) -> Iterator[Any]:
    """Find the value objects among the values above."""
    for item in value if isinstance(value, tuple) else [value]:
        if is_dataclass(item):
            yield item


def test_no_part_of_an_option_is_left_out_above() -> None:
    kinds: set[type[Any]] = set()
    told: set[tuple[type[Any], str]] = set()
    for given, _ in EVERY.values():
        for value in values_of(given):
            kinds.add(type(value))
            told |= {
                (type(value), f.name)
                for f in fields(type(value))
                if getattr(value, f.name)
                != (f.default if f.default_factory is MISSING else f.default_factory())
            }
    assert told == {(kind, f.name) for kind in kinds for f in fields(kind)}
    assert {kind.__name__ for kind in kinds} == {
        *("Device", "DeviceRequest", "Healthcheck", "HostMount"),
        *("Throttle", "TmpfsMount", "Ulimit"),
    }


def test_nothing_is_said_to_the_provider_of_what_is_unset() -> None:
    assert provider_arguments(ContainerOptions()) == {}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ContainerOptions(cap_add=("SYS_TIME",), cap_drop=("ALL",)),
            {"capabilities": {"add": ["CAP_SYS_TIME"], "drop": ["ALL"]}},
        ),
        (
            ContainerOptions(memory_mib=64, memory_swap_mib=-1, platform="linux/arm64"),
            {
                "memory": 64,
                "memory_swap": -1,
                "platform": "linux/arm64",
                "lifecycle": {"ignore_changes": ["memory_swap", "platform"]},
            },
        ),
        (
            ContainerOptions(pid_mode="host", security_options=("apparmor=unconfined",)),
            {
                "pid_mode": "host",
                "security_opts": ["apparmor=unconfined"],
                "lifecycle": {"ignore_changes": ["security_opts"]},
            },
        ),
        (
            ContainerOptions(privileged=True, security_options=("seccomp=unconfined",)),
            {
                "privileged": True,
                "security_opts": ["seccomp=unconfined"],
                "lifecycle": {"ignore_changes": ["security_opts"]},
            },
        ),
        (
            ContainerOptions(ipc_mode="container:abc", security_options=("seccomp=unconfined",)),
            {
                "ipc_mode": "container:abc",
                "security_opts": ["seccomp=unconfined"],
                "lifecycle": {"ignore_changes": ["security_opts"]},
            },
        ),
        (
            # With a label of its own the engine adds none.
            ContainerOptions(pid_mode="host", security_options=("label=disable",)),
            {"pid_mode": "host", "security_opts": ["label=disable"]},
        ),
        (
            ContainerOptions(ipc_mode="private", security_options=("apparmor=unconfined",)),
            {"ipc_mode": "private", "security_opts": ["apparmor=unconfined"]},
        ),
        (
            # The image's command is kept, with other times.
            ContainerOptions(healthcheck=Healthcheck(interval="5s")),
            {
                "healthcheck": {
                    "interval": "5s",
                    "timeout": "0s",
                    "start_period": "0s",
                    "start_interval": "0s",
                    "retries": 0,
                }
            },
        ),
        (
            ContainerOptions(
                host_mounts=(HostMount(source="/a", path="/x"),),
                tmpfs_mounts=(TmpfsMount(path="/t"),),
                anonymous_volumes=("/data",),
            ),
            {
                "volumes": [
                    {"host_path": "/a", "container_path": "/x", "read_only": False},
                    {"container_path": "/data"},
                ],
                "mounts": [{"type": "tmpfs", "target": "/t", "read_only": False}],
            },
        ),
    ],
)
def test_options_that_the_provider_takes_together(options: ContainerOptions, told: Json) -> None:
    assert provider_arguments(options) == told


@dataclass(frozen=True, slots=True, kw_only=True)
class WithTwoMore(ContainerOptions):
    """Options with two that are not there yet: the bindings know the first one only."""

    publish_all_ports: bool = False
    not_bound_yet: str | None = None


def test_a_plain_option_takes_no_more_than_its_field() -> None:
    options = WithTwoMore(publish_all_ports=True, not_bound_yet="told all the same", user="5")
    told = {"publish_all_ports": True, "not_bound_yet": "told all the same", "user": "5"}
    assert rendered({"X": options}) == {"X": plain_container(**told)}
