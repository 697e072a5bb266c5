"""The change of the client's certificate: after every machine, and when there is something new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from synthesis import Json, plain_machine, synth_of, words_of

from constructs_lib.aws.elastic_ip import ElasticIp
from constructs_lib.host.client_change import ClientChange
from constructs_lib.host.docker_api import AwsAccess, CertificateStore, DockerApi
from constructs_lib.host.ssh_access import SshAccess

if TYPE_CHECKING:
    from cdktf import TerraformStack

STORE = CertificateStore(
    pki=Path("/env/pki"), certificates=Path("/env/certificates"), request="0" * 64, clients="c" * 64
)
SSH = SshAccess(user="core", port=22, private_key_file=Path("/env/id"), hosts=Path("/env/hosts"))


def change(store: CertificateStore = STORE) -> Json:
    def define(stack: TerraformStack) -> None:
        machine = plain_machine(stack)
        addresses = [ElasticIp(stack, n, name=n, machine=machine) for n in ("One", "Two")]
        apis = [
            DockerApi(
                stack,
                f"{address.node.id}Api",
                machine=machine,
                address=address,
                port=2376,
                ssh=SSH,
                store=STORE,
                aws=AwsAccess(region="eu-central-1"),
                node=address.node.id,
            )
            for address in addresses
        ]
        ClientChange(stack, "Change", apis=apis, addresses=addresses, port=2376, store=store)

    found: Json = synth_of(define)["resource"]["terraform_data"]["Change"]
    return found


def test_it_comes_after_every_machine_and_asks_each() -> None:
    found = change()
    assert found["depends_on"] == ["terraform_data.OneApi", "terraform_data.TwoApi"]
    (step,) = found["provisioner"]
    assert words_of(step["local-exec"])[1:] == [
        *("-m", "constructs_lib.host.docker_api_probe"),
        *("--pki", "/env/pki", "--certificates", "/env/certificates", "--port", "2376"),
        *("--host", "${aws_eip.One.public_ip}", "--host", "${aws_eip.Two.public_ip}"),
    ]


def test_it_is_taken_when_and_only_when_something_is_new() -> None:
    assert change()["triggers_replace"] == {"certificate": "0" * 64, "clients": "c" * 64}
    for renewed in (replace(STORE, request="1" * 64), replace(STORE, clients="1" * 64)):
        assert change(renewed)["triggers_replace"] != change()["triggers_replace"]
