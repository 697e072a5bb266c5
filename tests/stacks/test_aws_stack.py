"""The AWS stack: how many of what, open to whom, and where its state is."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from project_stacks import (
    PROJECT,
    SETTINGS,
    environment_of,
    fixed_identity,
    settings_of,
    synthesize,
    synthesized,
)
from synthesis import Json, counts, only, words_of

from constructs_lib.settings.nodes import warnings_of
from constructs_lib.settings.settings import Settings


def changed(**aws: object) -> Json:
    """Synthesize production with other keys under `aws`, and no S3 state."""
    document = settings_of("production").model_dump(mode="json")
    document["state"] = {}
    document["aws"].update(aws)
    environment, settings = environment_of("production"), Settings.model_validate(document)
    return synthesize(environment, settings, fixed_identity(environment, settings))["aws"]


@pytest.mark.parametrize("name", SETTINGS)
def test_it_is_exactly_these_resources(name: str) -> None:
    assert counts(synthesized(name)["aws"]) == {
        "aws_eip": 1,
        "aws_instance": 1,
        "aws_key_pair": 1,
        "aws_security_group": 3,
        "aws_vpc_security_group_egress_rule": 6,
        "aws_vpc_security_group_ingress_rule": 7,
        "data.aws_ami": 1,
        "terraform_data": 2,
    }


def openings(
    document: Json,
) -> list[tuple[str, int | None, int | None, str, str | None, str | None]]:
    """Return what is open: group, ports, protocol, IPv4 network, IPv6 network."""
    rules = document["resource"]["aws_vpc_security_group_ingress_rule"].values()
    found = [
        (
            rule["security_group_id"].removeprefix("${aws_security_group.").removesuffix(".id}"),
            rule.get("from_port"),
            rule.get("to_port"),
            rule["ip_protocol"],
            rule.get("cidr_ipv4"),
            rule.get("cidr_ipv6"),
        )
        for rule in rules
    ]
    return sorted(found, key=str)


WEB = [
    ("AllowAllHttpHttps", 80, 80, "tcp", None, "::/0"),
    ("AllowAllHttpHttps", 80, 80, "tcp", "0.0.0.0/0", None),
    ("AllowAllHttpHttps", 443, 443, "tcp", None, "::/0"),
    ("AllowAllHttpHttps", 443, 443, "tcp", "0.0.0.0/0", None),
]


@pytest.mark.parametrize(
    ("name", "network", "ssh_port"),
    [("sandbox", "127.0.0.0/8", 2222), ("production", "203.0.113.0/24", 22)],
)
def test_these_ports_are_open_to_these_networks_and_to_nobody_else(
    name: str, network: str, ssh_port: int
) -> None:
    assert openings(synthesized(name)["aws"]) == sorted(
        [
            *WEB,
            ("AllowDocker", 2376, 2376, "tcp", network, None),
            ("AllowDocker", 9200, 9200, "tcp", network, None),
            ("AllowSsh", ssh_port, ssh_port, "tcp", network, None),
        ],
        key=str,
    )


def test_udp_ranges_and_sctp_are_one_rule_each_and_change_no_other() -> None:
    before = changed()["resource"]["aws_vpc_security_group_ingress_rule"]
    document = changed(
        http={"ports": [80, 443, "53/udp", "10000-10999/udp", "2905/sctp"]},
        docker_api={"cidrs": ["203.0.113.0/24"], "service_ports": [9200, "9300-9400"]},
    )
    found = set(openings(document)) - set(openings(synthesized("production")["aws"]))
    assert found == {
        ("AllowAllHttpHttps", 53, 53, "udp", None, "::/0"),
        ("AllowAllHttpHttps", 53, 53, "udp", "0.0.0.0/0", None),
        ("AllowAllHttpHttps", 10000, 10999, "udp", None, "::/0"),
        ("AllowAllHttpHttps", 10000, 10999, "udp", "0.0.0.0/0", None),
        ("AllowAllHttpHttps", None, None, "132", None, "::/0"),
        ("AllowAllHttpHttps", None, None, "132", "0.0.0.0/0", None),
        ("AllowDocker", 9300, 9400, "tcp", "203.0.113.0/24", None),
    }
    after = document["resource"]["aws_vpc_security_group_ingress_rule"]
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("name", SETTINGS)
def test_every_group_lets_everything_out_and_every_rule_says_why(name: str) -> None:
    resources = synthesized(name)["aws"]["resource"]
    outward = resources["aws_vpc_security_group_egress_rule"].values()
    groups = [f"${{aws_security_group.{g}.id}}" for g in resources["aws_security_group"]]
    assert sorted((r["security_group_id"], r["ip_protocol"]) for r in outward) == sorted(
        (group, "-1") for group in groups for _ in ("IPv4", "IPv6")
    )
    inward = resources["aws_vpc_security_group_ingress_rule"].values()
    assert all(rule["description"] for rule in (*inward, *outward))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_machine_is_in_the_three_groups(name: str) -> None:
    document = synthesized(name)["aws"]
    assert only(document, "aws_instance")["vpc_security_group_ids"] == [
        "${aws_security_group.AllowSsh.id}",
        "${aws_security_group.AllowDocker.id}",
        "${aws_security_group.AllowAllHttpHttps.id}",
    ]
    assert [g["tags"]["Name"] for g in document["resource"]["aws_security_group"].values()] == [
        "allow-all-http-https",
        "allow-docker",
        "allow-ssh",
    ]


def test_the_sandbox_talks_to_the_emulator_only() -> None:
    (provider,) = synthesized("sandbox")["aws"]["provider"]["aws"]
    url = "http://127.0.0.1:4599"
    assert provider == {
        "region": "eu-central-1",
        "default_tags": [
            {"tags": {"project": "moor", "environment": "sandbox", "managed-by": "moor"}}
        ],
        "endpoints": [{"ec2": url, "iam": url, "s3": url, "sts": url}],
        # Named here, they win over whatever AWS variables the user has.
        "profile": "moor-sandbox",
        "shared_credentials_files": [f"{PROJECT}/.moor/sandbox/sandbox/credentials"],
        "skip_credentials_validation": True,
        "skip_metadata_api_check": "true",
        "skip_region_validation": True,
    }


def test_production_talks_to_aws_with_every_check() -> None:
    (provider,) = synthesized("production")["aws"]["provider"]["aws"]
    assert provider == {
        "region": "eu-central-1",
        "default_tags": [
            {"tags": {"project": "moor", "environment": "production", "managed-by": "moor"}}
        ],
    }


def test_a_profile_and_a_role() -> None:
    role = "arn:aws:iam::123456789012:role/deploy"
    (provider,) = changed(profile="work", role_arn=role)["provider"]["aws"]
    assert provider["profile"] == "work"
    assert provider["assume_role"] == [{"role_arn": role}]


def test_a_vpc_of_your_own_holds_the_groups_and_the_machine() -> None:
    vpc, subnet = "vpc-0123456789abcdef0", "subnet-0123456789abcdef0"
    document = changed(network={"vpc_id": vpc, "subnet_id": subnet})
    groups = document["resource"]["aws_security_group"].values()
    assert [g["vpc_id"] for g in groups] == [vpc] * 3
    assert only(document, "aws_instance")["subnet_id"] == subnet


def test_ports_of_your_own_reach_the_groups_the_user_data_and_the_steps() -> None:
    networks = {"cidrs": ["203.0.113.0/24"]}
    document = changed(
        ssh={**networks, "port": 2022},
        docker_api={**networks, "port": 4243, "service_ports": [9200]},
    )
    ports = {(group, port) for group, port, *_ in openings(document)}
    assert {("AllowSsh", 2022), ("AllowDocker", 4243)} <= ports
    assert not {("AllowSsh", 22), ("AllowDocker", 2376)} & ports
    user_data = only(document, "aws_instance")["user_data"]
    assert re.findall(r"ListenStream=(\d+)", user_data) == ["4243", "2022"]
    assert document["output"]["docker_host"]["value"] == "tcp://${aws_eip.Address.public_ip}:4243"
    assert document["output"]["ssh"]["value"].startswith("ssh -p 2022 ")


@pytest.mark.parametrize("name", SETTINGS)
def test_user_data_is_a_cloud_config_with_no_certificate_and_no_key(name: str) -> None:
    user_data = only(synthesized(name)["aws"], "aws_instance")["user_data"]
    assert user_data.startswith("#cloud-config\n")
    assert "-----BEGIN" not in user_data
    loaded: Any = yaml.safe_load(user_data)
    files = {file["path"] for file in loaded["write_files"]}
    docker = {"/etc/docker/daemon.json", "/etc/docker/refuse-strangers.sh"}
    assert docker <= files <= {*docker, "/etc/flatcar/update.conf"}


@pytest.mark.parametrize(("request_", "clients"), [("f", "0"), ("0", "f")])
def test_another_certificate_changes_the_steps_and_nothing_else(
    request_: str, clients: str
) -> None:
    environment, settings = environment_of("production"), settings_of("production")
    identity = fixed_identity(environment, settings)
    plain, changed_ = (
        replace(identity, store=replace(identity.store, request=r * 64, clients=c * 64))
        for r, c in (("0", "0"), (request_, clients))
    )
    before, after = (synthesize(environment, settings, i)["aws"] for i in (plain, changed_))
    assert before != after
    for document in (before, after):
        del document["resource"]["terraform_data"]["DockerApi"]["triggers_replace"]
    assert before == after


def test_the_console_is_asked_for_where_the_machine_is() -> None:
    role = "arn:aws:iam::123456789012:role/deploy"
    networks = {"cidrs": ["203.0.113.0/24"]}
    prints = "SHA256:" + "a" * 43
    document = changed(profile="work", role_arn=role, ssh={**networks, "host_key": prints})
    for words in first_words(document):
        assert words[words.index("--expect") :] == [
            *("--expect", prints, "--region", "eu-central-1"),
            *("--profile", "work", "--role-arn", role),
        ]
    for words in first_words(synthesized("sandbox")["aws"]):
        assert words[words.index("--region") :] == [
            *("--region", "eu-central-1", "--profile", "moor-sandbox"),
            *("--endpoint-url", "http://127.0.0.1:4599"),
            *("--credentials", "/project/.moor/sandbox/sandbox/credentials"),
        ]


def first_words(document: Json) -> list[list[str]]:
    """Return the first command of the machine's API, and of what ends its services."""
    steps = document["resource"]["terraform_data"]
    return [
        words_of(steps[name]["provisioner"][0]["local-exec"])
        for name in ("DockerApi", "ServicesEnd")
    ]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_outputs(name: str) -> None:
    document, ssh_port = synthesized(name)["aws"], settings_of(name).aws.ssh.port
    outputs = {
        key: output["value"]
        for key, output in document["output"].items()
        if not key.startswith("cross-stack-output")
    }
    key = f"/project/.moor/{name}/ssh/id_ed25519"
    address, machine = "${aws_eip.Address.public_ip}", "${aws_instance.Machine.id}"
    assert outputs == {
        "public_ip": address,
        "docker_host": f"tcp://{address}:2376",
        "ssh": f"ssh -p {ssh_port} -i {key} "
        f"-o UserKnownHostsFile=/project/.moor/{name}/hosts/{machine}/known_hosts "
        f"-o HostKeyAlias={machine} -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes "
        f"core@{address}",
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_the_provider_may_be_of_any_version_that_is_known_to_work(name: str) -> None:
    assert synthesized(name)["aws"]["terraform"]["required_providers"] == {
        "aws": {"source": "aws", "version": ">= 5.100.0, < 7.0.0"}
    }


def test_the_sandboxs_state_is_an_explicit_path() -> None:
    assert synthesized("sandbox")["aws"]["terraform"]["backend"] == {
        "local": {"path": "/project/.moor/sandbox/state/aws.tfstate"}
    }


def test_productions_state_is_in_s3() -> None:
    assert synthesized("production")["aws"]["terraform"]["backend"] == {
        "s3": {
            "bucket": "my-terraform-state",
            "key": "moor/production/aws.tfstate",
            "region": "eu-central-1",
            "encrypt": True,
            "use_lockfile": True,
        }
    }


def test_a_schedule_of_snapshots_finds_the_volume_by_a_tag_of_its_own() -> None:
    volume = {"size_gib": 20, "snapshots": {"keep": 7, "schedule": {}}}
    found = changed(data_volume=volume)["resource"]
    (policy,) = found["aws_dlm_lifecycle_policy"].values()
    (disk,) = found["aws_ebs_volume"].values()
    (tag,) = policy["policy_details"]["target_tags"].items()
    assert tag == ("snapshot-schedule", "moor-production-data")
    assert disk["tags"] == {
        "Name": "moor-production-data",
        "data-volume": "manager-1",
        "snapshot-schedule": "moor-production-data",
    }
    plain = changed(data_volume={"size_gib": 20, "snapshots": {"keep": 7}})["resource"]
    assert "aws_dlm_lifecycle_policy" not in plain
    assert "aws_iam_role" not in plain


def test_a_sandbox_has_no_schedule_and_says_so() -> None:
    document = settings_of("sandbox").model_dump(mode="json")
    document["aws"]["data_volume"] = {"size_gib": 2, "snapshots": {"keep": 7, "schedule": {}}}
    environment, settings = environment_of("sandbox"), Settings.model_validate(document)
    stack = synthesize(environment, settings, fixed_identity(environment, settings))["aws"]
    assert "aws_dlm_lifecycle_policy" not in stack["resource"]
    (warning,) = warnings_of(settings)
    assert warning == (
        "data_volume.snapshots.schedule: has no effect in a sandbox, whose emulated AWS has no "
        "Data Lifecycle Manager; `moor backup create` makes snapshots there"
    )
