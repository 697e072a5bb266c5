"""Gates: which are kept, and what a refusal says."""

from __future__ import annotations

from ipaddress import IPv4Address

from sandbox.machines.gate import _explain


def test_a_taken_port_is_explained() -> None:
    answer = (
        "driver failed programming external connectivity on endpoint x: Error starting "
        "userland proxy: listen tcp4 127.19.0.2:22: bind: address already in use"
    )
    assert _explain(IPv4Address("127.19.0.2"), [22], Exception(answer)) == (
        "127.19.0.2:22: must be free, got a port that another program listens on (perhaps on all "
        "addresses); stop it, or change aws.ssh.port"
    )
