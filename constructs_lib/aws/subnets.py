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
    """The subnets of the default VPC, one a zone, where the settings name no network."""

    def __init__(self, scope: Construct, id_: str) -> None:
        """Define the look-up.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
        """
        super().__init__(scope, id_)
        self._ids = define(
            DataAwsSubnets,
            self,
            "Resource",
            filter=[define(DataAwsSubnetsFilter, name="default-for-az", values=["true"])],
        ).ids

    def at(self, place: int) -> Expression:
        """Return one subnet's id, in the order of their ids.

        Args:
            place: Which one, from 0, counted round and round.
        """
        return Expression(Fn.element(Fn.sort(self._ids), place))


class NamedSubnets:
    """Subnets that settings name."""

    def __init__(self, ids: Sequence[str]) -> None:
        """Take them.

        Args:
            ids: Their ids; one or more.
        """
        self._ids = ids

    def at(self, place: int) -> str:
        """Return one subnet's id.

        Args:
            place: Which one, from 0, counted round and round.
        """
        return self._ids[place % len(self._ids)]
