"""The Docker stack: the services on the machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdktf import TerraformOutput, TerraformStack
from cdktf_cdktf_provider_docker.provider import DockerProvider

from constructs_lib.container import (
    Container,
    ContainerSpec,
    FileUpload,
    PublishedPort,
    VolumeMount,
)
from constructs_lib.image import BuiltImage, PulledImage
from constructs_lib.network import Network
from constructs_lib.volume import Volume

if TYPE_CHECKING:
    from constructs import Construct

    from constructs_lib.settings import DockerSettings
    from constructs_lib.state_backend import LocalState, S3State

PROVIDER_VERSIONS: Final = ">= 4.0.0, < 5.0.0"
"""Since 4.0 a stopped container shows in the plan instead of vanishing from the state."""

SERVICES: Final = Path(__file__).parent.parent / "services"


class DockerStack(TerraformStack):
    """The recipe's example: a search service, and beside it a web page."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: str,
        environment: str,
        settings: DockerSettings,
        state: LocalState | S3State,
        address: str,
        port: int,
        certificates: Path,
    ) -> None:
        """Wire the stack.

        Args:
            scope: The app.
            id_: The stack's name.
            project: The project's name, which the services are told.
            environment: The environment's name, which the services are told.
            settings: The services' settings.
            state: Where Terraform's state is kept.
            address: The machine's address: a token of another stack.
            port: TCP port of the machine's Docker API.
            certificates: The folder with `ca.pem`, `cert.pem` and `key.pem`.
        """
        super().__init__(scope, id_)
        state.attach(self, id_)
        DockerProvider(
            self, "Provider", host=f"tcp://{address}:{port}", cert_path=str(certificates)
        )
        self.add_override("terraform.required_providers.docker.version", PROVIDER_VERSIONS)
        network = Network(self, "Network", name=project)
        told = {"PROJECT": project, "ENVIRONMENT": environment}
        Container(
            self,
            "Elastic",
            image=PulledImage(self, "ElasticImage", name=settings.elastic.image),
            spec=ContainerSpec(
                name="elastic",
                hostname="elastic",
                environment={
                    "SERVICE": "elastic",
                    **told,
                    # One node, plain HTTP: only the users of the Docker API reach its port.
                    "discovery.type": "single-node",
                    "xpack.security.enabled": "false",
                    "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
                },
                networks=[network],
                ports=[PublishedPort(container=9200, host=settings.elastic.port)],
                volumes=[
                    VolumeMount(
                        volume=Volume(self, "ElasticData", name=f"{project}-elastic-data"),
                        path="/usr/share/elasticsearch/data",
                    )
                ],
                restart="no",
                must_run=True,
            ),
        )
        Container(
            self,
            "Web",
            image=BuiltImage(
                self,
                "WebImage",
                name=f"{project}/web",
                context=SERVICES / "web" / "image",
                build_args={"BASE_IMAGE": settings.web.base_image},
            ),
            spec=ContainerSpec(
                name="web",
                hostname="web",
                environment={"SERVICE": "web", **told},
                networks=[network],
                ports=[PublishedPort(container=8080, host=settings.web.port)],
                files=[FileUpload(source=SERVICES / "web" / "index.html", path="/www/index.html")],
                restart="unless-stopped",
                must_run=True,
            ),
        )
        for name, published in (("elastic", settings.elastic.port), ("web", settings.web.port)):
            TerraformOutput(
                self,
                f"{name}_url",
                value=f"http://{address}:{published}/",
                description=f"where the service {name} answers",
            )
