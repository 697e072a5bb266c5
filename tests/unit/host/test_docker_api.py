"""The steps that open Docker's remote API: their order, and what makes them run again."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from synthesis import (
    ROOT,
    Json,
    counts,
    new_stack,
    only,
    plain_machine,
    provisioners,
    synth_of,
    words_of,
)

from constructs_lib.aws.data_volume import DataVolume
from constructs_lib.aws.elastic_ip import ElasticIp
from constructs_lib.host import docker_api
from constructs_lib.host.docker_api import AwsAccess, CertificateStore, DockerApi
from constructs_lib.host.ssh_access import SshAccess
from constructs_lib.host.volume_growth import VolumeGrowth

if TYPE_CHECKING:
    from cdktf import TerraformStack

REQUEST = "0" * 64
CLIENTS = "c" * 64
STORE = CertificateStore(
    pki=Path("/env/pki"),
    certificates=Path("/env/certificates"),
    request=REQUEST,
    clients=CLIENTS,
)
ADDRESS = "${aws_eip.Address.public_ip}"
MACHINE = "${aws_instance.Machine.id}"
INSIDE = MACHINE[2:-1]
"""The same within an expression."""
HOSTS = Path("/env/hosts")
AWS = AwsAccess(region="eu-central-1")
SCRIPTS = ROOT / "constructs_lib" / "host" / "scripts"


def define(
    stack: TerraformStack,
    *,
    store: CertificateStore = STORE,
    ssh_port: int = 22,
    port: int = 2376,
    aws: AwsAccess = AWS,
    host_keys: tuple[str, ...] = (),
    hosts: Path = HOSTS,
    node: str | None = None,
    connect_timeout_seconds: int = 300,
) -> None:
    machine = plain_machine(stack)
    DockerApi(
        stack,
        "DockerApi",
        machine=machine,
        address=ElasticIp(stack, "Address", name="moor-test", machine=machine),
        port=port,
        ssh=SshAccess(
            user="core",
            port=ssh_port,
            private_key_file=Path("/env/ssh/id_ed25519"),
            hosts=hosts,
            host_keys=host_keys,
        ),
        store=store,
        aws=aws,
        node=node,
        connect_timeout_seconds=connect_timeout_seconds,
    )


def api(**changes: Any) -> Json:  # noqa: ANN401  (keywords of the function above)
    return synth_of(lambda stack: define(stack, **changes))


def steps(document: Json) -> list[tuple[str, Json]]:
    """Return the provisioners without their connections."""
    return [
        (kind, {k: v for k, v in settings.items() if k != "connection"})
        for kind, settings in provisioners(document)
    ]


def test_it_is_a_resource_of_its_own_after_the_address() -> None:
    document = api()
    assert counts(document)["terraform_data"] == 1
    assert only(document, "terraform_data")["depends_on"] == ["aws_eip.Address"]
    assert "provisioner" not in only(document, "aws_instance")
    assert "provisioner" not in only(document, "aws_eip")


def test_the_steps_are_exactly_these_in_this_order() -> None:
    staged = "/run/moor"
    here = str(ROOT)
    assert steps(api()) == [
        (
            "local-exec",
            {
                "interpreter": [
                    *(sys.executable, "-m", "constructs_lib.host.host_key"),
                    *("--machine", MACHINE, "--address", ADDRESS, "--port", "22"),
                    *("--hosts", "/env/hosts", "--timeout", "300", "--region"),
                ],
                "command": "eu-central-1",
                "working_dir": here,
            },
        ),
        ("remote-exec", {"inline": [f"sudo install -d -m 0700 -o core -g core {staged}"]}),
        ("file", {"source": str(SCRIPTS / "init.sh"), "destination": f"{staged}/init.sh"}),
        ("remote-exec", {"inline": [f"sudo bash {staged}/init.sh"]}),
        (
            "file",
            {
                "source": str(SCRIPTS / "open-docker-api.sh"),
                "destination": f"{staged}/open-docker-api.sh",
            },
        ),
        ("remote-exec", {"inline": [f"sudo bash {staged}/open-docker-api.sh request"]}),
        (
            "local-exec",
            {
                "interpreter": [
                    *(sys.executable, "-m", "constructs_lib.host.server_certificate"),
                    *("--pki", "/env/pki", "--certificates", "/env/certificates"),
                    *("--machine", MACHINE, "--address", ADDRESS, "--user", "core"),
                    *("--port", "22", "--key", "/env/ssh/id_ed25519", "--hosts"),
                ],
                "command": "/env/hosts",
                "working_dir": here,
            },
        ),
        *(
            ("file", {"source": f"/env/pki/install/{name}", "destination": f"{staged}/{name}"})
            for name in ("ca.pem", "server.pem", "clients.pem")
        ),
        ("remote-exec", {"inline": [f"sudo bash {staged}/open-docker-api.sh 2376"]}),
        (
            "local-exec",
            {
                "interpreter": [
                    *(sys.executable, "-m", "constructs_lib.host.docker_api_probe"),
                    *("--host", ADDRESS, "--port", "2376", "--pki", "/env/pki"),
                    "--certificates",
                ],
                "command": "/env/certificates",
                "working_dir": here,
            },
        ),
    ]


def test_a_failed_step_fails_the_deployment() -> None:
    assert [s for _, s in provisioners(api()) if "on_failure" in s] == []


def test_no_step_reaches_the_machine_but_by_its_host_key() -> None:
    document = api(ssh_port=2222)
    # Shared by the steps it would be read before the first one has learned the key.
    assert "connection" not in only(document, "terraform_data")
    (first, _), *others = provisioners(document)
    assert first == "local-exec"
    connections = [s["connection"] for kind, s in others if kind != "local-exec"]
    expected = {
        "type": "ssh",
        "host": ADDRESS,
        "port": 2222,
        "user": "core",
        "private_key": '${file("/env/ssh/id_ed25519")}',
        "host_key": f'${{file(join("", ["/env/hosts/", {INSIDE}, "/host_key"]))}}',
        "agent": "false",
        "timeout": "300s",
    }
    assert connections == [expected] * 9


def test_the_keys_of_a_folder_of_any_name_are_read() -> None:
    document = synth_of(lambda stack: define(stack, hosts=Path('/q"u ${x}/hosts')))
    connection = provisioners(document)[1][1]["connection"]
    # To Terraform that is text but for the machine's id.
    path = rf'"/q\u0022u \u0024\u007Bx\u007D/hosts/", {INSIDE}, "/host_key"'
    assert connection["host_key"] == f'${{file(join("", [{path}]))}}'


def test_nothing_secret_is_sent() -> None:
    sent = [s["source"] for kind, s in provisioners(api()) if kind == "file"]
    assert len(sent) == 5
    assert not [source for source in sent if "key" in source]


def test_the_console_is_asked_for_as_the_settings_say() -> None:
    aws = AwsAccess(
        region="eu-west-1",
        profile="work",
        role_arn="arn:aws:iam::123456789012:role/deploy",
        endpoint_url="http://127.0.0.1:4599",
        credentials=Path("/env/sandbox/credentials"),
    )
    first = provisioners(api(aws=aws, host_keys=("SHA256:a", "SHA256:b")))[0][1]
    assert words_of(first)[-14:] == [
        *("--expect", "SHA256:a", "--expect", "SHA256:b", "--region", "eu-west-1"),
        *("--profile", "work", "--role-arn", "arn:aws:iam::123456789012:role/deploy"),
        *("--endpoint-url", "http://127.0.0.1:4599", "--credentials", "/env/sandbox/credentials"),
    ]


def test_the_port_reaches_the_script_and_the_probe() -> None:
    text = str(provisioners(api(port=4243)))
    assert "open-docker-api.sh 4243" in text
    assert "'--port', '4243'" in text
    assert "2376" not in text


def test_it_runs_again_for_exactly_these() -> None:
    assert only(api(), "terraform_data")["triggers_replace"] == {
        "machine": "${aws_instance.Machine.id}",
        "address": ADDRESS,
        "certificate": REQUEST,
        "clients": CLIENTS,
        "init.sh": hashlib.sha256((SCRIPTS / "init.sh").read_bytes()).hexdigest(),
        "open-docker-api.sh": hashlib.sha256(
            (SCRIPTS / "open-docker-api.sh").read_bytes()
        ).hexdigest(),
    }


def test_one_of_several_machines_has_a_folder_of_its_own_and_leaves_the_client_as_it_is() -> None:
    plain, named = steps(api()), steps(api(node="web-1"))
    changed = [(a, b) for a, b in zip(plain, named, strict=True) if a != b]
    (_, issue), *uploads, (_, probe) = [b for _, b in changed]
    assert words_of(issue)[-2:] == ["--node", "web-1"]
    assert [settings["source"] for _, settings in uploads] == [
        f"/env/pki/install/web-1/{name}" for name in ("ca.pem", "server.pem", "clients.pem")
    ]
    assert words_of(probe)[-1] == "--keep"
    triggers = [only(api(node=n), "terraform_data")["triggers_replace"] for n in (None, "web-1")]
    assert triggers[0] == triggers[1]


@pytest.mark.parametrize("name", ["init.sh", "open-docker-api.sh"])
def test_a_changed_script_makes_it_run_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("init.sh", "open-docker-api.sh"):
        (tmp_path / file).write_bytes((SCRIPTS / file).read_bytes())
    monkeypatch.setattr(docker_api, "SCRIPTS", tmp_path)
    before = only(api(), "terraform_data")["triggers_replace"]
    with (tmp_path / name).open("a", encoding="utf-8") as script:
        script.write("\n")
    after = only(api(), "terraform_data")["triggers_replace"]
    assert {key for key in before if before[key] != after[key]} == {name}


@pytest.mark.parametrize(
    ("renewed", "trigger"),
    [
        (replace(STORE, request="1" * 64), "certificate"),
        (replace(STORE, clients="1" * 64), "clients"),
    ],
)
def test_other_certificates_make_it_run_again(renewed: CertificateStore, trigger: str) -> None:
    before = only(api(), "terraform_data")["triggers_replace"]
    after = only(api(store=renewed), "terraform_data")["triggers_replace"]
    assert {key for key in before if before[key] != after[key]} == {trigger}


def test_folders_with_spaces_reach_the_commands_whole() -> None:
    store = replace(STORE, pki=Path("/my env/pki"), certificates=Path("/my env/it's"))
    words = [words_of(s)[1:] for kind, s in provisioners(api(store=store)) if kind == "local-exec"]
    folders = ["--pki", "/my env/pki", "--certificates", "/my env/it's"]
    assert words[1][:6] == ["-m", "constructs_lib.host.server_certificate", *folders]
    assert words[2][-4:] == folders


def test_no_name_of_the_steps_is_missing_from_the_project() -> None:
    for kind, settings in provisioners(api()):
        if kind == "local-exec":
            module = words_of(settings)[2]
            assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


@pytest.mark.parametrize("seconds", [0, -5])
def test_it_fails_when_the_time_out_is_not_positive(seconds: int) -> None:
    stack = new_stack()
    with pytest.raises(ValueError, match="connect_timeout_seconds") as caught:
        define(stack, connect_timeout_seconds=seconds)
    assert str(caught.value) == (
        f"docker api: connect_timeout_seconds: must be at least 1, got {seconds}"
    )


# A data volume


def with_a_volume() -> Json:
    def build(stack: TerraformStack) -> None:
        machine = plain_machine(stack)
        address = ElasticIp(stack, "Address", name="moor-test", machine=machine)
        volume = DataVolume(
            stack,
            "Data",
            name="moor-test-data",
            node="manager-1",
            machine=machine,
            subnet_id="subnet-1",
            size_gib=20,
            kind="gp3",
            iops=None,
            throughput=None,
        )
        ssh = SshAccess(
            user="core", port=22, private_key_file=Path("/env/key"), hosts=Path("/env/hosts")
        )
        api = DockerApi(
            stack,
            "DockerApi",
            machine=machine,
            address=address,
            port=2376,
            ssh=ssh,
            store=STORE,
            aws=AwsAccess(region="eu-central-1"),
            volume=volume,
        )
        VolumeGrowth(
            stack, "Growth", volume=volume, machine=machine, address=address, api=api, ssh=ssh
        )

    return synth_of(build)


def test_the_machine_is_told_its_data_volume_before_docker_starts() -> None:
    document = with_a_volume()
    (api,) = [
        resource
        for resource in document["resource"]["terraform_data"].values()
        if "machine" in resource["triggers_replace"]
    ]
    volume = "${aws_volume_attachment.Data_Attachment.volume_id}"
    assert api["depends_on"] == ["aws_eip.Address", "aws_volume_attachment.Data_Attachment"]
    assert api["triggers_replace"]["volume"] == volume
    assert len(api["triggers_replace"]["data-volume.sh"]) == 64
    remote = [p["remote-exec"]["inline"] for p in api["provisioner"] if "remote-exec" in p]
    assert remote[1:3] == [
        [f"sudo bash /run/moor/data-volume.sh use {volume}"],
        ["sudo bash /run/moor/init.sh"],
    ]


def test_a_volume_that_grows_runs_one_step_and_no_other() -> None:
    document = with_a_volume()
    (growth,) = [
        resource
        for resource in document["resource"]["terraform_data"].values()
        if "machine" not in resource["triggers_replace"]
    ]
    assert growth["triggers_replace"] == {"size": "20 GiB"}
    assert [p["remote-exec"]["inline"] for p in growth["provisioner"]] == [
        ["sudo bash /etc/moor/data-volume.sh grow"]
    ]
    assert growth["depends_on"] == ["aws_ebs_volume.Data", "terraform_data.DockerApi"]
