"""Networks, in the provider's own spelling."""

from __future__ import annotations

from cdktf import TerraformOutput
from synthesis import only, synth_of

from constructs_lib.docker.network import AddressRange, ExternalNetwork, Network


def test_a_network() -> None:
    document = synth_of(lambda s: TerraformOutput(s, "n", value=Network(s, "N", name="moor").name))
    assert document["resource"] == {"docker_network": {"N": {"name": "moor"}}}
    assert document["output"]["n"]["value"] == "${docker_network.N.name}"


def test_every_field_of_a_network() -> None:
    document = synth_of(
        lambda stack: Network(
            stack,
            "N",
            name="moor",
            driver="bridge",
            driver_opts={"a": "b"},
            internal=True,
            attachable=True,
            ipv6=True,
            ipam_driver="default",
            addresses=[
                AddressRange(
                    subnet="198.51.100.0/24",
                    ip_range="198.51.100.0/25",
                    gateway="198.51.100.1",
                    aux_addresses={"router": "198.51.100.2"},
                ),
                AddressRange(subnet="2001:db8::/64"),
            ],
            labels={"b": "2", "a": "1"},
        )
    )
    assert only(document, "docker_network") == {
        "name": "moor",
        "driver": "bridge",
        "options": {"a": "b"},
        "internal": True,
        "attachable": True,
        "ipv6": True,
        "ipam_driver": "default",
        "ipam_config": [
            {
                "subnet": "198.51.100.0/24",
                "ip_range": "198.51.100.0/25",
                "gateway": "198.51.100.1",
                "aux_address": {"router": "198.51.100.2"},
            },
            {"subnet": "2001:db8::/64"},
        ],
        "labels": [{"label": "a", "value": "1"}, {"label": "b", "value": "2"}],
    }


def test_a_network_that_is_there_is_known_by_its_name() -> None:
    assert ExternalNetwork(name="theirs").id == "theirs"
