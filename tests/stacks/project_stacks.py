"""The project's own two stacks, with settings from its own files and an identity that is fixed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from synthesis import ROOT, Json, new_app, synth

from constructs_lib.host.docker_api import CertificateStore
from constructs_lib.host.ssh_access import SshAccess
from constructs_lib.identity.pki import Pki
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from constructs_lib.settings.services import load_services
from constructs_lib.terraform.stacks import STACKS
from main import SSH_USER, Identity, add_stacks

if TYPE_CHECKING:
    from constructs_lib.settings.settings import Settings

PROJECT: Final = Path("/project")
"""The folder of the environments here. Nothing is ever written there."""

SETTINGS: Final = {"sandbox": "sandbox.yaml", "production": "production.example.yaml"}

SWARM: Final = "swarm"
"""The environment of several machines: three managers and two workers."""

_FILES: Final = {**SETTINGS, SWARM: "swarm.yaml"}

PUBLIC_KEY: Final = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f moor-test"
)

_FIXED_PKI: Final = ROOT / "tests" / "fixed_pki"


def environment_of(name: str) -> Environment:
    """Return an environment of the project's own settings."""
    file = ROOT / "environments" / _FILES[name]
    return Environment(name=name, settings_file=file, root=PROJECT)


def settings_of(name: str) -> Settings:
    """Load the settings of an environment of this project."""
    return load_settings(environment_of(name).settings_file)


def fixed_identity(environment: Environment, settings: Settings) -> Identity:
    """Return an identity that is the same on every computer, at every time."""
    pki = Pki(
        pki_dir=_FIXED_PKI,
        certificates_dir=_FIXED_PKI / "none",
        clock=lambda: datetime(2026, 1, 31, 12, tzinfo=UTC),
        read_only=True,
    )
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
            private_key_file=environment.ssh / "id_ed25519",
            hosts=environment.hosts,
            host_keys=settings.aws.ssh.host_key,
        ),
        public_key=PUBLIC_KEY,
        authority=pki.ca_file,
        registry=_FIXED_PKI / "registry",
    )


def synthesize(environment: Environment, settings: Settings, identity: Identity) -> dict[str, Json]:
    """Synthesize both stacks; return `aws` and `docker`."""
    stacks = add_stacks(
        new_app(),
        environment=environment,
        settings=settings,
        identity=identity,
        services=load_services(environment, settings),
    )
    for stack in stacks:
        stack.prepare_stack()  # Each may still ask something of the other.
    return dict(zip(STACKS, map(synth, stacks), strict=True))


@cache
def synthesized(name: str) -> dict[str, Json]:
    """Synthesize both stacks of an environment of this project, once."""
    environment, settings = environment_of(name), settings_of(name)
    return synthesize(environment, settings, fixed_identity(environment, settings))
