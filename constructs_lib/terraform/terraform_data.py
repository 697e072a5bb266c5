"""A resource of Terraform's own, which stands for steps instead of for a thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf import TerraformResource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdktf import (
        FileProvisioner,
        ITerraformDependable,
        LocalExecProvisioner,
        RemoteExecProvisioner,
        SSHProvisionerConnection,
    )
    from constructs import Construct


def terraform_data(
    scope: Construct,
    id_: str,
    *,
    triggers: Mapping[str, str],
    provisioners: Sequence[FileProvisioner | LocalExecProvisioner | RemoteExecProvisioner],
    connection: SSHProvisionerConnection | None = None,
    depends_on: Sequence[ITerraformDependable] | None = None,
) -> TerraformResource:
    """Add a `terraform_data` resource.

    cdktf's own class for it, `DataResource`, runs `terraform version` for each one during
    synthesis, 0.1 s every time, to be sure of Terraform 1.4. Set-up takes no older one.

    Args:
        scope: The construct that it belongs to.
        id_: Its name there.
        triggers: Values; when one changes, the steps are taken again.
        provisioners: The steps, in order.
        connection: How the steps on another machine reach it.
        depends_on: What must exist before the first step.
    """
    resource = TerraformResource(
        scope,
        id_,
        terraform_resource_type="terraform_data",
        provisioners=list(provisioners),
        connection=connection,
        depends_on=None if depends_on is None else list(depends_on),
    )
    resource.add_override("triggers_replace", dict(triggers))
    return resource
