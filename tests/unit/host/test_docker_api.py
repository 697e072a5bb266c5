"""The steps that open Docker's remote API: their order, and what makes them run again."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

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

from constructs_lib.aws.elastic_ip import ElasticIp
from constructs_lib.host import docker_api
from constructs_lib.host.docker_api import CertificateStore, DockerApi, SshAccess

if TYPE_CHECKING:
    from cdktf import TerraformStack

REQUEST = "0" * 64
STORE = CertificateStore(
    pki=Path("/env/pki"), certificates=Path("/env/certificates"), request=REQUEST
)
ADDRESS = "${aws_eip.Address.public_ip}"
SCRIPTS = ROOT / "constructs_lib" / "host" / "scripts"


def define(
    stack: TerraformStack,
    *,
    store: CertificateStore = STORE,
    ssh_port: int = 22,
    port: int = 2376,
    connect_timeout_seconds: int = 300,
) -> None:
    machine = plain_machine(stack)
    DockerApi(
        stack,
        "DockerApi",
        machine=machine,
        address=ElasticIp(stack, "Address", name="moor-test", machine=machine),
        port=port,
        ssh=SshAccess(user="core", port=ssh_port, private_key_file=Path("/env/ssh/id_ed25519")),
        store=store,
        connect_timeout_seconds=connect_timeout_seconds,
    )


def api(*, store: CertificateStore = STORE, ssh_port: int = 22, port: int = 2376) -> Json:
    return synth_of(lambda stack: define(stack, store=store, ssh_port=ssh_port, port=port))


def test_it_is_a_resource_of_its_own_after_the_address() -> None:
    document = api()
    assert counts(document)["terraform_data"] == 1
    assert only(document, "terraform_data")["depends_on"] == ["aws_eip.Address"]
    assert "provisioner" not in only(document, "aws_instance")
    assert "provisioner" not in only(document, "aws_eip")


def test_the_steps_are_exactly_these_in_this_order() -> None:
    staged = "/run/moor"
    here = str(ROOT)
    assert provisioners(api()) == [
        ("remote-exec", {"inline": [f"sudo install -d -m 0700 -o core -g core {staged}"]}),
        ("file", {"source": str(SCRIPTS / "init.sh"), "destination": f"{staged}/init.sh"}),
        ("remote-exec", {"inline": [f"sudo bash {staged}/init.sh"]}),
        (
            "local-exec",
            {
                "interpreter": [
                    *(sys.executable, "-m", "constructs_lib.identity.issue", "--pki", "/env/pki"),
                    *("--certificates", "/env/certificates", "--address"),
                ],
                "command": ADDRESS,
                "working_dir": here,
            },
        ),
        ("file", {"source": "/env/pki/server.pem", "destination": f"{staged}/server.pem"}),
        ("file", {"source": "/env/pki/server-key.pem", "destination": f"{staged}/server-key.pem"}),
        (
            "file",
            {
                "source": str(SCRIPTS / "open-docker-api.sh"),
                "destination": f"{staged}/open-docker-api.sh",
            },
        ),
        ("remote-exec", {"inline": [f"sudo bash {staged}/open-docker-api.sh 2376"]}),
        (
            "local-exec",
            {
                "interpreter": [
                    *(sys.executable, "-m", "constructs_lib.host.docker_api_probe", "--host"),
                    *(ADDRESS, "--port", "2376", "--certificates"),
                ],
                "command": "/env/certificates",
                "working_dir": here,
            },
        ),
    ]


def test_a_failed_step_fails_the_deployment() -> None:
    assert [s for _, s in provisioners(api()) if "on_failure" in s] == []


def test_the_connection_reads_the_key_during_apply_only() -> None:
    assert only(api(ssh_port=2222), "terraform_data")["connection"] == {
        "type": "ssh",
        "host": ADDRESS,
        "port": 2222,
        "user": "core",
        "private_key": '${file("/env/ssh/id_ed25519")}',
        "agent": "false",
        "timeout": "300s",
    }


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
        "init.sh": hashlib.sha256((SCRIPTS / "init.sh").read_bytes()).hexdigest(),
        "open-docker-api.sh": hashlib.sha256(
            (SCRIPTS / "open-docker-api.sh").read_bytes()
        ).hexdigest(),
    }


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


def test_another_certificate_makes_it_run_again() -> None:
    renewed = CertificateStore(pki=STORE.pki, certificates=STORE.certificates, request="1" * 64)
    before = only(api(), "terraform_data")["triggers_replace"]
    after = only(api(store=renewed), "terraform_data")["triggers_replace"]
    assert {key for key in before if before[key] != after[key]} == {"certificate"}


def test_folders_with_spaces_reach_the_commands_whole() -> None:
    store = CertificateStore(
        pki=Path("/my env/pki"), certificates=Path("/my env/it's"), request=REQUEST
    )
    words = [words_of(s)[1:] for kind, s in provisioners(api(store=store)) if kind == "local-exec"]
    own = ("--certificates", "/my env/it's")
    assert words == [
        [
            "-m",
            "constructs_lib.identity.issue",
            "--pki",
            "/my env/pki",
            *own,
            "--address",
            ADDRESS,
        ],
        ["-m", "constructs_lib.host.docker_api_probe", "--host", ADDRESS, "--port", "2376", *own],
    ]


def test_no_name_of_the_steps_is_missing_from_the_project() -> None:
    for kind, settings in provisioners(api()):
        if kind == "local-exec":
            module = words_of(settings)[2]
            assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


def test_the_command_for_a_shell_can_be_copied_from_the_screen() -> None:
    access = SshAccess(user="core", port=2222, private_key_file=Path("/my env/id_ed25519"))
    assert access.command("192.0.2.7") == "ssh -p 2222 -i '/my env/id_ed25519' core@192.0.2.7"


@pytest.mark.parametrize("seconds", [0, -5])
def test_it_fails_when_the_time_out_is_not_positive(seconds: int) -> None:
    stack = new_stack()
    with pytest.raises(ValueError, match="connect_timeout_seconds") as caught:
        define(stack, connect_timeout_seconds=seconds)
    assert str(caught.value) == (
        f"docker api: connect_timeout_seconds: must be at least 1, got {seconds}"
    )
