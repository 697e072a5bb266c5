"""Steps of a deployment: a resource of Terraform's own, which stands for no thing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdktf import DataTerraformRemoteStateLocal, LocalExecProvisioner, TerraformResource

from constructs_lib.terraform.literal import Expression, address, define, override
from constructs_lib.terraform.output_file import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdktf import FileProvisioner, ITerraformDependable, RemoteExecProvisioner
    from constructs import Construct

ROOT: Final = Path(__file__).parents[2]
"""The project's folder, where steps run."""


def terraform_data(
    scope: Construct,
    id_: str,
    *,
    triggers: Mapping[str, str],
    provisioners: Sequence[FileProvisioner | LocalExecProvisioner | RemoteExecProvisioner],
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
        depends_on: What must exist before the first step.
    """
    resource = define(
        TerraformResource,
        scope,
        id_,
        terraform_resource_type="terraform_data",
        # An empty list is no block to Terraform, and no configuration.
        provisioners=list(provisioners) or None,
        depends_on=None if depends_on is None else list(depends_on),
    )
    override(resource, "triggers_replace", triggers)
    return resource


def result_of(step: TerraformResource, scope: Construct, id_: str, *, file: Path) -> Expression:
    """Define the read of what a step writes for Terraform; see `output_file`.

    Args:
        step: The step, which calls `write_output`.
        scope: The construct that the read belongs to.
        id_: Its name there.
        file: The file.
    """
    read = define(DataTerraformRemoteStateLocal, scope, id_, path=str(file))
    override(read, "depends_on", [address(step)])
    return Expression(read.get_string(OUTPUT))


def run_module(module: str, argument: str, *arguments: str) -> LocalExecProvisioner:
    """Make the step that runs a module of this project, on this computer.

    It runs with the interpreter that runs the app, in the project's folder: nothing has to be
    on the PATH, and it does not matter where the deployment was started. No shell is between, to
    which a word could mean anything.

    Args:
        module: The module's name, as `python -m` takes it.
        argument: Its first argument.
        arguments: Its further arguments.
    """
    # Terraform starts the interpreter with its words, and the command as one more.
    words = [sys.executable, "-m", module, argument, *arguments]
    return define(
        LocalExecProvisioner,
        type="local-exec",
        interpreter=words[:-1],
        command=words[-1],
        working_dir=str(ROOT),
    )
