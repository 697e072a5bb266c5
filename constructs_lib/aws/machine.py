"""The machine that Docker runs on: an EC2 instance of a CoreOS descendant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.instance import (
    Instance,
    InstanceMetadataOptions,
    InstanceNetworkInterface,
    InstanceRootBlockDevice,
)
from cdktf_cdktf_provider_aws.key_pair import KeyPair
from constructs import Construct

from constructs_lib.aws.limits import USER_DATA_LIMIT
from constructs_lib.terraform.literal import Expression, address, define

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.aws.machine_image import MachineImage
    from constructs_lib.aws.network_interface import NetworkInterface
    from constructs_lib.aws.security_group import SecurityGroup

_KINDS_OF_KEY: Final = 3


class Machine(Construct):
    """An instance with an encrypted gp3 root volume that answers IMDSv2 only.

    Changed user data replaces it, because user data is its whole configuration;
    a newer machine image does not, because updates arrive on the machine itself.

    Attributes:
        instance: The instance, for `depends_on`.
        id: The instance's id (a token, known after apply).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        image: MachineImage,
        instance_type: str,
        user_data: str,
        root_volume_gib: int,
        security_groups: Sequence[SecurityGroup] = (),
        public_key: str | None = None,
        key_name: str | None = None,
        key_pair: KeyPair | None = None,
        subnet_id: str | None = None,
        interface: NetworkInterface | None = None,
    ) -> None:
        """Define the instance, its image and its key pair.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it replaces the machine.
            name: The tag `Name`, and the name of a key pair made from `public_key`.
            image: The machine image; one with an id is not looked up again.
            instance_type: The EC2 instance type, of the image's architecture.
            user_data: Plain text, at most 16384 bytes of UTF-8.
            root_volume_gib: Size of the root volume in GiB.
            security_groups: The groups of the network interface that it is born with; one or
                more, unless it gets an `interface`, which has groups of its own.
            public_key: An OpenSSH public key to make a key pair from, for this machine alone.
            key_name: An existing EC2 key pair. Exactly one of these three is given.
            key_pair: A key pair that several machines share.
            subnet_id: The subnet; EC2 chooses one of the default VPC where unset. An `interface`
                stands in its own.
            interface: A network interface that outlives the machine, instead of one of its own.

        Raises:
            ValueError: User data is too large, or what must be given alone is not: groups or an
                interface, and one of the three kinds of key.
        """
        size = len(user_data.encode())
        if size > USER_DATA_LIMIT:
            msg = f"machine {name}: user data: must be at most {USER_DATA_LIMIT} bytes, got {size}"
            raise ValueError(msg)
        if not security_groups and interface is None:
            msg = f"machine {name}: security_groups: must name at least one group, got none"
            raise ValueError(msg)
        if interface is not None and (security_groups or subnet_id is not None):
            msg = (
                f"machine {name}: interface: must come without security_groups and subnet_id, "
                "which are the interface's own, got both"
            )
            raise ValueError(msg)
        if [public_key, key_name, key_pair].count(None) != _KINDS_OF_KEY - 1:
            msg = (
                f"machine {name}: must have one of public_key, key_name and key_pair, "
                "got several or none"
            )
            raise ValueError(msg)
        super().__init__(scope, id_)
        if public_key is not None:
            key_pair = define(KeyPair, self, "KeyPair", key_name=name, public_key=public_key)
        if key_pair is not None:
            key_name = Expression(key_pair.key_name)
        self.instance = define(
            Instance,
            self,
            "Resource",
            ami=image.resolve(self, "Image"),
            instance_type=instance_type,
            key_name=key_name,
            subnet_id=subnet_id,
            vpc_security_group_ids=[group.id for group in security_groups] or None,
            network_interface=(
                [
                    define(
                        InstanceNetworkInterface, device_index=0, network_interface_id=interface.id
                    )
                ]
                if interface
                else None
            ),
            user_data=user_data,
            user_data_replace_on_change=True,
            metadata_options=define(
                InstanceMetadataOptions,
                http_endpoint="enabled",
                http_tokens="required",
                # One hop: containers on the machine cannot ask for its credentials.
                http_put_response_hop_limit=1,
            ),
            root_block_device=define(
                InstanceRootBlockDevice,
                encrypted=True,
                volume_type="gp3",
                volume_size=root_volume_gib,
            ),
            tags={"Name": name},
            lifecycle=TerraformResourceLifecycle(
                ignore_changes=["ami"],
                # A new key under the old name would leave the machine with the old key.
                replace_triggered_by=[address(key_pair)] if key_pair else None,
            ),
        )
        self.id = Expression(self.instance.id)
