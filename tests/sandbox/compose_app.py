"""Writes the Terraform configuration of one Compose file: `compose_app.py FILE PROJECT OUT VAULT`.

For a swarm there is a folder for identities behind them. A program of its own, since an app of
cdktf writes when it ends and remembers what it has seen.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from constructs_lib.synthesis import fast_bindings, jsii_runtime

jsii_runtime.choose()
fast_bindings.install()

# isort: split
from cdktf import App, LocalBackend, TerraformStack
from cdktf_cdktf_provider_docker.provider import (
    DockerProvider,
    DockerProviderRegistryAuth,
)

from constructs_lib.compose import ended
from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.reader import load_project
from constructs_lib.compose.services import ComposeServices
from constructs_lib.host.endpoint import DockerEndpoint
from constructs_lib.swarm.services import SwarmServices


def main(file: str, project: str, out: str, vault: str, identities: str = "") -> None:
    """Write it.

    Args:
        file: The Compose files, joined as paths are.
        project: The project's name.
        out: Where the configuration goes.
        vault: Where secrets are kept for the deployment.
        identities: In a swarm the folder for what the engine calls secrets and configs.
    """
    files = [Path(word) for word in file.split(os.pathsep)]
    host = os.environ["DOCKER_HOST"]
    certificates = os.environ["DOCKER_CERT_PATH"]
    try:
        services = load_project(files, name=project, swarm=bool(identities))
    except ComposeError as error:
        sys.exit(str(error))
    app = App(outdir=out)
    stack = TerraformStack(app, "docker")
    LocalBackend(stack, path=str(Path(out).parent / f"{project}.tfstate"))
    DockerProvider(
        stack,
        "Provider",
        host=host,
        cert_path=certificates,
        registry_auth=[
            DockerProviderRegistryAuth(
                address=f"http://{os.environ['REGISTRY']}", auth_disabled=True
            )
        ],
    )
    stack.add_override("terraform.required_providers.docker.version", ">= 4.0.0, < 5.0.0")
    parts = urlsplit(host)
    endpoint = DockerEndpoint(
        host=str(parts.hostname), port=int(parts.port or 0), certificates=Path(certificates)
    )
    if identities:
        SwarmServices(
            stack,
            "Compose",
            project=services,
            endpoint=endpoint,
            vault=Vault(Path(vault)),
            value_of=services.contents.__getitem__,
            identities=Path(identities),
        )
    else:
        ComposeServices(
            stack,
            "Compose",
            project=services,
            endpoint=endpoint,
            vault=Vault(Path(vault)),
            value_of=services.contents.__getitem__,
            ended=ended.read(Path(vault).with_name("ended.json")),
        )
    app.synth()


if __name__ == "__main__":
    main(*sys.argv[1:])
