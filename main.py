"""The app: settings, then certificates, then the two stacks.

`cdktf synth`, `cdktf deploy` and `cdktf destroy` run this file. The variable
`ENVIRONMENT` chooses the settings file; see `constructs_lib.settings.environment`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.synthesis import fast_bindings, head_start, jsii_runtime, old_assets

if __name__ == "__main__":
    # Before Node starts: the folders of a build's context get it, and with them those of the image.
    # What must be private does not depend on it.
    os.umask(0o022)
# Before cdktf, whose import starts Node and waits for it.
jsii_runtime.choose()
fast_bindings.install()
if __name__ == "__main__":
    head_start.begin(Path(__file__).resolve().parent)

# isort: split
from cdktf import App

from constructs_lib.aws.tags import environment_tags
from constructs_lib.compose import ended
from constructs_lib.compose.delivery import Vault
from constructs_lib.docker.build_context import ContextError
from constructs_lib.files.private_file import PRIVATE_DIRECTORY_MODE, make_private_directory
from constructs_lib.host import cloud_config
from constructs_lib.host.docker_api import CertificateStore
from constructs_lib.host.registry_place import REGISTRY_NAME
from constructs_lib.host.ssh_access import SshAccess
from constructs_lib.host.user_data import docker_host
from constructs_lib.identity.ssh_key import ensure_key_pair
from constructs_lib.settings.certificates import pki_of
from constructs_lib.settings.environment import SANDBOX_PROFILE, Environment
from constructs_lib.settings.nodes import FIRST, nodes_of, warnings_of
from constructs_lib.swarm.registry import Registry
from constructs_lib.terraform.stacks import AWS, DOCKER
from constructs_lib.terraform.state_backend import LocalState, S3State
from stacks.aws import AwsStack, Emulator
from stacks.docker import DockerStack

if TYPE_CHECKING:
    from constructs import Construct

    from constructs_lib.compose.model import ComposeProject
    from constructs_lib.settings.settings import Settings

SSH_USER = "core"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an environment proves itself with, as far as the stacks need to know.

    Attributes:
        store: Where certificates are issued.
        ssh: How to reach the machine.
        public_key: The OpenSSH public key to make a key pair from, or None where the
            settings name an existing pair.
        authority: The certificate of the authority.
        registry: The folder with the certificate and key of a swarm's own image registry.
    """

    store: CertificateStore
    ssh: SshAccess
    public_key: str | None
    authority: Path
    registry: Path


def main() -> None:
    """Synthesize the environment that the variable `ENVIRONMENT` chooses."""
    root = Path(__file__).resolve().parent
    try:
        environment = Environment.from_variable(root, os.environ)
        # Before anything is made: what is wrong with the services is told first.
        settings, services = head_start.settings_and_services(environment)
        identity = ensure_identity(environment, settings)
        # The command line names its output folder; a plain `python main.py` uses ours.
        output = Path(os.environ.get("CDKTF_OUTDIR", environment.output))
        make_private(output / "stacks")
        if output == environment.output:
            make_private(output)
    except (ValueError, OSError) as error:
        sys.exit(f"{error}")
    for warning in (*warnings_of(settings), *services.warnings):
        sys.stderr.write(f"warning: {warning}\n")
    sys.stderr.flush()
    app = App(outdir=str(output))
    try:
        add_stacks(
            app, environment=environment, settings=settings, identity=identity, services=services
        )
    except ContextError as error:
        sys.exit(f"{error}")
    app.synth()
    old_assets.remove(output)


def make_private(folder: Path) -> None:
    """Make a folder of the configuration, in which the services' environment is, ours alone.

    The files in it keep their usual modes: a build's context is among them, and what is copied into
    an image from there keeps them too.

    Args:
        folder: The folder, which may be there already.

    Raises:
        OSError: It is another user's, or cannot be made.
    """
    make_private_directory(folder)
    folder.chmod(PRIVATE_DIRECTORY_MODE)


def ensure_identity(environment: Environment, settings: Settings) -> Identity:
    """Make or load the certificates and the SSH key of an environment.

    Raises:
        ValueError: A file that exists cannot be used.
        OSError: A file cannot be read or written.
    """
    pki = pki_of(environment, settings)
    pki.ensure()
    key_pair = settings.aws.key_pair
    public_key: str | None = None
    if key_pair is None:
        private_key_file = environment.ssh / "id_ed25519"
        public_key = ensure_key_pair(private_key_file, comment=f"moor-{environment.name}")
    else:
        private_key_file = key_pair.private_key_file
    return Identity(
        store=CertificateStore(
            pki=environment.pki,
            certificates=environment.certificates,
            request=pki.request_fingerprint,
            clients=pki.clients_fingerprint,
        ),
        ssh=SshAccess(
            user=SSH_USER,
            port=settings.aws.ssh.port,
            private_key_file=private_key_file,
            hosts=environment.hosts,
            host_keys=settings.aws.ssh.host_key,
        ),
        public_key=public_key,
        authority=pki.ca_file,
        registry=(
            pki.ensure_service_certificate(REGISTRY_NAME)
            if settings.is_swarm
            else pki.service_dir(REGISTRY_NAME)
        ),
    )


def add_stacks(
    scope: Construct,
    *,
    environment: Environment,
    settings: Settings,
    identity: Identity,
    services: ComposeProject,
) -> tuple[AwsStack, DockerStack]:
    """Add both stacks; the second reads the first one's address.

    Returns:
        The AWS stack and the Docker stack.
    """
    aws, s3 = settings.aws, settings.state.s3
    emulator = (
        Emulator(
            url=settings.sandbox.endpoint_url,
            profile=SANDBOX_PROFILE,
            credentials=environment.sandbox_credentials,
        )
        if settings.sandbox
        else None
    )
    state: LocalState | S3State = (
        LocalState(folder=environment.state)
        if s3 is None
        else S3State(
            bucket=s3.bucket,
            region=s3.region,
            prefix=s3.prefix,
            profile=emulator.profile if emulator else aws.profile,
            role_arn=aws.role_arn,
        )
    )
    name = f"{settings.project}-{environment.name}"
    machine = AwsStack(
        scope,
        AWS,
        name=name,
        tags=environment_tags(settings.project, environment.name),
        settings=aws,
        state=state,
        user_data=cloud_config.render(
            docker_host(
                docker_port=aws.docker_api.port,
                ssh_port=aws.ssh.port,
                updates=aws.updates,
                swarm=settings.is_swarm,
            )
        ),
        store=identity.store,
        ssh=identity.ssh,
        public_key=identity.public_key,
        nodes=nodes_of(settings) if settings.is_swarm else (),
        emulator=emulator,
    )
    in_swarm = settings.is_swarm
    docker = DockerStack(
        scope,
        DOCKER,
        services=services,
        state=state,
        address=machine.managers if in_swarm else machine.public_ip,
        port=aws.docker_api.port,
        certificates=environment.certificates,
        machine=None if in_swarm else machine.data_id,
        vault=Vault(environment.secrets),
        value_of=services.contents.__getitem__,
        plain_registries=[settings.sandbox.registry] if settings.sandbox else [],
        identities=environment.swarm / "contents" if in_swarm else None,
        registry=_registry(identity, settings, machine) if in_swarm else None,
        ended=ended.read(environment.ended),
    )
    return machine, docker


def _registry(identity: Identity, settings: Settings, machine: AwsStack) -> Registry | str:
    """Return where a swarm's nodes get the images from that are built here."""
    wanted = settings.registry
    if wanted.repository is not None:
        return wanted.repository
    certificate = identity.registry
    return Registry(
        image=wanted.image,
        node=FIRST,
        machine=machine.machine_id,
        certificate=certificate / "cert.pem",
        key=certificate / "key.pem",
        authority=identity.authority,
    )


if __name__ == "__main__":
    main()
