"""The machine image: Flatcar by default, the newest one at each look-up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cdktf_cdktf_provider_aws.data_aws_ami import DataAwsAmi, DataAwsAmiFilter

from constructs_lib.terraform.literal import Expression, define

if TYPE_CHECKING:
    from constructs import Construct


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineImage:
    """Which machine image to start: one id, or the newest of a family.

    Attributes:
        id: An explicit AMI id, or an expression for one that was looked up already; None to look
            it up.
        owner: The AWS account that publishes the image.
        name: The pattern that the image's name matches.
        architecture: `x86_64` or `arm64`.

    Source: Flatcar's documentation, "Running Flatcar Container Linux on AWS EC2".
    """

    id: str | None
    owner: str
    name: str
    architecture: str

    def resolve(self, scope: Construct, id_: str) -> str:
        """Return the AMI id, adding a data source to `scope` where it must be looked up.

        Returns:
            The explicit id, or a token known only during the plan.
        """
        if self.id is not None:
            return self.id
        wanted = {"name": self.name, "architecture": self.architecture, "state": "available"}
        found = define(
            DataAwsAmi,
            scope,
            id_,
            most_recent=True,
            owners=[self.owner],
            filter=[
                define(DataAwsAmiFilter, name=name, values=[value])
                for name, value in wanted.items()
            ],
        )
        return Expression(found.id)

    def resolved(self, scope: Construct, id_: str) -> MachineImage:
        """Return the same image with its id, looked up once for all machines that have it.

        Args:
            scope: The construct that the data source belongs to, where there has to be one.
            id_: Its id there.
        """
        return replace(self, id=self.resolve(scope, id_))
