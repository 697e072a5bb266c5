"""Settings: what each key may be, its default, and what keys may not be together."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from settings_files import A_NETWORK, OFFICE, document, private_key
from synthesis import ROOT

from constructs_lib.aws.port_range import PortRange
from constructs_lib.settings.load import SettingsError, load_settings
from constructs_lib.settings.nodes import nodes_of
from constructs_lib.settings.settings import SERVICES
from constructs_lib.settings.values import covers_internet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from settings_files import Load, Problems

# What is accepted


def test_the_defaults(load: Load) -> None:
    settings = load(document())
    aws = settings.aws
    assert settings.project == "moor"
    assert (aws.region, aws.profile, aws.role_arn) == ("eu-central-1", None, None)
    assert aws.instance_type == "t3.small"
    assert aws.image.model_dump() == {
        "id": None,
        "owner": "075585003325",
        "name": "Flatcar-stable-*-hvm",
        "architecture": "x86_64",
    }
    assert (aws.key_pair, aws.network) == (None, None)
    assert aws.root_volume.size_gib == 20
    assert (aws.ssh.port, aws.ssh.cidrs) == (22, (IPv4Network(OFFICE),))
    assert (aws.docker_api.port, aws.docker_api.cidrs) == (2376, (IPv4Network(OFFICE),))
    assert not aws.ssh.open_to_the_whole_internet
    assert not aws.docker_api.open_to_the_whole_internet
    assert aws.http.ports == (PortRange.single(80), PortRange.single(443))
    assert aws.http.cidrs == (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
    assert (aws.updates.reboot_strategy, aws.updates.window_start) == ("reboot", None)
    assert settings.state.s3 is None
    assert settings.sandbox is None


def test_the_sandboxs_defaults(load: Load) -> None:
    sandbox = load({**document(), "sandbox": {}}).sandbox
    assert sandbox is not None
    assert sandbox.endpoint_url == "http://127.0.0.1:4599"
    assert sandbox.addresses == IPv4Network("127.18.0.0/24")
    assert sandbox.subnet == IPv4Network("172.30.18.0/24")
    assert (sandbox.gateway, sandbox.registry) == ("172.30.18.1", "172.30.18.1:5000")


@pytest.mark.parametrize("name", ["sandbox.yaml", "production.example.yaml"])
def test_the_files_of_this_project_load(name: str) -> None:
    settings = load_settings(ROOT / "environments" / name)
    assert (settings.sandbox is None) == name.startswith("production")


# Values


@pytest.mark.parametrize(
    ("aws", "problem"),
    [
        ({"ssh": 3}, "aws.ssh: must be a mapping, got 3"),
        ({"ssh": None}, "aws.ssh: must be a mapping, got None"),
        ({"region": 3}, "aws.region: must be text, got 3"),
        (
            {"region": "frankfurt"},
            "aws.region: must be a region such as eu-central-1, got 'frankfurt'",
        ),
        (
            {"instance_type": "small"},
            "aws.instance_type: must be an instance type such as t3.small, got 'small'",
        ),
        (
            {"role_arn": "deploy"},
            (
                "aws.role_arn: must be a role's ARN such as arn:aws:iam::123456789012:role/deploy, "
                "got 'deploy'"
            ),
        ),
        ({"profile": ""}, "aws.profile: must not be empty, got ''"),
        ({"profile": "a${b}"}, "aws.profile: must be a profile's name, got 'a${b}'"),
        ({"profile": "%{a"}, "aws.profile: must be a profile's name, got '%{a'"),
        (
            {"image": {"id": "flatcar"}},
            "aws.image.id: must be an AMI id such as ami-0123456789abcdef0, got 'flatcar'",
        ),
        (
            {"image": {"owner": "flatcar"}},
            "aws.image.owner: must be an AWS account id of 12 digits, got 'flatcar'",
        ),
        ({"image": {"name": ""}}, "aws.image.name: must not be empty, got ''"),
        (
            {"image": {"architecture": "arm"}},
            "aws.image.architecture: must be one of 'x86_64' or 'arm64', got 'arm'",
        ),
        (
            {"network": {"vpc_id": "vpc-1", "subnet_id": "subnet-01234567"}},
            "aws.network.vpc_id: must be a VPC id such as vpc-0123456789abcdef0, got 'vpc-1'",
        ),
        (
            {"network": {"vpc_id": "vpc-01234567", "subnet_id": "x"}},
            "aws.network.subnet_id: must be a subnet id such as subnet-0123456789abcdef0, got 'x'",
        ),
        (
            {"root_volume": {"size_gib": 7}},
            "aws.root_volume.size_gib: must be in 8..16384, got 7",
        ),
        (
            {"root_volume": {"size_gib": "20"}},
            "aws.root_volume.size_gib: must be a whole number, got '20'",
        ),
        (
            {"root_volume": {"size_gib": 20.5}},
            "aws.root_volume.size_gib: must be a whole number, got 20.5",
        ),
        (
            {"updates": {"reboot_strategy": "never"}},
            (
                "aws.updates.reboot_strategy: must be one of 'reboot', 'etcd-lock' or 'off', "
                "got 'never'"
            ),
        ),
        (
            {"updates": {"window_start": "24:00", "window_length": "1h"}},
            "aws.updates.window_start: must be a time such as Sun 04:00, got '24:00'",
        ),
        (
            {"updates": {"window_start": "04:00", "window_length": ""}},
            "aws.updates.window_length: must be a duration such as 1h30m, got ''",
        ),
        (
            {"updates": {"window_start": "04:00"}},
            "aws.updates.window_length: must be set beside window_start; add it",
        ),
        (
            {"updates": {"window_length": "1h"}},
            "aws.updates.window_start: must be set beside window_length; add it",
        ),
    ],
)
def test_it_fails_when_a_value_is_wrong(
    problems: Problems, aws: dict[str, object], problem: str
) -> None:
    assert problems(document(**aws)) == [problem]


@pytest.mark.parametrize(
    ("project", "problem"),
    [
        (3, "project: must be text, got 3"),
        (
            "Moor",
            (
                "project: must be 1 to 31 lower-case letters, digits and hyphens with a letter "
                "first, got 'Moor'"
            ),
        ),
    ],
)
def test_it_fails_when_the_project_has_no_usable_name(
    problems: Problems, project: object, problem: str
) -> None:
    assert problems({**document(), "project": project}) == [problem]


@pytest.mark.parametrize(
    ("s3", "problem"),
    [
        ({"bucket": "A"}, "state.s3.bucket: must be an S3 bucket's name, got 'A'"),
        ({"region": "x"}, "state.s3.region: must be a region such as eu-central-1, got 'x'"),
        (
            {"prefix": "moor/"},
            "state.s3.prefix: must be a key prefix without a slash at its end, got 'moor/'",
        ),
    ],
)
def test_it_fails_when_the_state_is_nowhere(
    problems: Problems, s3: dict[str, str], problem: str
) -> None:
    state = {"s3": {"bucket": "states", "region": "eu-central-1", **s3}}
    assert problems({**document(), "state": state}) == [problem]


@pytest.mark.parametrize(
    ("sandbox", "problem"),
    [
        ({"api_port": 0}, "sandbox.api_port: must be in 1..65535, got 0"),
        ({"registry_port": 70000}, "sandbox.registry_port: must be in 1..65535, got 70000"),
        (
            {"addresses": "10.0.0.0/24"},
            "sandbox.addresses: must be a /16 to /30 inside 127.0.0.0/8, got '10.0.0.0/24'",
        ),
        (
            {"addresses": "127.18.0.0/31"},
            "sandbox.addresses: must be a /16 to /30 inside 127.0.0.0/8, got '127.18.0.0/31'",
        ),
        (
            {"addresses": "127.0.0.0/16"},
            (
                "sandbox.addresses: must not overlap 127.0.0.0/24, which the computer itself uses, "
                "got '127.0.0.0/16'"
            ),
        ),
        (
            {"subnet": "8.8.8.0/24"},
            "sandbox.subnet: must be a private network of /16 to /28, got '8.8.8.0/24'",
        ),
        (
            {"subnet": "127.9.0.0/24"},
            "sandbox.subnet: must be a private network of /16 to /28, got '127.9.0.0/24'",
        ),
        ({"subnet": "172.30.18.1/24"}, f"sandbox.subnet: {A_NETWORK}, got '172.30.18.1/24'"),
        ({"subnet": 5}, f"sandbox.subnet: {A_NETWORK}, got 5"),
    ],
)
def test_it_fails_when_the_sandbox_has_no_usable_place(
    problems: Problems, sandbox: dict[str, object], problem: str
) -> None:
    assert problems({**document(), "sandbox": sandbox}) == [problem]


# Ports


@pytest.mark.parametrize("port", [0, 70000, -1, 65536])
@pytest.mark.parametrize("where", ["ssh", "docker_api"])
def test_it_fails_when_a_port_is_out_of_range(problems: Problems, where: str, port: int) -> None:
    aws = {where: {"cidrs": [OFFICE], "port": port}}
    # Exactly this: nothing follows from a value that was refused.
    assert problems(document(**aws)) == [f"aws.{where}.port: must be in 1..65535, got {port}"]


@pytest.mark.parametrize("value", ["22", 22.0, True, None, [22]])
def test_it_fails_when_a_port_is_no_number(problems: Problems, value: object) -> None:
    aws = {"ssh": {"cidrs": [OFFICE], "port": value}}
    assert problems(document(**aws)) == [f"aws.ssh.port: must be a whole number, got {value!r}"]


def shared(setting: str, other: str, port: int | str) -> str:
    return (
        f"aws.{setting}: must share no port with {other}, got {port} in both; "
        "change one of them, or the networks of both could connect"
    )


@pytest.mark.parametrize(
    ("aws", "expected"),
    [
        (
            {"http": {"ports": [0, 80, 70000]}},
            [
                "aws.http.ports.0: must be in 1..65535, got 0",
                "aws.http.ports.2: must be in 1..65535, got 70000",
            ],
        ),
        (
            {"http": {"ports": [True, "x", "٣", 1.5, "1/icmp", "9-8", "70000/udp"]}},
            [
                *(
                    f"aws.http.ports.{index}: must be a port, such as 443, 53/udp, 8000-8010 or "
                    f"8000-8010/udp, got {value}"
                    for index, value in enumerate(("True", "'x'", "'٣'", "1.5"))
                ),
                "aws.http.ports.4: must be of tcp, udp or sctp, got '1/icmp'",
                "aws.http.ports.5: must begin with the lower port, got '9-8'",
                "aws.http.ports.6: must be in 1..65535, got '70000/udp'",
            ],
        ),
        (
            {"http": {"ports": ["8000-8010", "8005/udp", 8010]}},
            [
                (
                    "aws.http.ports: must name each port once, got ['8000-8010', '8005/udp', "
                    "8010]; 8000-8010 and 8010 overlap: change one of them"
                )
            ],
        ),
        (
            {"http": {"ports": [80, "53", "53/udp", "53/tcp"]}},
            [
                (
                    "aws.http.ports: must name each one once, got [80, '53', '53/udp', '53/tcp']; "
                    "remove the other"
                )
            ],
        ),
        (
            {
                "http": {"ports": ["20-90", "9200/udp", "10-20/sctp"]},
                "docker_api": {"cidrs": [OFFICE], "service_ports": ["9200-9300", "30/sctp"]},
            },
            [
                shared("http.ports", "ssh.port", 22),
                shared("http.ports", "docker_api.service_ports", "10-20/sctp"),
            ],
        ),
        ({"http": {"ports": 80}}, ["aws.http.ports: must be a list, got 80"]),
        ({"http": {"ports": []}}, ["aws.http.ports: must hold at least 1 item, got []"]),
        (
            {"http": {"ports": [80, 80]}},
            ["aws.http.ports: must name each one once, got [80, 80]; remove the other"],
        ),
        (
            {"http": {"ports": [80, 22, 2376]}},
            [
                shared("http.ports", "ssh.port", 22),
                shared("http.ports", "docker_api.port", 2376),
            ],
        ),
        (
            {"http": {"ports": [80, 9200]}},
            [
                shared("http.ports", "docker_api.service_ports", 9200),
            ],
        ),
        (
            {"docker_api": {"cidrs": [OFFICE], "service_ports": [9200, 22, 2376]}},
            [
                shared("docker_api.service_ports", "ssh.port", 22),
                shared("docker_api.service_ports", "docker_api.port", 2376),
            ],
        ),
        (
            {"docker_api": {"cidrs": [OFFICE], "service_ports": [9200, 9200]}},
            [
                (
                    "aws.docker_api.service_ports: must name each one once, got [9200, 9200]; "
                    "remove the other"
                )
            ],
        ),
        (
            {"ssh": {"cidrs": [OFFICE], "port": 2376}},
            [
                shared("docker_api.port", "ssh.port", 2376),
            ],
        ),
    ],
)
def test_it_fails_when_ports_contradict_each_other(
    problems: Problems, aws: dict[str, object], expected: list[str]
) -> None:
    assert problems(document(**aws)) == expected


# Networks


@pytest.mark.parametrize(
    "value",
    ["10.0.0.1/8", "10.0.0.0/33", "office", "", 10, True, 1.5, None, [], {}, "::1/64", "10.0.0.0/"],
)
@pytest.mark.parametrize("where", ["ssh", "docker_api", "http"])
def test_it_fails_when_a_network_is_none(problems: Problems, where: str, value: object) -> None:
    aws = {where: {"cidrs": [OFFICE, value]}}
    assert problems(document(**aws)) == [f"aws.{where}.cidrs.1: {A_NETWORK}, got {value!r}"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "must hold at least 1 item, got []"),
        (OFFICE, f"must be a list, got '{OFFICE}'"),
        (
            [OFFICE, OFFICE],
            f"must name each one once, got ['{OFFICE}', '{OFFICE}']; remove the other",
        ),
    ],
)
def test_it_fails_when_the_networks_are_no_list_of_different_ones(
    problems: Problems, value: object, problem: str
) -> None:
    assert problems(document(ssh={"cidrs": value})) == [f"aws.ssh.cidrs: {problem}"]


WHOLE_INTERNET = [
    ["0.0.0.0/0"],
    ["::/0"],
    ["0.0.0.0/1", "128.0.0.0/1"],
    ["::/1", "8000::/1"],
    ["2000::/3"],
    ["128.0.0.0/1", "203.0.113.0/24", "0.0.0.0/2", "64.0.0.0/2"],
]


@pytest.mark.parametrize("cidrs", WHOLE_INTERNET)
@pytest.mark.parametrize("where", ["ssh", "docker_api"])
def test_it_fails_when_it_is_open_to_the_whole_internet_by_accident(
    problems: Problems, where: str, cidrs: list[str]
) -> None:
    expected = [
        (
            f"aws.{where}.cidrs: must not cover the whole internet, or more of it than a "
            "/8 of IPv4 "
            f"or a /12 of IPv6, got {cidrs!r}; name your own "
            "networks, or say open_to_the_whole_internet: true beside it"
        )
    ]
    assert problems(document(**{where: {"cidrs": cidrs}})) == expected
    explicit_no = {"cidrs": cidrs, "open_to_the_whole_internet": False}
    assert problems(document(**{where: explicit_no})) == expected


@pytest.mark.parametrize("cidrs", WHOLE_INTERNET)
def test_it_may_be_open_to_the_whole_internet_in_so_many_words(
    load: Load, cidrs: list[str]
) -> None:
    said = {"cidrs": cidrs, "open_to_the_whole_internet": True}
    settings = load(document(ssh=said, docker_api={**said, "service_ports": [9200]}))
    expected = tuple(ip_network(c) for c in cidrs)
    assert (settings.aws.ssh.cidrs, settings.aws.docker_api.cidrs) == (expected, expected)


@pytest.mark.parametrize("word", ["yes", 1, "true", None])
def test_it_fails_when_the_words_are_not_true(problems: Problems, word: object) -> None:
    aws = {"ssh": {"cidrs": ["0.0.0.0/0"], "open_to_the_whole_internet": word}}
    assert problems(document(**aws)) == [
        f"aws.ssh.open_to_the_whole_internet: must be true or false, got {word!r}",
        (
            "aws.ssh.cidrs: must not cover the whole internet, or more of it than a "
            "/8 of IPv4 "
            "or a /12 of IPv6, got ['0.0.0.0/0']; name your own "
            "networks, or say open_to_the_whole_internet: true beside it"
        ),
    ]


def test_saying_so_for_one_does_not_open_the_other(problems: Problems) -> None:
    aws = {
        "ssh": {"cidrs": ["0.0.0.0/0"], "open_to_the_whole_internet": True},
        "docker_api": {"cidrs": ["0.0.0.0/0"], "service_ports": [9200]},
    }
    assert problems(document(**aws)) == [
        (
            "aws.docker_api.cidrs: must not cover the whole internet, or more of it than a "
            "/8 of IPv4 "
            "or a /12 of IPv6, got ['0.0.0.0/0']; name your "
            "own networks, or say open_to_the_whole_internet: true beside it"
        )
    ]


# Host keys

PRINT = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
"""The digest of nothing."""


def with_host_key(value: object) -> dict[str, Any]:
    return document(ssh={"cidrs": [OFFICE], "host_key": value})


def test_host_keys_may_be_given_as_fingerprints_or_as_keys(load: Load) -> None:
    assert load(document()).aws.ssh.host_key == ()
    assert load(with_host_key(PRINT)).aws.ssh.host_key == (PRINT,)
    other = f"SHA256:{'a' * 43}"
    assert load(with_host_key([PRINT, other])).aws.ssh.host_key == (PRINT, other)
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFyafGys+v5SsKL1RFWHiGiwazMqIuLM27srL96mjSe0"
    found = load(with_host_key([line])).aws.ssh.host_key
    assert found == load(with_host_key(f"{line} root@box")).aws.ssh.host_key
    assert found[0].startswith("SHA256:")


@pytest.mark.parametrize(
    "value",
    ["", "SHA256:short", f"MD5:{'a' * 43}", f"{PRINT}=", "ssh-ed25519 no=base64", "a b c d"],
)
def test_it_fails_when_a_host_key_is_none(problems: Problems, value: str) -> None:
    (problem,) = problems(with_host_key(value))
    assert problem.startswith("aws.ssh.host_key")
    assert "must be a host key's fingerprint such as SHA256: and 43 characters" in problem


def test_it_fails_when_a_host_key_is_named_twice(problems: Problems) -> None:
    (problem,) = problems(with_host_key([PRINT, PRINT]))
    assert problem.startswith("aws.ssh.host_key: must name each one once")


# The key file


def with_key(path: object) -> dict[str, Any]:
    return document(key_pair={"name": "mine", "private_key_file": str(path)})


def test_a_key_file_of_your_own(load: Load, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(private_key())
    key.chmod(0o600)
    found = load(with_key("key")).aws.key_pair
    assert found is not None
    assert (found.name, found.private_key_file) == ("mine", key), "relative to the settings file"


def test_the_home_folder_may_be_written_as_a_tilde(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "key").write_bytes(private_key())
    (home / "key").chmod(0o600)
    monkeypatch.setenv("HOME", str(home))
    found = load(with_key("~/key")).aws.key_pair
    assert found is not None
    assert found.private_key_file == home / "key"


def test_it_fails_when_the_key_file_is_missing(problems: Problems, tmp_path: Path) -> None:
    assert problems(with_key("nowhere")) == [
        (
            f"aws.key_pair.private_key_file: {tmp_path}/nowhere: private key: must be a readable "
            "file, got no such file or directory; give the path of the private key"
        )
    ]


def test_it_fails_when_others_may_read_the_key_file(problems: Problems, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(private_key())
    key.chmod(0o644)
    (problem,) = problems(with_key("key"))
    assert problem.startswith(f"aws.key_pair.private_key_file: {key}: ")
    assert "got 0644" in problem
    assert f"chmod 600 {key}" in problem


def test_it_fails_when_the_key_file_has_a_passphrase(problems: Problems, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(private_key(b"secret"))
    key.chmod(0o600)
    assert problems(with_key("key")) == [
        (
            f"aws.key_pair.private_key_file: {key}: private key: must have no passphrase, got an "
            f"encrypted key; ssh-keygen -p -f {key} removes it, or give a key made for this purpose"
        )
    ]


NETWORKS = st.one_of(
    st.builds(
        lambda a, p: ip_network((a, p), strict=False), st.ip_addresses(v=4), st.integers(1, 32)
    ),
    st.builds(
        lambda a, p: ip_network((a, p), strict=False), st.ip_addresses(v=6), st.integers(4, 128)
    ),
)
PORTS = st.lists(st.integers(1, 65535), min_size=6, max_size=6, unique=True)


@given(
    project=st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True),
    ports=PORTS,
    cidrs=st.lists(NETWORKS, min_size=1, max_size=4, unique=True),
    size=st.integers(8, 16384),
    architecture=st.sampled_from(["x86_64", "arm64"]),
    window=st.none() | st.tuples(st.sampled_from(["Sun 04:00", "14:00", "23:59"]), st.just("2h")),
)
def test_what_is_dumped_loads_as_the_same(  # noqa: PLR0917
    folder: Path,
    project: str,
    ports: list[int],
    cidrs: list[IPv4Network | IPv6Network],
    size: int,
    architecture: str,
    window: tuple[str, str] | None,
) -> None:
    ssh, docker, service, other, web, api = ports
    written = {
        "project": project,
        "aws": {
            "region": "eu-central-1",
            "image": {"architecture": architecture},
            "root_volume": {"size_gib": size},
            "ssh": {"port": ssh, "cidrs": [str(c) for c in cidrs]},
            "docker_api": {
                "port": docker,
                "cidrs": [OFFICE],
                "service_ports": [service, other],
            },
            "http": {"ports": [web]},
            "updates": dict(zip(("window_start", "window_length"), window, strict=True))
            if window
            else {},
        },
        "sandbox": {"api_port": api},
    }
    first = folder / "first.yaml"
    first.write_text(yaml.safe_dump(written), encoding="utf-8")
    if covers_internet(cidrs):
        with pytest.raises(SettingsError, match="must not cover the whole internet"):
            load_settings(first)
        return
    settings = load_settings(first)
    assert settings.aws.ssh.cidrs == tuple(cidrs)
    assert settings.aws.ssh.port == ssh
    second = folder / "second.yaml"
    second.write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
    assert load_settings(second) == settings


# The services


def test_the_services_defaults(load: Load) -> None:
    settings = load(document())
    assert settings.services == (SERVICES,)
    assert SERVICES.is_file()
    assert settings.variables == {}


@pytest.mark.parametrize("written", ["one.yaml", ["one.yaml"], ["one.yaml", "two.yaml"]])
def test_compose_files_are_relative_to_the_settings(
    load: Load, tmp_path: Path, written: str | list[str]
) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text("services: {}", encoding="utf-8")
    names = [written] if isinstance(written, str) else written
    settings = load({**document(), "services": written, "variables": {"A_1": "b"}})
    assert settings.services == tuple(tmp_path / name for name in names)
    assert settings.variables == {"A_1": "b"}


def test_it_fails_when_a_compose_file_is_not_there(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("services: {}", encoding="utf-8")
    assert problems({**document(), "services": ["one.yaml", "no.yaml"]}) == [
        (
            "services.1: must be a file that can be read, got 'no.yaml'; "
            f"{tmp_path / 'no.yaml'}: no such file or directory"
        )
    ]


def test_it_fails_when_a_compose_file_is_a_folder(problems: Problems, tmp_path: Path) -> None:
    assert problems({**document(), "services": "."}) == [
        f"services.0: must be a file, got '.'; {tmp_path} is something else"
    ]


def with_services(path: str) -> dict[str, Any]:
    return {**document(), "services": path}


WHERE_A_FILE_IS_NAMED = pytest.mark.parametrize(
    ("field", "with_file"),
    [("services.0", with_services), ("aws.key_pair.private_key_file", with_key)],
)


@WHERE_A_FILE_IS_NAMED
@pytest.mark.parametrize("name", ["~0", "~nobody-of-that-name/file"])
def test_it_fails_when_nobody_has_that_home_folder(
    problems: Problems, field: str, with_file: Callable[[str], object], name: str
) -> None:
    assert problems(with_file(name)) == [
        (f"{field}: must begin with a home folder that exists, got {name!r}; write the whole path")
    ]


@WHERE_A_FILE_IS_NAMED
def test_it_fails_when_there_is_no_home_at_all(
    problems: Problems,
    field: str,
    with_file: Callable[[str], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As in a container whose user has no entry in /etc/passwd.
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 3_999_999)
    assert problems(with_file("~/file")) == [
        f"{field}: must begin with a home folder that exists, got '~/file'; write the whole path"
    ]


@WHERE_A_FILE_IS_NAMED
@pytest.mark.parametrize("name", ["a\0b", "a\nb", "\x1b[31m"])
def test_it_fails_when_a_path_has_control_characters(
    problems: Problems, field: str, with_file: Callable[[str], object], name: str
) -> None:
    assert problems(with_file(name)) == [
        f"{field}: must be a path without control characters, got {name!r}"
    ]


@WHERE_A_FILE_IS_NAMED
def test_it_fails_when_a_path_is_half_a_surrogate_pair(
    problems: Problems, field: str, with_file: Callable[[str], object]
) -> None:
    text = yaml.safe_dump(with_file("HALF")).replace("HALF", '"\\ud800"')
    assert problems(text) == [f"{field}: must be a path without control characters, got '\\ud800'"]


@WHERE_A_FILE_IS_NAMED
def test_it_fails_when_a_path_is_too_long(
    problems: Problems, field: str, with_file: Callable[[str], object]
) -> None:
    (found,) = problems(with_file("x" * 300))
    assert found.startswith(f"{field}: ")
    assert "file name too long" in found


def test_it_fails_when_the_way_to_a_compose_file_is_a_circle(
    problems: Problems, tmp_path: Path
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert problems(with_services("loop")) == [
        (
            "services.0: must be a file that can be read, got 'loop'; "
            f"{tmp_path / 'loop'}: too many levels of symbolic links"
        )
    ]


def test_a_compose_file_may_be_in_the_home_folder(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "compose.yaml").write_text("services: {}", encoding="utf-8")
    assert load(with_services("~/compose.yaml")).services == (tmp_path / "compose.yaml",)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"services": []}, "services: must hold at least 1 item, got []"),
        ({"variables": {"A": 1}}, "variables.A: must be text, got 1"),
        ({"docker": {}}, "docker: unknown key; the keys here are: aws, project, registry, "),
    ],
)
def test_it_fails_when_the_services_are_not_named_well(
    problems: Problems, keys: dict[str, object], expected: str
) -> None:
    (found,) = problems({**document(), **keys})
    assert found.startswith(expected)


# Data volumes


def test_a_data_volume_is_gp3_and_every_machines(load: Load) -> None:
    settings = load(
        document(
            data_volume={"size_gib": 20, "snapshots": {"keep": 7}},
            machines={
                "managers": 3,
                "workers": {
                    "db": {"count": 1, "data_volume": {"size_gib": 100, "iops": 4000}},
                    "web": {"count": 1},
                },
            },
        )
    )
    volumes = {node.name: node.data_volume for node in nodes_of(settings)}
    assert {name: v.size_gib for name, v in volumes.items() if v is not None} == {
        "manager-1": 20,
        "manager-2": 20,
        "manager-3": 20,
        "db-1": 100,
        "web-1": 20,
    }
    assert settings.aws.data_volume is not None
    assert settings.aws.data_volume.type == "gp3"
    assert settings.aws.data_volume.snapshots is not None
    kept = {"keep": 7, "keep_days": None, "schedule": None}
    assert settings.aws.data_volume.snapshots.model_dump() == kept


def test_without_the_setting_no_machine_has_a_data_volume(load: Load) -> None:
    assert [node.data_volume for node in nodes_of(load(document()))] == [None]


@pytest.mark.parametrize(
    ("volume", "problem"),
    [
        ({}, "aws.data_volume.size_gib: must be set; add it"),
        (
            {"size_gib": 20, "type": "gp2", "iops": 3000},
            (
                "aws.data_volume.iops: must not be set for the type gp2, got 3000; remove it, or "
                "choose one of gp3, io2, io1"
            ),
        ),
        (
            {"size_gib": 70000},
            (
                "aws.data_volume.size_gib: must be in 1..65536 for the type gp3, got 70000; choose "
                "another size or type"
            ),
        ),
        (
            {"size_gib": 20, "snapshots": {}},
            (
                "aws.data_volume.snapshots.keep: must be set, or keep_days; add one of them, or "
                "remove snapshots"
            ),
        ),
        ({"size_gib": 20, "snapshots": {"keep": 0}}, "aws.data_volume.snapshots.keep: must be in"),
    ],
)
def test_a_data_volume_that_aws_would_refuse_is_refused(
    problems: Problems, volume: dict[str, Any], problem: str
) -> None:
    (found,) = problems(document(data_volume=volume))
    assert problem in found


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ({"every_hours": 6}, "every_hours: must be one of 12 or 24, got 6"),
        ({"at": "3:00"}, "at: must be a time of day from 00:00 to 23:59, got '3:00'"),
        ({"at": "24:00"}, "at: must be a time of day from 00:00 to 23:59, got '24:00'"),
        # What YAML makes of 13:00 without quotes.
        ({"at": 780}, 'at: must be a time of day in quotes, such as "13:00", got 780'),
    ],
)
def test_a_schedule_of_snapshots_is_one_that_aws_takes(
    problems: Problems, schedule: dict[str, object], problem: str
) -> None:
    snapshots = {"keep": 7, "schedule": schedule}
    found = problems(document(data_volume={"size_gib": 20, "snapshots": snapshots}))
    assert found == [f"aws.data_volume.snapshots.schedule.{problem}"]
