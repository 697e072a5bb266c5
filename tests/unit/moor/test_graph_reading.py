"""From settings and services to a drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from settings_files import OFFICE, document

from constructs_lib.compose.model import (
    Attachment,
    Build,
    ComposeProject,
    Delivery,
    Dependency,
    Deploy,
    FolderMount,
    NamedMount,
    NetworkDefinition,
    Port,
    Service,
    VolumeDefinition,
)
from constructs_lib.docker.container_options import ContainerOptions, HostMount, TmpfsMount
from constructs_lib.settings.settings import Settings
from moor.graph.reading import read
from moor.graph.values import (
    Arrow,
    Card,
    Data,
    Door,
    Drawing,
    Host,
    NetworkMark,
    OpenPort,
    Published,
    Visitor,
)

if TYPE_CHECKING:
    from pathlib import Path


def project(
    *services: Service,
    networks: tuple[NetworkDefinition, ...] = (),
    volumes: tuple[VolumeDefinition, ...] = (),
) -> ComposeProject:
    return ComposeProject(
        name="moor",
        file="compose.yaml",
        services={service.name: service for service in services},
        networks={network.key: network for network in networks},
        volumes={volume.key: volume for volume in volumes},
    )


def drawing(*services: Service, **aws: object) -> Drawing:
    return read("trial", Settings.model_validate(document(**aws)), project(*services))


def card(service: Service, **parts: tuple[VolumeDefinition, ...]) -> Card:
    settings = Settings.model_validate(document())
    return read("trial", settings, project(service, **parts)).services[0]  # type: ignore[arg-type]


def published(outer: int, inner: int, **more: str) -> Port:
    return Port(target=inner, published=(outer, outer), protocol="tcp", **more)  # type: ignore[arg-type]


def test_who_may_connect_and_what_lets_them_in() -> None:
    found = drawing(Service(name="web", image="nginx", ports=(published(80, 8080),)))
    assert found.name == "moor"
    assert found.place == "environment trial, eu-central-1 (AWS)"
    assert found.visitors == (
        Visitor(key=OFFICE, name="anybody on", networks=(OFFICE,)),
        Visitor(key="0.0.0.0/0 ::/0", name="everybody"),
    )
    assert found.doors == (
        Door(
            key="ssh.port",
            visitor=OFFICE,
            name="SSH: the deployment and its operators",
            guard="the environment's SSH key",
            ports=(OpenPort(text="22", answers=("machine",)),),
        ),
        Door(
            key="docker_api.port",
            visitor=OFFICE,
            name="Docker API behind mutual TLS",
            guard="a client certificate of the environment",
            ports=(OpenPort(text="2376", answers=("machine",)),),
        ),
        Door(
            key="docker_api.service_ports",
            visitor=OFFICE,
            name="a service for the users of the Docker API",
            ports=(OpenPort(text="9200"),),
        ),
        Door(
            key="http.ports",
            visitor="0.0.0.0/0 ::/0",
            name="HTTP and HTTPS services",
            ports=(OpenPort(text="80", answers=("web",)), OpenPort(text="443")),
        ),
    )
    assert found.hosts == (
        Host(
            key="manager",
            name="the machine",
            lines=("t3.small, x86_64",),
            disks=("disk 20 GiB, encrypted",),
        ),
    )
    assert found.among == ""


def test_of_a_range_each_port_is_told_on_which_somebody_answers() -> None:
    found = drawing(
        Service(name="one", ports=(published(8001, 80),)),
        Service(name="two", ports=(Port(target=53, published=(8002, 8003), protocol="tcp"),)),
        Service(name="none", ports=(published(8004, 80),), replicas=0),
        Service(name="own", ports=(published(8005, 80, host_ip="127.0.0.1"),)),
        http={"ports": ["8000-8010"]},
    )
    assert found.doors[-1].ports == (
        OpenPort(text="8001", answers=("one",)),
        OpenPort(text="8002", answers=("two",)),
        OpenPort(text="8003", answers=("two",)),
    )


def test_a_service_on_the_machines_network_answers_on_its_own_port() -> None:
    host = ContainerOptions(network_mode="host")
    found = drawing(Service(name="proxy", ports=(published(1, 80),), options=host))
    assert found.doors[-1].ports[0] == OpenPort(text="80", answers=("proxy",))
    assert found.services[0].networks == ("(host)",)
    assert found.services[0].ports == ()
    assert found.networks == (NetworkMark(key="(host)", name="host network", is_none=True),)


def test_the_machines_of_a_swarm_are_told_pool_by_pool() -> None:
    pool = {"count": 4, "instance_type": "t3.medium", "labels": {"tier": "web"}}
    found = drawing(
        machines={"managers": 3, "workers": {"web": pool, "db": {"count": 1}}},
        load_balancer={"ports": [80]},
    )
    assert found.hosts == (
        Host(
            key="manager",
            name="3 managers",
            lines=("manager-1, manager-2, manager-3", "t3.small, x86_64"),
            disks=("disk 20 GiB each, encrypted",),
        ),
        Host(
            key="web",
            name="4 workers",
            lines=("web-1 to web-4", "t3.medium, x86_64", "labels: tier=web"),
            disks=("disk 20 GiB each, encrypted",),
        ),
        Host(
            key="db",
            name="worker db",
            lines=("db-1", "t3.small, x86_64"),
            disks=("disk 20 GiB, encrypted",),
        ),
    )
    assert found.among == "the nodes among themselves: 2377, 7946, 7946/udp, 4789/udp, esp, 5000"
    assert [door.through for door in found.doors] == ["", "", "", "a load balancer, too"]


def test_a_card_tells_image_count_and_ports() -> None:
    ports = (
        published(80, 8080),
        published(80, 8080),
        published(5432, 5432, host_ip="127.0.0.1"),
        Port(target=53, published=None, protocol="udp"),
    )
    service = Service(name="web", image="nginx:1@sha256:0123", ports=ports, replicas=3)
    assert card(service) == Card(
        name="web",
        count="\N{MULTIPLICATION SIGN} 3",
        image="nginx:1",
        ports=(
            Published(key="80", text="80 → 8080"),
            Published(key="own 5432", text="5432 → 5432", note="from the machine itself only"),
            Published(key="any 53/udp", text="any port → 53/udp"),
        ),
    )


def test_a_card_tells_what_a_person_should_know() -> None:
    deploy = Deploy(is_global=True, constraints=("node.labels.tier==web",))
    service = Service(
        name="agent",
        build=Build(context="."),
        deploy=deploy,
        shares_network="vpn",
        options=ContainerOptions(privileged=True),
    )
    found = card(service)
    assert (found.count, found.image) == ("on each node", "built here: agent")
    assert found.notes == (
        "only where node.labels.tier==web",
        "on the network of vpn",
        "privileged: may do everything on the machine",
    )


def test_a_card_tells_what_becomes_of_each_kind_of_data(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("x", encoding="utf-8")
    options = ContainerOptions(
        host_mounts=(
            HostMount(source="/var/run/docker.sock", path="/var/run/docker.sock", read_only=True),
        ),
        anonymous_volumes=("/cache",),
        tmpfs={"/run": "size=1m"},
        tmpfs_mounts=(TmpfsMount(path="/tmp"),),  # noqa: S108  (a path in a container)
    )
    service = Service(
        name="web",
        mounts=(
            NamedMount(volume="db", path="/data"),
            NamedMount(volume="theirs", path="/in", read_only=True),
        ),
        folders=(
            FolderMount(source=tmp_path / "data", place="folders/data", path="/var/data"),
            FolderMount(
                source=tmp_path / "page", place="folders/page", path="/www", read_only=True
            ),
        ),
        deliveries=(
            Delivery(path="/a"),
            Delivery(path="/b"),
            Delivery(path="/run/secrets/c", is_secret=True),
        ),
        options=options,
        volumes_from=(("db", True),),
    )
    volumes = (
        VolumeDefinition(key="db", name="moor_db"),
        VolumeDefinition(key="theirs", name="theirs", external=True),
    )
    assert card(service, volumes=volumes).data == (
        Data(name="db", path="/data", keeping="machine"),
        Data(name="theirs", path="/in", keeping="foreign", read_only=True),
        Data(name="./data", path="/var/data", keeping="machine"),
        Data(name="./page", path="/www", keeping="copy", read_only=True),
        Data(name="/var/run/docker.sock", path="", keeping="foreign", read_only=True),
        Data(name="2 files", path="", keeping="copy"),
        Data(name="1 secret", path="", keeping="copy"),
        Data(name="without a name", path="/cache", keeping="container"),
        Data(name="in memory", path="/run", keeping="nothing"),
        Data(name="in memory", path="/tmp", keeping="nothing"),  # noqa: S108
        Data(name="the volumes of db", path="", keeping="foreign", read_only=True),
    )


def test_networks_that_no_service_is_on_are_left_out() -> None:
    networks = (
        NetworkDefinition(key="front", name="moor_front"),
        NetworkDefinition(key="back", name="moor_back", internal=True),
        NetworkDefinition(key="theirs", name="theirs", external=True),
        NetworkDefinition(key="idle", name="moor_idle"),
    )
    joined = tuple(Attachment(network=key) for key in ("back", "front", "theirs"))
    found = read(
        "trial",
        Settings.model_validate(document()),
        project(
            Service(name="web", networks=joined),
            Service(name="job", options=ContainerOptions(network_mode="none")),
            networks=networks,
        ),
    )
    assert found.networks == (
        NetworkMark(key="front", name="front"),
        NetworkMark(key="back", name="back", note="no way out"),
        NetworkMark(key="theirs", name="theirs", note="not made here"),
        NetworkMark(key="(none)", name="no network", is_none=True),
    )


def test_what_waits_for_what() -> None:
    needs = (
        Dependency(service="db", condition="service_healthy"),
        Dependency(service="setup", condition="service_completed_successfully"),
        Dependency(service="cache", condition="service_started"),
        Dependency(service="of-another-profile", condition="service_started"),
    )
    others = [Service(name=name) for name in ("db", "setup", "cache")]
    assert drawing(Service(name="web", depends_on=needs), *others).arrows == (
        Arrow(service="web", needs="db", wait="healthy"),
        Arrow(service="web", needs="setup", wait="done"),
        Arrow(service="web", needs="cache", wait="started"),
    )
