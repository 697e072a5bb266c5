"""From the value of a key to the value of an option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose import convert
from constructs_lib.compose.convert import UnusableError, seconds
from constructs_lib.docker.container_options import Device, Healthcheck, Throttle, Ulimit

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90), ("1m30s", 90), ("1h0m0s", 3600), ("500ms", 0.5), ("0", 0), ("5q", None)],
)
def test_seconds(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (convert.same, 5, 5),
        (convert.text_list, ["a", 5], ("a", "5")),
        (convert.text_map, {"a": 5, "b": "c"}, {"a": "5", "b": "c"}),
        (convert.whole_seconds, "1m30s", 90),
        (convert.healthcheck, {"disable": True}, Healthcheck(test=("NONE",))),
        (convert.healthcheck, {"test": ["NONE"]}, Healthcheck(test=("NONE",))),
        (
            convert.healthcheck,
            {"test": ["CMD", "true"], "interval": "1m30s", "retries": 3},
            Healthcheck(test=("CMD", "true"), interval="1m30s", retries=3),
        ),
        (convert.mib, "67108864", 64),
        (convert.mib, "0", None),
        (convert.mib_or_unlimited, "-1", -1),
        (convert.mib_or_unlimited, "1048576", 1),
        (convert.decimal, 0.5, "0.5"),
        (convert.decimal, "1.250", "1.25"),
        (convert.decimal, 2, "2"),
        (convert.decimal, 0, None),
        (
            convert.devices,
            [{"source": "/dev/a"}, {"source": "/dev/b", "target": "/dev/c", "permissions": "r"}],
            (
                Device(host="/dev/a", container="/dev/a", permissions="rwm"),
                Device(host="/dev/b", container="/dev/c", permissions="r"),
            ),
        ),
        (
            convert.ulimits,
            {"nproc": 5, "nofile": {"soft": 1, "hard": 2}},
            (Ulimit(name="nofile", soft=1, hard=2), Ulimit(name="nproc", soft=5, hard=5)),
        ),
        (
            convert.throttles,
            [{"Path": "/dev/a", "Rate": "1048576"}],
            (Throttle(path="/dev/a", rate=1048576),),
        ),
        (convert.tmpfs, ["/run:size=1m", "/t"], {"/run": "size=1m", "/t": ""}),
        (
            convert.security_options,
            ["no-new-privileges:true", "label:disable", "seccomp=unconfined", "a=b"],
            ("no-new-privileges:true", "label=disable", "seccomp=unconfined", "a=b"),
        ),
        (
            convert.extra_hosts,
            ["a=192.0.2.1", "b=host-gateway"],
            (("a", "192.0.2.1"), ("b", "host-gateway")),
        ),
        (convert.shared_with, "service:web", "web"),
        (convert.shared_with, "host", None),
        (convert.own_mode, "service:web", None),
        (convert.own_mode, "host", "host"),
        (convert.own_mode, "", None),
    ],
)
def test_values(function: Callable[[Any], object], value: object, expected: object) -> None:
    assert function(value) == expected


@pytest.mark.parametrize(
    ("function", "value", "problems"),
    [
        (convert.whole_seconds, "1.5s", ["must be whole seconds, got 1.5s"]),
        (convert.whole_seconds, "soon", ["must be whole seconds, got soon"]),
        (convert.mib, "1000000", ["must be whole MiB, got 1000000 bytes; write 1m"]),
        (convert.mib_or_unlimited, "5", ["must be whole MiB, got 5 bytes; write 1m"]),
        (
            convert.security_options,
            ["seccomp:a.json", "seccomp=b.json"],
            [
                f"must name no profile in a file, got {option}; the file would have to be on the "
                "machine"
                for option in ("seccomp:a.json", "seccomp=b.json")
            ],
        ),
        (
            convert.extra_hosts,
            ["a=::1", "b=192.0.2.1", "c=::2"],
            [
                f"must be an IPv4 address, got {address}; the provider cannot read back IPv6 ones"
                for address in ("::1", "::2")
            ],
        ),
    ],
)
def test_what_cannot_be_used(
    function: Callable[[Any], object], value: object, problems: list[str]
) -> None:
    with pytest.raises(UnusableError) as caught:
        function(value)
    assert (list(caught.value.problems), caught.value.inside) == (problems, {})


def test_a_health_check_tells_of_each_of_its_times() -> None:
    with pytest.raises(UnusableError) as caught:
        convert.healthcheck({"interval": "soon", "timeout": "5s", "start_period": "late"})
    assert (caught.value.problems, caught.value.inside) == (
        (),
        {
            "interval": "must be a duration, got 'soon'",
            "start_period": "must be a duration, got 'late'",
        },
    )
