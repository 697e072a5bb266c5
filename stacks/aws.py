"""The AWS stack: a machine whose Docker API answers to our certificate only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdktf import TerraformOutput, TerraformStack
from cdktf_cdktf_provider_aws.provider import (
    AwsProvider,
    AwsProviderAssumeRole,
    AwsProviderDefaultTags,
    AwsProviderEndpoints,
)

from constructs_lib.aws.elastic_ip import ElasticIp
from constructs_lib.aws.firewall import groups
from constructs_lib.aws.machine import Machine
from constructs_lib.aws.machine_image import MachineImage
from constructs_lib.aws.security_group import SecurityGroup
from constructs_lib.host.docker_api import AwsAccess, DockerApi
from constructs_lib.terraform.literal import define, joined, override

if TYPE_CHECKING:
    from pathlib import Path

    from constructs import Construct

    from constructs_lib.host.docker_api import CertificateStore
    from constructs_lib.host.ssh_access import SshAccess
    from constructs_lib.settings.settings import AwsSettings
    from constructs_lib.terraform.state_backend import LocalState, S3State

PROVIDER_VERSIONS = ">= 5.100.0, < 7.0.0"
"""The bindings pin one version; everything used here exists unchanged in this range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """An emulated AWS.

    Attributes:
        url: Its API, for all services.
        profile: The name of its access key in `credentials`.
        credentials: The file that holds the access key.
    """

    url: str
    profile: str
    credentials: Path


class AwsStack(TerraformStack):
    """The machine, its groups, its address, and its Docker API.

    Attributes:
        public_ip: The machine's address (a token; other stacks may use it).
        machine_id: The machine's id, another one for each machine (likewise).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        tags: dict[str, str],
        settings: AwsSettings,
        state: LocalState | S3State,
        user_data: str,
        store: CertificateStore,
        ssh: SshAccess,
        public_key: str | None,
        emulator: Emulator | None = None,
    ) -> None:
        """Wire the stack.

        Args:
            scope: The app.
            id_: The stack's name.
            name: What the names of AWS resources begin with.
            tags: The tags of every AWS resource.
            settings: The machine's settings.
            state: Where Terraform's state is kept.
            user_data: The machine's cloud-config.
            store: Where certificates are issued.
            ssh: How to reach the machine.
            public_key: The key to make a key pair from, unless the settings name one.
            emulator: An emulated AWS to use instead of AWS.
        """
        super().__init__(scope, id_)
        state.attach(self, id_)
        _provider(self, settings, tags, emulator)
        network = settings.network
        security_groups = [
            SecurityGroup(
                self,
                group.id,
                name=f"{name}-{group.name}",
                display_name=group.name,
                description=group.description,
                vpc_id=network.vpc_id if network else None,
                ingress=group.ingress,
            )
            for group in groups(settings)
        ]
        machine = Machine(
            self,
            "Machine",
            name=name,
            image=MachineImage(
                id=settings.image.id,
                owner=settings.image.owner,
                name=settings.image.name,
                architecture=settings.image.architecture,
            ),
            instance_type=settings.instance_type,
            user_data=user_data,
            security_groups=security_groups,
            root_volume_gib=settings.root_volume.size_gib,
            public_key=public_key,
            key_name=settings.key_pair.name if settings.key_pair else None,
            subnet_id=network.subnet_id if network else None,
        )
        address = ElasticIp(self, "Address", name=name, machine=machine)
        port = settings.docker_api.port
        DockerApi(
            self,
            "DockerApi",
            machine=machine,
            address=address,
            port=port,
            ssh=ssh,
            store=store,
            aws=AwsAccess(
                region=settings.region,
                profile=emulator.profile if emulator else settings.profile,
                role_arn=settings.role_arn,
                endpoint_url=emulator.url if emulator else None,
                credentials=emulator.credentials if emulator else None,
            ),
        )
        self.public_ip = address.public_ip
        self.machine_id = machine.id
        _output(self, "public_ip", self.public_ip, "the machine's address")
        _output(
            self, "docker_host", joined("tcp://", self.public_ip, f":{port}"), "for DOCKER_HOST"
        )
        _output(
            self,
            "ssh",
            ssh.command(machine.id, self.public_ip),
            "the command that opens a shell on the machine, and on no other",
        )


def _provider(
    stack: TerraformStack, settings: AwsSettings, tags: dict[str, str], emulator: Emulator | None
) -> None:
    define(
        AwsProvider,
        stack,
        "Provider",
        region=settings.region,
        # A profile that is named here wins over all AWS variables, and with its own file over
        # the user's: their key is never told to the emulator, whoever runs Terraform. The key
        # itself is in no configuration, plan or state.
        profile=emulator.profile if emulator else settings.profile,
        shared_credentials_files=[str(emulator.credentials)] if emulator else None,
        assume_role=(
            [define(AwsProviderAssumeRole, role_arn=settings.role_arn)]
            if settings.role_arn
            else None
        ),
        default_tags=[define(AwsProviderDefaultTags, tags=tags)],
        endpoints=(
            [
                define(
                    AwsProviderEndpoints,
                    ec2=emulator.url,
                    sts=emulator.url,
                    iam=emulator.url,
                    s3=emulator.url,
                )
            ]
            if emulator
            else None
        ),
        # An emulator has no instance metadata, and says soon enough whom it does not know.
        skip_metadata_api_check="true" if emulator else None,
        skip_credentials_validation=True if emulator else None,
        skip_region_validation=True if emulator else None,
    )
    override(stack, "terraform.required_providers.aws.version", PROVIDER_VERSIONS)


def _output(stack: TerraformStack, name: str, value: str, description: str) -> None:
    define(TerraformOutput, stack, name, value=value, description=description)
