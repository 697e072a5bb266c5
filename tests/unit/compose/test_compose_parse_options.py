"""Options, read along the table of keys."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from synthesis import only, synth_of

from constructs_lib.compose import parse_options, support
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.parse import parse
from constructs_lib.docker.container import Container, ContainerSpec
from constructs_lib.docker.container_options import (
    ContainerOptions,
    Device,
    DeviceRequest,
    Healthcheck,
    Ulimit,
)
from constructs_lib.docker.image import PulledImage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdktf import TerraformStack

    from constructs_lib.compose.model import Service


def service(**keys: Any) -> Service:  # noqa: ANN401  (JSON)
    document = {"name": "moor", "services": {"web": {"image": "nginx", **keys}}}
    return parse(document, file="compose.yaml").services["web"]


def problems(**keys: Any) -> list[str]:  # noqa: ANN401  (JSON)
    with pytest.raises(ComposeError) as caught:
        service(**keys)
    return [line.removeprefix("compose.yaml: services.web.") for line in caught.value.problems]


def test_options_are_the_engines() -> None:
    found = service(
        command=["a", "b"],
        user="5:6",
        init=False,
        tty=True,
        cap_add=["NET_ADMIN"],
        security_opt=["no-new-privileges:true", "label:disable"],
        devices=[{"source": "/dev/null", "target": "/dev/x", "permissions": "r"}],
        gpus=[{"count": -1}],
        ulimits={"nproc": 5, "nofile": {"soft": 1, "hard": 2}},
        sysctls={"net.core.somaxconn": "1024"},
        extra_hosts=["a=1.2.3.4", "b=host-gateway"],
        logging={"driver": "json-file", "options": {"max-file": 3}},
        mem_limit="67108864",
        memswap_limit="-1",
        cpus=0.5,
        stop_grace_period="1m30s",
        restart="on-failure:3",
        tmpfs=["/run:size=1m", "/tmp"],  # noqa: S108  (in a container)
    )
    assert found.restart == "on-failure"
    assert found.options == ContainerOptions(
        command=("a", "b"),
        user="5:6",
        init=False,
        tty=True,
        cap_add=("NET_ADMIN",),
        security_options=("no-new-privileges:true", "label=disable"),
        devices=(Device(host="/dev/null", container="/dev/x", permissions="r"),),
        device_requests=(DeviceRequest(count=-1, capabilities=("gpu",)),),
        ulimits=(Ulimit(name="nofile", soft=1, hard=2), Ulimit(name="nproc", soft=5, hard=5)),
        sysctls={"net.core.somaxconn": "1024"},
        extra_hosts=(("a", "1.2.3.4"), ("b", "host-gateway")),
        log_driver="json-file",
        log_options={"max-file": "3"},
        memory_mib=64,
        memory_swap_mib=-1,
        cpus="0.5",
        stop_timeout=90,
        max_retries=3,
        tmpfs={"/run": "size=1m", "/tmp": ""},  # noqa: S108  (in a container)
    )


def test_deploy_says_what_the_short_keys_say() -> None:
    found = service(
        deploy={
            "mode": "replicated",
            "replicas": 2,
            "resources": {
                "limits": {"cpus": 1.25, "memory": "104857600"},
                "reservations": {"memory": "52428800"},
            },
            "restart_policy": {"condition": "on-failure", "max_attempts": 4},
            "placement": {},
        }
    )
    assert (found.replicas, found.restart, found.options) == (
        2,
        "on-failure",
        ContainerOptions(cpus="1.25", memory_mib=100, memory_reservation_mib=50, max_retries=4),
    )


def test_a_health_check_is_read() -> None:
    assert service(healthcheck={"disable": True}).options.healthcheck == Healthcheck(test=("NONE",))


def test_what_is_wrong_is_told_with_its_place() -> None:
    assert problems(
        mem_limit="5",
        healthcheck={"interval": "soon"},
        deploy={"resources": {"limits": {"memory": "7"}}},
        extra_hosts=["a=::1", "b=::2"],
        cpus=1,
        cpu_period=5000,
    ) == [
        "mem_limit: must be whole MiB, got 5 bytes; write 1m",
        "healthcheck.interval: must be a duration, got 'soon'",
        "extra_hosts: must be an IPv4 address, got ::1; the provider cannot read back IPv6 ones",
        "extra_hosts: must be an IPv4 address, got ::2; the provider cannot read back IPv6 ones",
        "deploy.resources.limits.memory: must be whole MiB, got 7 bytes; write 1m",
        "cpu_period: must not stand beside cpus, got 5000; use cpus",
    ]


def test_what_deploy_says_counts_more() -> None:
    limits = {"cpus": 2, "memory": "16777216"}
    found = service(deploy={"resources": {"limits": limits}}, cpus=1, mem_limit="8388608").options
    assert (found.cpus, found.memory_mib) == ("2", 16)


def test_devices_of_the_container_device_interface_are_requests() -> None:
    name = "vendor.com/class=name"
    found = service(devices=[{"source": name, "target": name, "permissions": "rwm"}]).options
    assert (found.devices, found.device_requests) == (
        (),
        (DeviceRequest(driver="cdi", ids=(name,)),),
    )


def options_of(keys: Mapping[str, support.Key]) -> Iterator[str]:
    for key in keys.values():
        if key.option:
            yield key.option
        elif key.inside is not None and key.shape == "one":
            yield from options_of(key.inside)


def test_every_option_has_a_key() -> None:
    several_keys = {"device_requests", "max_retries"}
    mounts = {"host_mounts", "tmpfs_mounts", "anonymous_volumes"}
    known_when_they_are_made = {"volumes_from"}
    assert {f.name for f in fields(ContainerOptions)} == {
        *options_of(support.SERVICE),
        *several_keys,
        *mounts,
        *known_when_they_are_made,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class WithOneMore(ContainerOptions):
    """Options as they will be when the provider can set this one."""

    oom_score_adj: int | None = None


def test_a_plain_key_takes_a_line_of_the_table_and_a_field(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = {**support.SERVICE, "oom_score_adj": support._yes(option="oom_score_adj")}
    services = replace(support.PROJECT["services"], inside=keys)
    monkeypatch.setattr(support, "PROJECT", {**support.PROJECT, "services": services})
    monkeypatch.setattr(parse_options, "SERVICE", keys)
    monkeypatch.setattr(parse_options, "ContainerOptions", WithOneMore)
    options = service(oom_score_adj=500).options

    def define(stack: TerraformStack) -> None:
        image = PulledImage(stack, "Image", name="nginx:1.27")
        Container(stack, "X", image=image, spec=ContainerSpec(name="x", options=options))

    assert only(synth_of(define), "docker_container") == {
        "name": "x",
        "image": "${docker_image.Image.image_id}",
        "restart": "no",
        "must_run": True,
        "oom_score_adj": 500,
    }


@pytest.mark.parametrize(
    ("entrypoint", "command", "expected"),
    [
        (None, None, (None, None)),
        (None, ["a"], (None, ("a",))),
        (["a"], None, (("a",), None)),
        (["a"], ["b"], (("a",), ("b",))),
        # Nothing said of the command is the image's, for the engine as for Compose.
        (None, [], (None, None)),
        (["a"], [], (("a",), None)),
        # The provider hands on no empty argument of a command.
        (["a", "-c"], ["", "b"], (("a", "-c", "", "b"), None)),
        (["a", ""], None, (("a", ""), None)),
        # Without an entry point the command is what runs.
        ([], ["a", "b"], (("a", "b"), None)),
        ([""], ["a", ""], (("a", ""), None)),
    ],
)
def test_what_runs_is_the_entry_point_with_the_command_behind_it(
    entrypoint: list[str] | None,
    command: list[str] | None,
    expected: tuple[tuple[str, ...] | None, tuple[str, ...] | None],
) -> None:
    found = service(entrypoint=entrypoint, command=command).options
    assert (found.entrypoint, found.command) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        *(
            (
                {"entrypoint": entrypoint, "command": command},
                (
                    f"entrypoint: must have a word where command has none, got {entrypoint}; name "
                    "the program in command"
                ),
            )
            for entrypoint in ([], [""])
            for command in (None, [], [""])
        ),
        (
            {"command": ["sh", "-c", ""]},
            (
                "command: must have no empty argument without an entrypoint, got ['sh', '-c', '']; "
                "name the image's entry point in entrypoint, or the program where the image has "
                "none"
            ),
        ),
    ],
)
def test_it_fails_when_only_the_image_knows_what_runs(keys: dict[str, Any], expected: str) -> None:
    assert problems(**keys) == [expected]
