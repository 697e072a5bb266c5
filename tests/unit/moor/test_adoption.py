"""A Docker stack's state, had back from what runs: with a Docker API that the tests make up."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import DockerException

from constructs_lib.compose.model import ComposeProject
from constructs_lib.host import engine
from constructs_lib.settings.environment import Environment
from moor import adoption
from moor.adoption import Found
from moor.failure import CommandError
from moor.outputs import outputs_file
from moor.session import Session
from moor.swarm import access
from moor.toolchain.stack import CONFIGURATION, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from moor.deployment import Deployment

RESOURCES = {
    "docker_image": {
        "Web_1": {"name": "nginx:${data.docker_registry_image.Web.id}"},
        "Api_1": {"name": "registry:5000/api@${data.docker_registry_image.Api.sha256_digest}"},
        "Job_1": {"name": "job:1"},
    },
    "docker_container": {"Web_1": {"name": "moor-web-1"}, "Api_1": {"name": "moor-api-1"}},
    "docker_network": {"Default_1": {"name": "moor_default"}, "Unnamed_1": {}},
    "docker_volume": {"Data_1": {"name": "moor_data"}},
    "terraform_data": {"Steps_1": {}},
}
IMAGES = [
    Found(address="docker_image.Web_1", identity="", noun="image", name="nginx"),
    Found(address="docker_image.Api_1", identity="", noun="image", name="registry:5000/api"),
    Found(address="docker_image.Job_1", identity="", noun="image", name="job:1"),
]
NETWORK = Found(
    address="docker_network.Default_1", identity="n1", noun="network", name="moor_default"
)
VOLUME = Found(
    address="docker_volume.Data_1", identity="moor_data", noun="volume", name="moor_data"
)
WEB = Found(address="docker_container.Web_1", identity="c1", noun="container", name="moor-web-1")


@dataclass
class FakeDeployment:
    """The part of a deployment that is used, and what was done with it, in order."""

    stacks: list[Stack]
    known: list[tuple[str, str]] = field(default_factory=list)
    done: list[object] = field(default_factory=list)

    @property
    def terraform(self) -> SimpleNamespace:
        """Terraform."""
        state = {"resources": [{"type": kind, "name": name} for kind, name in self.known]}

        def take_over(stack: Stack, address: str, identity: str) -> None:
            self.done.append((stack.name, address, identity))

        return SimpleNamespace(state=lambda _: state if self.known else {}, take_over=take_over)

    @property
    def screen(self) -> SimpleNamespace:
        """The screen."""

        @contextlib.contextmanager
        def phase(text: str) -> Iterator[None]:
            self.done.append(text)
            yield

        return SimpleNamespace(phase=phase)

    def apply_only(self, stack: Stack, addresses: list[str]) -> None:
        """Apply."""
        self.done.append((stack.name, addresses))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(
        environment=Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})
    )
    session.__dict__["settings"] = SimpleNamespace(is_swarm=False)
    session.__dict__["services"] = ComposeProject(
        name="moor", file="compose.yaml", services={}, networks={}, volumes={}
    )
    aws = {"public_ip": "192.0.2.7", "docker_host": "tcp://192.0.2.7:2376", "ssh": "ssh"}
    session.environment.directory.mkdir(parents=True)
    outputs_file(session.environment).write_text(json.dumps({"aws": aws}), encoding="utf-8")
    return session


@pytest.fixture
def deployment(tmp_path: Path) -> FakeDeployment:
    (tmp_path / CONFIGURATION).write_text(json.dumps({"resource": RESOURCES}), encoding="utf-8")
    nowhere = tmp_path / "nowhere"
    return FakeDeployment(
        [Stack(name="aws", folder=nowhere), Stack(name="docker", folder=tmp_path)]
    )


class FakeEngine:
    """The part of the docker SDK that is used."""

    def __init__(self) -> None:
        self.containers = self._collection(("moor-web-1", "c1"), ("stray", "c2"))
        self.networks = self._collection(("moor_default", "n1"), ("stray", "n2"))
        self.volumes = self._collection(("moor_data", "v1"))
        self.services = self._collection()
        self.closed = False

    @staticmethod
    def _collection(*things: tuple[str, str]) -> SimpleNamespace:
        def found(*, filters: Mapping[str, str], all: bool = True) -> list[SimpleNamespace]:  # noqa: A002
            assert all
            assert filters == {"label": "com.docker.compose.project=moor"}
            return [SimpleNamespace(name=name, id=identity) for name, identity in things]

        return SimpleNamespace(list=found)

    def close(self) -> None:
        """Close."""
        self.closed = True


@pytest.fixture
def docker(session: Session, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()

    def connect(docker_host: str, certificates: Path) -> FakeEngine:
        assert docker_host == "tcp://192.0.2.7:2376"
        assert certificates == session.environment.certificates
        return fake

    monkeypatch.setattr(engine, "connect", connect)
    return fake


def find(session: Session, deployment: FakeDeployment) -> list[Found]:
    return adoption.find(session, cast("Deployment", deployment))


def test_what_runs_and_no_state_knows_is_found(
    session: Session, deployment: FakeDeployment, docker: FakeEngine
) -> None:
    assert find(session, deployment) == [NETWORK, VOLUME, WEB, *IMAGES]
    assert docker.closed


@pytest.mark.usefixtures("docker")
def test_what_the_state_knows_is_left_out(session: Session, deployment: FakeDeployment) -> None:
    deployment.known = [("docker_network", "Default_1"), ("docker_image", "Web_1")]
    assert find(session, deployment) == [VOLUME, WEB, *IMAGES[1:]]


@pytest.mark.usefixtures("docker")
def test_images_alone_are_nothing_to_take(session: Session, deployment: FakeDeployment) -> None:
    deployment.known = [
        ("docker_network", "Default_1"),
        ("docker_volume", "Data_1"),
        ("docker_container", "Web_1"),
    ]
    assert find(session, deployment) == []


@pytest.mark.usefixtures("docker")
def test_a_configuration_without_resources(
    session: Session, deployment: FakeDeployment, tmp_path: Path
) -> None:
    (tmp_path / CONFIGURATION).write_text("{}", encoding="utf-8")
    assert find(session, deployment) == []


def test_images_are_made_first_and_the_rest_is_imported_in_order(
    deployment: FakeDeployment,
) -> None:
    adoption.adopt(cast("Deployment", deployment), [NETWORK, VOLUME, WEB, *IMAGES])
    assert deployment.done == [
        ("docker", ["docker_image.Web_1", "docker_image.Api_1", "docker_image.Job_1"]),
        "network moor_default",
        ("docker", "docker_network.Default_1", "n1"),
        "volume moor_data",
        ("docker", "docker_volume.Data_1", "moor_data"),
        "container moor-web-1",
        ("docker", "docker_container.Web_1", "c1"),
    ]


def test_nothing_is_applied_where_no_image_is_missing(deployment: FakeDeployment) -> None:
    adoption.adopt(cast("Deployment", deployment), [NETWORK])
    assert deployment.done == [
        "network moor_default",
        ("docker", "docker_network.Default_1", "n1"),
    ]


def test_services_of_a_swarm_are_found_with_the_steps_that_they_refer_to(
    session: Session,
    deployment: FakeDeployment,
    docker: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    paths = {
        "Secret_1": "docker/Compose/Contents/secret-moor_token_0123/Made/Resource",
        "Volume_1": "docker/Compose/Pins/data/Resource",
        "Mode_1": "docker/Compose/Services/web/Mode",
        "Converged_1": "docker/Compose/Services/web/Converged/Resource",
        "Push_1": "docker/Compose/Images/web/Push/Resource",
        "Tidy_1": "docker/Compose/Tidy/Resource",
    }
    resources = {
        "docker_network": {"Default_1": {"name": "moor_default"}},
        "docker_service": {"Web_1": {"name": "moor_web"}, "New_1": {"name": "moor_new"}},
        "terraform_data": {k: {"//": {"metadata": {"path": p}}} for k, p in paths.items()},
    }
    (tmp_path / CONFIGURATION).write_text(json.dumps({"resource": resources}), encoding="utf-8")
    docker.services = docker._collection(("moor_web", "s1"), ("stray", "s2"))
    cluster = SimpleNamespace(engine=lambda: contextlib.nullcontext(docker))
    monkeypatch.setattr(access, "live_cluster", lambda *_: cluster)
    session.__dict__["settings"] = SimpleNamespace(is_swarm=True)
    web = Found(address="docker_service.Web_1", identity="s1", noun="service", name="moor_web")
    steps = [
        Found(address=f"terraform_data.{key}", identity="", noun="step", name=name)
        for key, name in (
            ("Secret_1", "Contents/secret-moor_token_0123/Made/Resource"),
            ("Volume_1", "Pins/data/Resource"),
            ("Mode_1", "Services/web/Mode"),
        )
    ]
    assert find(session, deployment) == [NETWORK, web, *steps]
    deployment.known = [("docker_service", "Web_1"), ("terraform_data", "Mode_1")]
    assert find(session, deployment) == [NETWORK]


def test_it_fails_when_the_docker_api_does_not_answer(
    session: Session, deployment: FakeDeployment, docker: FakeEngine
) -> None:
    def refuse(**_: Any) -> None:  # noqa: ANN401
        raise DockerException("refused")

    docker.volumes.list = refuse
    with pytest.raises(CommandError) as caught:
        find(session, deployment)
    assert str(caught.value) == ("tcp://192.0.2.7:2376: the Docker API must answer, got: refused")
    assert docker.closed


def test_it_fails_when_there_are_no_certificates(
    session: Session, deployment: FakeDeployment
) -> None:
    with pytest.raises(CommandError) as caught:
        find(session, deployment)
    assert str(caught.value).startswith(
        "tcp://192.0.2.7:2376: the Docker API must answer, got: Path to a certificate"
    )


def test_it_fails_when_there_is_no_machine(session: Session, deployment: FakeDeployment) -> None:
    outputs_file(session.environment).unlink()
    with pytest.raises(CommandError) as caught:
        find(session, deployment)
    assert str(caught.value) == (
        "environment production: nothing is deployed; run ENVIRONMENT=production make up first"
    )
