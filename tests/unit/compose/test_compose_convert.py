"""From the value of a key to the value of an option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.compose import convert, grammar, support
from constructs_lib.compose.convert import UnusableError, seconds
from constructs_lib.docker.container_options import Device, Healthcheck, Throttle, Ulimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


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
        (convert.healthcheck, {}, None),
        (convert.healthcheck, {"disable": False, "test": []}, None),
        (convert.healthcheck, {"interval": "5s"}, Healthcheck(interval="5s")),
        (convert.labels, {"a": 5}, {"a": "5"}),
        (convert.addresses, ["192.0.2.1", "::1"], ("192.0.2.1", "::1")),
        (convert.absolute, "/srv", "/srv"),
        (convert.absolute, "", None),
        (convert.good(grammar.wrong_cpu_set), "0-2", "0-2"),
        (convert.good(grammar.wrong_cpu_set), "", None),
        (convert.within(1000, or_zero=True), 0, 0),
        (convert.within(1000, or_zero=True), "1000", 1000),
        (convert.memory_mib, "6291456", 6),
        (convert.memory_mib, "0", None),
        (convert.ipc_mode, "shareable", "shareable"),
        (convert.pid_mode, "service:web", None),
        (convert.pid_mode, "container:web", "container:web"),
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
        (convert.devices, [{"source": "vendor.com/class=name", "target": ""}], ()),
        (
            convert.cdi_devices,
            [
                {"source": "vendor.com/class=name", "target": "vendor.com/class=name"},
                {"source": "/dev/a", "target": "/dev/b"},
            ],
            ("vendor.com/class=name",),
        ),
        (convert.device_cgroup_rules, ["c 1:3 mr", "a *:* rwm"], ("c 1:3 mr", "a *:* rwm")),
        (convert.ulimits, {"core": {}}, (Ulimit(name="core", soft=0, hard=0),)),
        (convert.ulimits, {"core": -1}, (Ulimit(name="core", soft=-1, hard=-1),)),
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
            ["no-new-privileges:true", "label:disable", "seccomp=unconfined", "no-new-privileges"],
            ("no-new-privileges:true", "label=disable", "seccomp=unconfined", "no-new-privileges"),
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
        (convert.whole, "٣", ["must be a whole number, got '٣'"]),
        (convert.whole, True, ["must be a whole number, got True"]),
        (convert.whole, "9" * 400, [f"must be a whole number, got {'9' * 400!r}"]),
        (convert.whole, 2**63, ["must be 0 or more, got 9223372036854775808"]),
        (convert.whole, -1, ["must be 0 or more, got -1"]),
        (
            convert.within(1000, 1_000_000, or_zero=True),
            5,
            ["must be in 1000..1000000, got 5"],
        ),
        (convert.mib, "-1", ["must be 0 or more, got -1"]),
        (convert.mib, "nan", ["must be a whole number, got 'nan'"]),
        (convert.mib_or_unlimited, "-2", ["must be -1 or more, got -2"]),
        (
            convert.memory_mib,
            "1048576",
            ["must be at least 6m, which the engine asks for, got 1m"],
        ),
        (convert.decimal, float("nan"), ["must be a number of CPUs, got nan"]),
        (convert.decimal, float("inf"), ["must be a number of CPUs, got inf"]),
        (convert.decimal, "٣", ["must be a number of CPUs, got '٣'"]),
        (convert.decimal, -1, ["must be in 0.01..8192, got -1"]),
        (convert.decimal, 0.001, ["must be in 0.01..8192, got 0.001"]),
        (convert.decimal, 1e99, ["must be in 0.01..8192, got 1e+99"]),
        (convert.labels, {"": 5}, ["must have a name each, got none for '5'"]),
        (convert.addresses, ["a", "::1"], ["must be an address, got 'a'"]),
        (convert.absolute, "srv", ["must be an absolute path, got 'srv'"]),
        (
            convert.devices,
            [
                {"source": "./a", "target": "/dev/a"},
                {"source": "/dev/b", "permissions": "rr"},
                {"source": "vendor.com/class=name", "target": "/dev/x"},
            ],
            [
                "must be an absolute path of a device, got './a'",
                "must have permissions of r, w and m, got 'rr' for /dev/b",
                "must be an absolute path of a device, got 'vendor.com/class=name'",
            ],
        ),
        (convert.device_cgroup_rules, ["x"], ["must be rules such as 'c 1:3 mr', got 'x'"]),
        (
            convert.throttles,
            [{"Path": "/dev/a", "Rate": "-1"}],
            ["must be 0 or more, got -1"],
        ),
        (
            convert.tmpfs,
            ["run", "/", "/a:size=1m,nope"],
            [
                "must be an absolute path below /, got 'run'",
                "must be an absolute path below /, got '/'",
                "must have options such as size=64m, got 'nope' for /a",
            ],
        ),
        (
            convert.security_options,
            ["selinux", "nope=1", "no-new-privileges:yes"],
            [
                *(
                    "must be a value for one of apparmor, label, no-new-privileges, seccomp, "
                    f"systempaths, writable-cgroups, got {option!r}"
                    for option in ("selinux", "nope=1")
                ),
                "must be no-new-privileges:true or :false, got 'no-new-privileges:yes'",
            ],
        ),
        (
            convert.extra_hosts,
            ["=192.0.2.1", "a=b"],
            [
                "must have a host's name, got none for 192.0.2.1",
                "must be an address or host-gateway, got 'b' for a",
            ],
        ),
        (
            convert.pid_mode,
            "nope",
            ["must be host, service:NAME or container:NAME, got 'nope'"],
        ),
        (
            convert.ipc_mode,
            "container:",
            [
                (
                    "must be host, none, private, shareable, service:NAME or container:NAME, got "
                    "'container:'"
                )
            ],
        ),
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
        convert.healthcheck(
            {
                "interval": "soon",
                "timeout": "5us",
                "start_period": "-5s",
                "start_interval": "5s",
                "retries": "٣",
            }
        )
    assert (caught.value.problems, caught.value.inside) == (
        (),
        {
            "interval": "must be a duration, got 'soon'",
            "timeout": "must be at least 1ms, got 5us",
            "start_period": "must be a duration, got '-5s'",
            "retries": "must be a whole number, got '٣'",
        },
    )


def test_each_limit_of_the_kernel_is_told() -> None:
    with pytest.raises(UnusableError) as caught:
        convert.ulimits({"nope": 5, "nofile": {"soft": 6, "hard": 5}, "core": "٣"})
    assert caught.value.inside == {
        "core": "must be a whole number, got '٣'",
        "nofile": "must have a soft limit of at most the hard one, 5, got 6",
        "nope": "must be one of as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, "
        "nofile, nproc, rss, rtprio, rttime, sigpending, stack, got 'nope'",
    }


def test_seconds_are_as_many_as_go_can_count() -> None:
    assert (seconds(f"{'9' * 400}h"), seconds("٣s")) == (None, None)


NUMBERS = (
    st.integers()
    | st.floats()
    | st.text("0123456789٣²-+.eE_ nai", max_size=12)
    | st.sampled_from(["9" * 5000, "1e999", "-0", "0x1", True, 2**63, 2**64, 10**400])
)
TEXTS = st.text(max_size=8) | st.text("/a:=.,-@%0[]", max_size=8) | NUMBERS.map(str)
TEXT_LISTS = st.lists(TEXTS, max_size=3)
MAPS = st.dictionaries(TEXTS, TEXTS | NUMBERS, max_size=3)
DURATIONS = TEXTS | st.text("0123456789.hmsµun-", max_size=10)
SHAPES: dict[str, st.SearchStrategy[Any]] = {
    "blkio_config": st.lists(st.fixed_dictionaries({"Path": TEXTS, "Rate": NUMBERS}), max_size=2),
    "devices": st.lists(
        st.fixed_dictionaries(
            {"source": TEXTS}, optional={"target": TEXTS, "permissions": TEXTS | st.just("rw")}
        ),
        max_size=2,
    ),
    "healthcheck": st.fixed_dictionaries(
        {},
        optional={
            "test": TEXT_LISTS,
            "disable": st.booleans(),
            "retries": NUMBERS,
            **dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), DURATIONS),
        },
    ),
    "ulimits": st.dictionaries(
        st.sampled_from(["nofile", "core", "nope"]) | TEXTS,
        NUMBERS | st.fixed_dictionaries({}, optional={"soft": NUMBERS, "hard": NUMBERS}),
        max_size=2,
    ),
    "stop_grace_period": DURATIONS,
    **dict.fromkeys(("labels", "logging", "storage_opt", "sysctls"), MAPS),
    **dict.fromkeys(
        [
            "cap_add",
            "cap_drop",
            "command",
            "device_cgroup_rules",
            "dns",
            "dns_opt",
            "dns_search",
            "entrypoint",
            "extra_hosts",
            "group_add",
            "security_opt",
            "tmpfs",
        ],
        TEXT_LISTS,
    ),
}
"""What Compose says of these keys; of all others a text or a number."""


def readers(keys: Mapping[str, support.Key], top: str = "") -> Iterator[tuple[str, support.Key]]:
    for name, key in keys.items():
        if key.option:
            yield top or name, key
        elif key.inside is not None and key.shape == "one":
            yield from readers(key.inside, top or name)


@pytest.mark.parametrize(
    ("name", "read"),
    [pytest.param(n, k.read, id=f"{n}-{k.option}") for n, k in readers(support.SERVICE)],
)
@given(data=st.data())
def test_any_value_is_a_value_or_told(
    name: str, read: Callable[[Any], object], data: st.DataObject
) -> None:
    value = data.draw(SHAPES.get(name, TEXTS | NUMBERS))
    try:
        read(value)
    except UnusableError as error:
        lines = [*error.problems, *error.inside.values()]
        assert lines
        assert all(line.startswith("must ") for line in lines)
