"""The step that has services end cleanly with their machine: what it does, and when again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from synthesis import ROOT, Json, plain_machine, synth_of, words_of

from constructs_lib.aws.elastic_ip import ElasticIp
from constructs_lib.host.docker_api import AwsAccess, CertificateStore, DockerApi
from constructs_lib.host.services_end import ServicesEnd
from constructs_lib.host.ssh_access import SshAccess

if TYPE_CHECKING:
    from cdktf import TerraformStack

SCRIPT = ROOT / "constructs_lib" / "host" / "scripts" / "services-end.sh"
MACHINE = "${aws_instance.Machine.id}"


def step() -> Json:
    """Return the step, as Terraform reads it."""

    def build(stack: TerraformStack) -> None:
        machine = plain_machine(stack)
        address = ElasticIp(stack, "Address", name="moor-test", machine=machine)
        ssh = SshAccess(
            user="core", port=22, private_key_file=Path("/env/key"), hosts=Path("/env/hosts")
        )
        aws = AwsAccess(region="eu-central-1")
        store = CertificateStore(
            pki=Path("/env/pki"), certificates=Path("/env/c"), request="0" * 64, clients="c" * 64
        )
        api = DockerApi(
            stack, "DockerApi", machine=machine, address=address, port=2376, ssh=ssh, store=store,
            aws=aws,
        )  # fmt: skip
        ServicesEnd(
            stack, "ServicesEnd", machine=machine, address=address, api=api, ssh=ssh, aws=aws
        )

    found: Json = synth_of(build)["resource"]["terraform_data"]["ServicesEnd"]
    return found


def test_it_runs_again_for_another_machine_or_script_and_nothing_else() -> None:
    digest = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()
    assert step()["triggers_replace"] == {"machine": MACHINE, "services-end.sh": digest}


def test_it_learns_the_machines_keys_and_installs_the_script_once_docker_runs() -> None:
    document = step()
    assert document["depends_on"] == ["terraform_data.DockerApi"]
    learn, make, upload, install = document["provisioner"]
    words = words_of(learn["local-exec"])
    assert words[1:5] == ["-m", "constructs_lib.host.host_key", "--machine", MACHINE]
    assert make["remote-exec"]["inline"] == ["sudo install -d -m 0700 -o core -g core /run/moor"]
    assert upload["file"]["source"] == str(SCRIPT)
    assert upload["file"]["destination"] == "/run/moor/services-end.sh"
    assert install["remote-exec"]["inline"] == ["sudo bash /run/moor/services-end.sh install"]
    assert all("connection" in next(iter(p.values())) for p in (make, upload, install))
