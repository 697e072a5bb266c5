"""The machines' network: whose addresses and whose name it may have."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import APIError

from sandbox import network
from sandbox.errors import SandboxError
from sandbox.network import make_network
from sandbox.parameters import Parameters

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = Parameters(
    environment="trial",
    project="0123456789ab",
    engine="unix:///run/docker.sock",
    api_port=4699,
    addresses=IPv4Network("127.19.0.0/24"),
    subnet=IPv4Network("172.30.19.0/24"),
    registry_port=5019,
    machine_image="moor-machine:0",
)


class Network:
    """Stands for a network of the engine."""

    def __init__(self, name: str, project: str, subnet: str | None = None) -> None:
        self.name = name
        self.attrs: dict[str, Any] = {
            "Labels": {"moor.project": project} if project else None,
            "IPAM": {"Config": [{"Subnet": subnet}] if subnet else None},
        }


class Engine:
    """Stands for an engine: it has networks, and makes one or refuses to."""

    def __init__(self, *networks: Network, refusal: str = "") -> None:
        self.networks = self
        self.made: list[dict[str, Any]] = []
        self._networks = networks
        self._refusal = refusal

    def list(self) -> tuple[Network, ...]:
        """Return the networks."""
        return self._networks

    def create(self, name: str, **options: Any) -> None:  # noqa: ANN401  (the SDK's signature)
        """Note a network."""
        if self._refusal:
            raise APIError("refused", explanation=self._refusal)
        self.made.append({"name": name} | options)


def make(*networks: Network, refusal: str = "") -> list[dict[str, Any]]:
    engine = Engine(*networks, refusal=refusal)
    make_network(engine, PARAMETERS)  # type: ignore[arg-type]
    return engine.made


@pytest.fixture(autouse=True)
def routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The computer's routes: a wide one, which may overlap, and a narrow one elsewhere."""
    file = tmp_path / "route"
    file.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "vpn0\t000010AC\t00000000\t0001\t0\t0\t0\t0000F0FF\n"
        "eth0\t00C8A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n"
    )
    monkeypatch.setattr(network, "_ROUTES", file)
    return file


def test_it_has_the_subnet_and_the_owners_labels() -> None:
    (made,) = make(Network("bridge", "", "172.17.0.0/16"))
    assert (made["name"], made["driver"]) == ("moor-trial", "bridge")
    (pool,) = made["ipam"]["Config"]
    assert (pool["Subnet"], pool["Gateway"]) == ("172.30.19.0/24", "172.30.19.1")
    assert made["labels"]["moor.project"] == "0123456789ab"


def test_one_that_is_there_is_used() -> None:
    assert make(Network("moor-trial", "0123456789ab", "172.30.19.0/24")) == []


def test_it_fails_when_another_checkout_has_the_name() -> None:
    with pytest.raises(SandboxError) as caught:
        make(Network("moor-trial", "another", "172.30.19.0/24"))
    assert str(caught.value) == (
        "environment name: must be used once on a Docker engine, got 'trial', whose network "
        "moor-trial belongs to another checkout; stop that sandbox, or rename the settings file"
    )


def test_it_fails_when_the_computer_has_a_network_there(routes: Path) -> None:
    text = routes.read_text()
    routes.write_text(text + "eth1\t00131EAC\t0\t0001\t0\t0\t0\t00FFFFFF\n")
    with pytest.raises(SandboxError, match=r"overlaps 172\.30\.19\.0/24 of interface eth1"):
        make()


def test_a_computer_that_tells_no_routes_has_none(routes: Path) -> None:
    routes.unlink()
    assert len(make()) == 1


def test_it_fails_when_the_engine_refuses() -> None:
    with pytest.raises(SandboxError) as caught:
        make(refusal="Pool overlaps")
    assert str(caught.value) == (
        "sandbox.subnet: must be a free network, got 172.30.19.0/24 and the engine's answer: "
        "Pool overlaps; choose another"
    )


@pytest.mark.parametrize("other", ["172.30.20.0/24", "fd00::/64", None])
def test_other_networks_are_no_matter(other: str | None) -> None:
    assert len(make(Network("other", "", other))) == 1


def test_an_overlap_is_refused() -> None:
    with pytest.raises(SandboxError) as caught:
        make(Network("other", "", "172.30.0.0/16"))
    assert str(caught.value) == (
        "sandbox.subnet: must not overlap a network of this computer, got 172.30.19.0/24, which "
        "overlaps 172.30.0.0/16 of network other; choose another"
    )
