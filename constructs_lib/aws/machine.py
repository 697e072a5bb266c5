"""The machine that Docker runs on: an EC2 instance of a CoreOS descendant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.instance import (
    Instance,
    InstanceMetadataOptions,
    InstanceRootBlockDevice,
)
from cdktf_cdktf_provider_aws.key_pair import KeyPair
from constructs import Construct

from constructs_lib.aws.limits import USER_DATA_LIMIT
from constructs_lib.terraform.literal import Expression, define

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.aws.machine_image import MachineImage
    from constructs_lib.aws.security_group import SecurityGroup


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
        security_groups: Sequence[SecurityGroup],
        root_volume_gib: int,
        public_key: str | None = None,
        key_name: str | None = None,
        subnet_id: str | None = None,
    ) -> None:
        """Define the instance, its image and its key pair.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it replaces the machine.
            name: The tag `Name`, and the name of a key pair made from `public_key`.
            image: The machine image.
            instance_type: The EC2 instance type, of the image's architecture.
            user_data: Plain text, at most 16384 bytes of UTF-8.
            security_groups: The groups of its network interface; one or more.
            root_volume_gib: Size of the root volume in GiB.
            public_key: An OpenSSH public key to make a key pair from; or else `key_name`.
            key_name: An existing EC2 key pair; or else `public_key`.
            subnet_id: The subnet; EC2 chooses one of the default VPC where unset.

        Raises:
            ValueError: User data is too large, no group is given, or not exactly one of
                `public_key` and `key_name` is.
        """
        size = len(user_data.encode())
        if size > USER_DATA_LIMIT:
            msg = f"machine {name}: user data: must be at most {USER_DATA_LIMIT} bytes, got {size}"
            raise ValueError(msg)
        if not security_groups:
            msg = f"machine {name}: security_groups: must name at least one group, got none"
            raise ValueError(msg)
        if (public_key is None) == (key_name is None):
            msg = f"machine {name}: must have either public_key or key_name, got both or neither"
            raise ValueError(msg)
        super().__init__(scope, id_)
        key_pair = None
        if public_key is not None:
            key_pair = define(KeyPair, self, "KeyPair", key_name=name, public_key=public_key)
            key_name = Expression(key_pair.key_name)
        self.instance = define(
            Instance,
            self,
            "Resource",
            ami=image.resolve(self, "Image"),
            instance_type=instance_type,
            key_name=key_name,
            subnet_id=subnet_id,
            vpc_security_group_ids=[group.id for group in security_groups],
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
                # Spelled out: for the object cdktf writes ${…}, which Terraform refuses here.
                replace_triggered_by=(
                    [f"{KeyPair.TF_RESOURCE_TYPE}.{key_pair.friendly_unique_id}"]
                    if key_pair
                    else None
                ),
            ),
        )
        self.id = Expression(self.instance.id)
