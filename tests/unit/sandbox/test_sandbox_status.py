"""What the emulator says, as values."""

from __future__ import annotations

from sandbox.status import InstanceStatus


def test_an_instance_is_what_the_emulator_says_of_it() -> None:
    item = {
        "id": "i-1",
        "state": "running",
        "address": "127.19.0.2",
        "private_address": None,
        "container": "moor-trial-i-1",
        "ports": [22, 80],
        "more": "later emulators may say more",
    }
    assert InstanceStatus.read(item) == InstanceStatus(
        id="i-1",
        state="running",
        address="127.19.0.2",
        private_address=None,
        container="moor-trial-i-1",
        ports=(22, 80),
    )


def test_udp_ports_are_told_apart() -> None:
    item = {
        "id": "i-1",
        "state": "running",
        "address": None,
        "private_address": None,
        "container": "x",
        "ports": [53],
        "udp_ports": [53, 4500],
    }
    found = InstanceStatus.read(item)
    assert (found.ports, found.udp_ports) == ((53,), (53, 4500))
