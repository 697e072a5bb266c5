"""The subnets that machines stand in by turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf import Fn
from cdktf_cdktf_provider_aws.data_aws_subnets import DataAwsSubnets, DataAwsSubnetsFilter
from constructs import Construct

from constructs_lib.terraform.literal import Expression, define

if TYPE_CHECKING:
    from collections.abc import Sequence


class DefaultSubnets(Construct):
    """The subnets of the default VPC, one a zone, where the settings name no network.

    Attributes:
        every: The ids of all of them (a token, known during the plan).
        reference: The same inside of an expression.
    """

    def __init__(self, scope: Construct, id_: str) -> None:
        """Define the look-up.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
        """
        super().__init__(scope, id_)
        found = define(
            DataAwsSubnets,
            self,
            "Resource",
            filter=[define(DataAwsSubnetsFilter, name="default-for-az", values=["true"])],
        )
        self._ids = found.ids
        self.reference = f"{found.fqn}.ids"
        self.every = Expression(f"${{{self.reference}}}")

    def at(self, place: int) -> Expression:
        """Return one subnet's id, in the order of their ids.

        Args:
            place: Which one, from 0, counted round and round.
        """
        return Expression(Fn.element(Fn.sort(self._ids), place))


class NamedSubnets:
    """Subnets that settings name.

    Attributes:
        every: Their ids.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        """Take them.

        Args:
            ids: Their ids; one or more.
        """
        self.every = tuple(ids)

    def at(self, place: int) -> str:
        """Return one subnet's id.

        Args:
            place: Which one, from 0, counted round and round.
        """
        return self.every[place % len(self.every)]
