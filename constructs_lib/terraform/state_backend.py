"""Where the state of a stack is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdktf import LocalBackend, S3Backend, S3BackendAssumeRoleConfig

from constructs_lib.terraform.literal import literal

if TYPE_CHECKING:
    from pathlib import Path

    from cdktf import TerraformStack


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalState:
    """State in files on this computer.

    Attributes:
        folder: The folder; one file a stack.
    """

    folder: Path

    def attach(self, stack: TerraformStack, name: str) -> None:
        """Keep the state of `stack` in `FOLDER/NAME.tfstate`.

        The path is explicit: cdktf's default depends on the working directory.

        Raises:
            ValueError: The folder's path has what another stack would take for an expression.
        """
        path = str(self.folder / f"{name}.tfstate")
        # A backend takes it as it is, and the other stack, which reads the state, evaluates it.
        if literal(path) != path:
            raise ValueError(
                f"{self.folder}: must be a path without ${{ and %{{, which Terraform would "
                "evaluate; move the project elsewhere"
            )
        LocalBackend(stack, path=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3State:
    """State in an S3 bucket, with S3's own locking.

    Attributes:
        bucket: The bucket, which exists already.
        region: The bucket's region.
        prefix: What the objects' keys begin with.
        profile: A profile of the AWS configuration files, or None.
        role_arn: A role to assume for the bucket, or None.
    """

    bucket: str
    region: str
    prefix: str
    profile: str | None = None
    role_arn: str | None = None

    def attach(self, stack: TerraformStack, name: str) -> None:
        """Keep the state of `stack` in the object `PREFIX/NAME.tfstate`."""
        backend = S3Backend(
            stack,
            bucket=self.bucket,
            key=f"{self.prefix}/{name}.tfstate",
            region=self.region,
            profile=self.profile,
            # The other stack, which reads the state, gets it too.
            assume_role=(
                None if self.role_arn is None else S3BackendAssumeRoleConfig(role_arn=self.role_arn)
            ),
            encrypt=True,
        )
        # The bindings do not know Terraform 1.10's native locking yet.
        backend.add_override("use_lockfile", True)
